"""What the device says of itself and of its traffic, as values. Pure."""

import re
from decimal import Decimal

from libs.rdsclient.commands import Command
from libs.rdsclient.errors import GarbledReply, error_from_text
from libs.rdsclient.model import Release, SystemInfo, Traffic
from libs.rdsclient.replies import listings, text_of

_SCALED = re.compile(r"(\d[\d ]*(?:\.\d+)?)(|[kMGT])(?:bps)?", re.ASCII)
_SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_KEY_VALUE = re.compile(r"^ *([a-z0-9-]+): *(.*?) *$")


def parse_system(text: str) -> SystemInfo:
    """Read `/system resource print`: right-aligned `key: value` lines.

    Raises:
        GarbledReply: there is no version in it.
        RdsCsiError: it is an error text.
    """
    values = _values(text)
    if "version" not in values:
        if not values and text.strip():
            raise error_from_text(text.strip())
        raise GarbledReply("the device did not say which release it runs", detail=repr(text))
    version = values["version"]
    return SystemInfo(Release.parse(version), version, values.get("board-name", ""))


def parse_identity(text: str, command: Command) -> str:
    """Read the device's name."""
    if command.listings:
        (items,) = listings(text, command)
        return text_of(items[0], "name") if items else ""
    return _values(text).get("name", "")


def parse_traffic(text: str) -> Traffic:
    """Read `monitor-traffic once`; what cannot be read is left out, not made up.

    Raises:
        RdsCsiError: it is an error text.
    """
    values = _values(text)
    if not values:
        raise error_from_text(text.strip())
    return Traffic(
        read_ops=_scaled(values.get("read-ops-per-second")),
        write_ops=_scaled(values.get("write-ops-per-second")),
        read_bits=_scaled(values.get("read-rate")),
        write_bits=_scaled(values.get("write-rate")),
        in_flight=_scaled(values.get("in-flight-ops")),
    )


def _values(text: str) -> dict[str, str]:
    found = (_KEY_VALUE.match(line) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}


def _scaled(text: str | None) -> int | None:
    match = _SCALED.fullmatch(text or "")
    if match is None:
        return None
    return int(Decimal(match[1].replace(" ", "")) * _SCALES[match[2]])
