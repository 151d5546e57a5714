"""What the device answered, as values or as an error that says where it went wrong. Pure."""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import cast

from libs.core.ids import Slot, shown
from libs.rdsclient.commands import Command
from libs.rdsclient.errors import GarbledReply, error_from_text
from libs.rdsclient.model import (
    BackingFile,
    Export,
    FileDisk,
    Pool,
    Release,
    SlotState,
    SystemInfo,
)

Item = Mapping[str, object]
Documents = tuple[tuple[Item, ...], ...]

_DECODER = json.JSONDecoder(parse_float=Decimal)
_KEY_VALUE = re.compile(r"^ *([a-z0-9-]+): *(.*?) *$")


def documents(text: str, command: Command) -> Documents:
    """Return the JSON documents of an answer, each a listing of items.

    Raises:
        RdsCsiError: the device printed an error text: what it means, by the table in `errors`.
        GarbledReply: the answer is cut off, or is not what was asked for.
    """
    found: list[tuple[Item, ...]] = []
    rest = text.lstrip()
    while len(found) < command.documents:
        if not rest:
            raise GarbledReply(
                "the device's answer is incomplete",
                detail=f"{len(found)} of {command.documents} documents: {text!r}",
            )
        if rest[0] not in "[{":
            raise error_from_text(rest.strip())
        try:
            document, end = _DECODER.raw_decode(rest)
        except (ValueError, RecursionError) as error:
            raise GarbledReply(
                "the device's answer is cut off or not JSON", detail=f"{error}: {text!r}"
            ) from None
        found.append(_items(document))
        rest = rest[end:].lstrip()
    if rest:
        raise error_from_text(rest.strip())
    return tuple(found)


def _items(document: object) -> tuple[Item, ...]:
    entries: Sequence[object] = document if isinstance(document, list) else (document,)
    for entry in entries:
        if not isinstance(entry, dict):
            raise GarbledReply(
                "the device's answer is not a listing", detail=f"an entry is {entry!r}"
            )
    return tuple(cast("Item", entry) for entry in entries)


def parse_system(text: str) -> SystemInfo:
    """Read `/system resource print`: right-aligned `key: value` lines.

    Raises:
        GarbledReply: there is no version in it.
        RdsCsiError: it is an error text.
    """
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = _KEY_VALUE.match(line)
        if match:
            values[match[1]] = match[2]
    if "version" not in values:
        if not values and text.strip():
            raise error_from_text(text.strip())
        raise GarbledReply("the device did not say which release it runs", detail=repr(text))
    version = values["version"]
    return SystemInfo(Release.parse(version), version, values.get("board-name", ""))


def parse_disks(text: str, command: Command) -> tuple[FileDisk, ...]:
    """Read a listing of disk items, all of which must be file disks.

    Raises:
        GarbledReply: the listing, or an item in it, cannot be read. One bad item spoils the whole:
            a listing with a gap must not pass for a complete one.
    """
    (items,) = documents(text, command)
    return tuple(_file_disk(item) for item in items)


def parse_pool(text: str, command: Command) -> Pool | None:
    """Read the listing of one pool; None when it is not mounted."""
    (items,) = documents(text, command)
    return _pool(items)


def parse_slot(text: str, command: Command, slot: Slot) -> SlotState:
    """Read the three documents with which every command on one slot ends."""
    items, files, pools = documents(text, command)
    disks = tuple(_file_disk(item) for item in items)
    own = [disk for disk in disks if disk.slot == slot.text]
    if len(own) > 1:
        raise GarbledReply(f"the device lists slot {slot} more than once", detail=text)
    return SlotState(
        slot=slot,
        disk=own[0] if own else None,
        users=tuple(disk for disk in disks if disk.slot != slot.text),
        files=tuple(BackingFile("/" + _text(item, "name").lstrip("/")) for item in files),
        pool=_pool(pools),
    )


def _file_disk(item: Item) -> FileDisk:
    slot = _text(item, "slot")
    if _text(item, "type") != "file":
        raise GarbledReply(
            f"the disk in slot {slot} is not a file disk, though its name is one of ours",
            detail=repr(item),
        )
    export = None
    if _flag(item, "nvme-tcp-export"):
        export = Export(
            nqn=_text(item, "nvme-tcp-server-nqn"),
            port=_number(item, "nvme-tcp-server-port"),
            allowed_host=_text(item, "nvme-tcp-server-allow-host-name", ""),
        )
    path = "/" + _text(item, "file-path").lstrip("/")
    return FileDisk(slot=slot, path=path, size=_number(item, "size"), export=export)


def _pool(items: tuple[Item, ...]) -> Pool | None:
    if not items:
        return None
    if len(items) > 1:
        raise GarbledReply("the device lists a mount point more than once", detail=repr(items))
    (item,) = items
    return Pool(
        mount_point=_text(item, "mount-point"),
        size=_number(item, "size"),
        free=_number(item, "free"),
        filesystem=_text(item, "fs", ""),
        state=_text(item, "state", ""),
    )


def _text(item: Item, name: str, default: str | None = None) -> str:
    value = item.get(name, default)
    if not isinstance(value, str):
        raise _unreadable(item, name, "a text")
    return value


def _number(item: Item, name: str) -> int:
    value = item.get(name)
    if isinstance(value, bool):
        raise _unreadable(item, name, "a number")
    if isinstance(value, Decimal) and value == value.to_integral_value():
        value = int(value)  # whole numbers can come as 443.000000
    if isinstance(value, str) and value.replace(" ", "").isascii():
        digits = value.replace(" ", "")  # digits can be grouped by spaces
        value = int(digits) if digits.isdigit() else None
    if not isinstance(value, int) or value < 0:
        raise _unreadable(item, name, "a whole number")
    return value


def _flag(item: Item, name: str) -> bool:
    value = item.get(name)
    flag = {True: True, False: False, "yes": True, "no": False, "true": True, "false": False}
    if not isinstance(value, bool | str) or value not in flag:
        raise _unreadable(item, name, "yes or no")
    return flag[value]


def _unreadable(item: Item, name: str, wanted: str) -> GarbledReply:
    where = item.get("slot", item.get("name", item.get(".id", "?")))
    value = shown(str(item[name])) if name in item else "missing"
    return GarbledReply(
        f"the device's answer cannot be read: {name} of {shown(str(where))} should be {wanted}",
        detail=f"{value} in {item!r}",
    )
