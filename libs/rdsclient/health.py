"""How the device and its disks are: what is asked, and what the answers say. Pure.

What cannot be read is None, and takes nothing else with it: a disk that says nonsense of its
temperature still has its errors counted. Sizes are bytes, rates bytes a second, times seconds.
"""

import itertools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from libs.rdsclient.commands import ALONE, Command, ask, quote
from libs.rdsclient.errors import GarbledReply, error_from_text
from libs.rdsclient.facts import read_lines
from libs.rdsclient.listing import Item
from libs.rdsclient.model import Features
from libs.rdsclient.replies import listings

_ITEM = "rds-csi:item"
"""Printed before what is said of each item, with its number; and at the end, with `_END`."""
_END = "end"
_FAILED = "rds-csi:failed"
"""Printed before the error of an item."""

RAID_STATES = ("clean", "degraded", "resync", "failed", "other")
"""What an array can be, several at once; `other` is what this driver does not know."""
_RAID_WORDS: Mapping[str, str] = {
    "clean": "clean",
    "active": "clean",
    "degraded": "degraded",
    "resync": "resync",
    "recover": "resync",
    "rebuild": "resync",
    "reshape": "resync",
    "check": "resync",
    "repair": "resync",
    "fail": "failed",
    "fault": "failed",
    "inactive": "failed",
    "broken": "failed",
}
_INCOMPLETE = ("degraded", "recover", "rebuild", "fail", "fault", "inactive", "broken")

_MARKER = re.compile(rf"^{_ITEM} (\d+|{_END})\s*$", re.MULTILINE)
_SCALED = re.compile(r"(\d[\d ]*(?:\.\d+)?)(|[kMGT])(?:bps)?", re.ASCII)
_SCALES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|us|ns|[wdhms])", re.ASCII)
_SECONDS = {
    "w": 604800.0,
    "d": 86400.0,
    "h": 3600.0,
    "m": 60.0,
    "s": 1.0,
    "ms": 1e-3,
    "us": 1e-6,
    "ns": 1e-9,
}
_AMOUNT = re.compile(r"(-?\d[\d ]*(?:\.\d+)?) ?(?:%|C|°C)?", re.ASCII)
_HARDWARE = "hardware"
_BITS = 8


@dataclass(frozen=True, slots=True)
class DiskTraffic:
    """What a disk does at one moment, as `monitor-traffic` says it."""

    slot: str
    read_ops: float | None = None
    write_ops: float | None = None
    read_bytes: float | None = None
    write_bytes: float | None = None
    read_seconds: float | None = None
    write_seconds: float | None = None
    wait_seconds: float | None = None
    active_seconds: float | None = None
    in_flight: float | None = None


@dataclass(frozen=True, slots=True)
class Smart:
    """What a drive says of itself.

    Attributes:
        temperature: degrees Celsius.
        wear: the share of its rated life that is used; it can go beyond 1.
    """

    temperature: float | None = None
    wear: float | None = None


@dataclass(frozen=True, slots=True)
class DiskHealth:
    """How a disk item that is no volume is: a drive, an array, a partition.

    Attributes:
        slot: its name.
        kind: its type, such as `hardware` and `raid`.
        mount_point: where it is mounted; empty where it is not.
        size: of what is mounted.
        free: the same.
        states: of an array, which of `RAID_STATES` hold; empty where it says nothing.
        is_incomplete: of an array, whether it lacks a member or is still filling one in; None where
            it says nothing.
        io_errors: since the device last started, or its counters were reset.
        smart: what the drive says of itself.
    """

    slot: str
    kind: str = ""
    mount_point: str = ""
    size: int | None = None
    free: int | None = None
    states: frozenset[str] = frozenset()
    is_incomplete: bool | None = None
    io_errors: int | None = None
    smart: Smart = Smart()

    @property
    def is_mute_drive(self) -> bool:
        """Whether it is a drive of which the listing does not say all that SMART would."""
        return self.kind == _HARDWARE and None in {self.smart.temperature, self.smart.wear}


def list_health(features: Features) -> Command:
    """Ask for every disk item that is no volume."""
    return ask(features, "/disk", 'type!="file"')


def read_traffic(slots: Sequence[str]) -> Command:
    """Ask for the traffic of several disks, one unreadable without the others."""
    return _each(f"/disk/monitor-traffic {quote(slot)} once" for slot in slots)


def read_smart(slots: Sequence[str]) -> Command:
    """Ask several drives what they say of themselves (console schema of 7.23; its form is not)."""
    return _each(f"/disk/smart-info {quote(slot)}" for slot in slots)


def _each(lines: Iterable[str]) -> Command:
    said = (
        f':put "{_ITEM} {number}"; :onerror e in={{{line}}} do={{:put "{_FAILED}"; :put $e}}'
        for number, line in enumerate(lines)
    )
    return Command("; ".join([*said, f':put "{_ITEM} {_END}"']), seconds=ALONE)


def parse_health(text: str, command: Command) -> tuple[DiskHealth, ...]:
    """Read a listing of disk items that are no volumes; what has no slot is left out.

    Raises:
        RdsCsiError: there is an error text in its place.
        GarbledReply: the listing is cut off, or is none.
    """
    (found,) = listings(text, command, _disk)
    return tuple(disk for disk in found if disk is not None)


def parse_traffic(text: str, slots: Sequence[str]) -> tuple[DiskTraffic, ...]:
    """Read the traffic of those disks of which the device said it.

    Raises:
        RdsCsiError: there is an error text in place of the whole.
    """
    return tuple(
        DiskTraffic(
            slot=slot,
            read_ops=_scaled(said.get("read-ops-per-second")),
            write_ops=_scaled(said.get("write-ops-per-second")),
            read_bytes=_scaled(said.get("read-rate"), _BITS),
            write_bytes=_scaled(said.get("write-rate"), _BITS),
            read_seconds=_seconds(said.get("read-time")),
            write_seconds=_seconds(said.get("write-time")),
            wait_seconds=_seconds(said.get("wait-time")),
            active_seconds=_seconds(said.get("active-time")),
            in_flight=_scaled(said.get("in-flight-ops")),
        )
        for slot, said in _of_each(text, slots)
    )


def parse_smart(text: str, slots: Sequence[str]) -> dict[str, Smart]:
    """Read what those drives say that say anything, by slot.

    Raises:
        RdsCsiError: there is an error text in place of the whole.
    """
    return {slot: _smart(said) for slot, said in _of_each(text, slots)}


def _of_each(text: str, slots: Sequence[str]) -> Iterator[tuple[str, Mapping[str, str]]]:
    """Yield what is said of each item, as properties; not of those with an error, or cut off."""
    marks = list(_MARKER.finditer(text))
    if not marks:
        if text.strip():
            raise error_from_text(text.strip())
        raise GarbledReply("the device's answer is incomplete", detail="it is empty")
    for mark, following in itertools.pairwise(marks):
        number = mark[1]
        said = {} if _FAILED in (part := text[mark.end() : following.start()]) else _said(part)
        if said and number != _END and int(number) < len(slots):
            yield slots[int(number)], said


def _said(text: str) -> dict[str, str]:
    return {name: value for name, value in read_lines(text).items() if value}


def _disk(item: Item) -> DiskHealth | None:
    slot = item.get("slot")
    if not isinstance(slot, str) or not slot:
        return None
    mount_point = _text(item, "mount-point")
    # Field names differ between releases.
    state = (_text(item, "raid-state") or _text(item, "state")).lower()
    return DiskHealth(
        slot=slot,
        kind=_text(item, "type"),
        mount_point=mount_point,
        size=_count(item.get("size")) if mount_point else None,
        free=_count(item.get("free")) if mount_point else None,
        states=_raid_states(state),
        is_incomplete=any(word in state for word in _INCOMPLETE) if state else None,
        io_errors=_count(item.get("io-errors")),
        smart=_smart(item),
    )


def _raid_states(text: str) -> frozenset[str]:
    if not text:
        return frozenset()
    # "inactive" is not "active".
    words = re.findall(r"[a-z]+", text)
    known = {_RAID_WORDS[key] for word in words for key in _RAID_WORDS if word.startswith(key)}
    return frozenset(known or {"other"})


def _smart(said: Mapping[str, object]) -> Smart:
    used = _amount(said.get("percentage-used"))
    return Smart(
        temperature=_amount(said.get("temperature")), wear=None if used is None else used / 100
    )


def _text(item: Item, name: str) -> str:
    value = item.get(name, "")
    return value if isinstance(value, str) and value not in {"none", "-"} else ""


def _amount(value: object) -> float | None:
    """Return a number that may have a unit behind it: 38, `38C`, `3%`."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _AMOUNT.fullmatch(value.strip())
        value = Decimal(match[1].replace(" ", "")) if match else None
    try:
        amount = float(value) if isinstance(value, int | Decimal) else math.nan
    except OverflowError:
        return None
    return amount if math.isfinite(amount) else None


def _count(value: object) -> int | None:
    amount = _amount(value)
    return int(amount) if amount is not None and amount >= 0 and amount == int(amount) else None


def _scaled(text: str | None, divisor: int = 1) -> float | None:
    match = _SCALED.fullmatch(text) if text else None
    if match is None:
        return None
    return float(Decimal(match[1].replace(" ", "")) * _SCALES[match[2]] / divisor)


def _seconds(text: str | None) -> float | None:
    """Return a time such as `0ms` and `1h48s149ms`."""
    if not text:
        return None
    parts = _TIME.findall(text)
    if "".join(number + unit for number, unit in parts) != text:
        return None
    return float(sum(Decimal(number) * Decimal(str(_SECONDS[unit])) for number, unit in parts))
