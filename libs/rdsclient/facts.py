"""What the device says of itself, as values. Pure."""

import re

from libs.rdsclient.commands import Command
from libs.rdsclient.errors import GarbledReply, error_from_text
from libs.rdsclient.model import Release, SystemInfo
from libs.rdsclient.replies import listings, text_of

_KEY_VALUE = re.compile(r" *([a-z0-9-]+): *(.*?)\s*$")


def parse_system(text: str) -> SystemInfo:
    """Read `/system resource print`: right-aligned `key: value` lines.

    Raises:
        GarbledReply: there is no version in it.
        RdsCsiError: it is an error text.
    """
    values = read_lines(text)
    if "version" not in values:
        if not values and text.strip():
            raise error_from_text(text.strip())
        raise GarbledReply("the device did not say which release it runs", detail=repr(text))
    version = values["version"]
    return SystemInfo(Release.parse(version), version, values.get("board-name", ""))


def parse_identity(text: str, command: Command) -> str:
    """Read the device's name.

    Raises:
        GarbledReply: the listing is cut off, or is none.
        RdsCsiError: it is an error text.
    """
    if command.listings:
        (items,) = listings(text, command)
        return text_of(items[0], "name") if items else ""
    return read_lines(text).get("name", "")


def read_lines(text: str) -> dict[str, str]:
    """Return the properties that a text has as right-aligned `key: value` lines; no other lines."""
    found = (_KEY_VALUE.match(line) for line in text.splitlines())
    return {match[1]: match[2] for match in found if match}
