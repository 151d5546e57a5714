"""What the device answered, as values or as an error that says where it went wrong. Pure."""

from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

from libs.core.errors import RdsCsiError
from libs.core.ids import Slot, shown
from libs.core.images import INNER_NAME, Image
from libs.rdsclient.commands import Command
from libs.rdsclient.errors import GarbledReply, error_from_text
from libs.rdsclient.listing import CHANGED, Item, Reader
from libs.rdsclient.model import (
    BackingFile,
    Export,
    FileDisk,
    Pool,
    SlotState,
    Storage,
    Subvolume,
)

_MOST_DIGITS = 19
_TOO_LARGE = 2**63
"""What does not fit the int64 of the CSI messages is no size."""


def listings(text: str, command: Command, *read: Callable[[Item], Any]) -> tuple[list[Any], ...]:
    """Return the listings of an answer, all that were asked for and nothing else.

    Args:
        text: the answer.
        command: what was sent.
        read: makes a value of an item, one function for each listing. Items are dropped one by
            one: those of ten thousand disks take tens of megabytes.

    Raises:
        RdsCsiError: the device printed an error text: what it means, by the table in `errors`.
        GarbledReply: the answer is cut off, or is not what was asked for. Once a change has been
            made, whatever else is wrong with the answer is this too: it must not sound final.
    """
    if not command.changes:
        return _read_all(text, command, read)
    before, changed, after = text.partition(CHANGED)
    if not changed:
        if CHANGED.startswith(before.strip()):
            raise GarbledReply("the device's answer is cut off", detail=repr(text))
        raise error_from_text(before.strip())
    try:
        return _read_all(after, command, read)
    except GarbledReply:
        raise
    except RdsCsiError as error:
        raise GarbledReply(
            "the change was made, and the device did not say what is there now", detail=error.detail
        ) from error


def _read_all(
    text: str, command: Command, read: Sequence[Callable[[Item], Any]]
) -> tuple[list[Any], ...]:
    reader = Reader(text, as_json=command.json)
    readers = [*read, *[_whole] * (command.listings - len(read))]
    found = tuple([value(item) for item in reader.items()] for value in readers)
    reader.finish()
    return found


def _whole(item: Item) -> Item:
    return item


def parse_disks(text: str, command: Command) -> tuple[FileDisk, ...]:
    """Read a listing of disk items, all of which must be file disks.

    Raises:
        GarbledReply: the listing, or an item in it, cannot be read. One bad item spoils the whole:
            a listing with a gap must not pass for a complete one.
    """
    (disks,) = listings(text, command, _file_disk)
    return tuple(disks)


def parse_pool(text: str, command: Command) -> Pool | None:
    """Read the listing of one pool; None when it is not mounted.

    Raises:
        GarbledReply: as of `parse_disks`, or there are several.
    """
    (pools,) = listings(text, command, _pool)
    if len(pools) > 1:
        raise GarbledReply("the device lists a mount point more than once", detail=repr(pools))
    return pools[0] if pools else None


def parse_slot(text: str, command: Command, slot: Slot) -> SlotState:
    """Read the listings with which every command on one slot ends.

    They are of disk items, files, pools and, where the release has them, subvolumes.

    Raises:
        GarbledReply: as of `parse_disks`, or the device lists the slot more than once.
    """
    items, files, pools, *rest = listings(text, command)
    disks = tuple(_file_disk(item) for item in items)
    own = [disk for disk in disks if disk.slot == slot.text]
    if len(own) > 1:
        raise GarbledReply(f"the device lists slot {slot} more than once", detail=text)
    backing = tuple(_file(item) for item in files)
    copies = tuple(file for file in backing if not _belongs(file.path, slot))
    subvolumes = tuple(_subvolume(item) for item in (rest[0] if rest else ()))
    return SlotState(
        slot=slot,
        disk=own[0] if own else None,
        users=tuple(disk for disk in disks if disk.slot != slot.text),
        files=tuple(file for file in backing if _belongs(file.path, slot)),
        copies=copies,
        copied=len(copies),
        subvolumes=tuple(s for s in subvolumes if _belongs(_path_in(s), slot)),
        branches=tuple(s for s in subvolumes if not _belongs(_path_in(s), slot)),
        pools=_pools(pools),
    )


def _belongs(path: str, slot: Slot) -> bool:
    image = Image.parse(path)
    return image is not None and image.slot == slot


def _path_in(subvolume: Subvolume) -> str:
    return f"/{subvolume.name}/{INNER_NAME}"


def parse_files(text: str, command: Command) -> tuple[BackingFile, ...]:
    """Read a listing of files.

    Raises:
        GarbledReply: as of `parse_disks`.
    """
    (files,) = listings(text, command, _file)
    return tuple(files)


def parse_inventory(text: str, command: Command) -> tuple[tuple[FileDisk, ...], tuple[Pool, ...]]:
    """Read a listing of disk items, all of which must be file disks, and one of pools.

    Raises:
        GarbledReply: as of `parse_disks`.
    """
    disks, pools = listings(text, command, _file_disk)
    return tuple(disks), _pools(pools)


def parse_storage(text: str, command: Command) -> Storage:
    """Read file disks, files, pools and subvolumes; directories are left out.

    Raises:
        GarbledReply: as of `parse_disks`.
    """
    disks, files, pools, *rest = listings(text, command, _file_disk, _file_or_none)
    return Storage(
        disks=tuple(disks),
        files=tuple(file for file in files if file is not None),
        pools=_pools(pools),
        subvolumes=tuple(_subvolume(item) for item in (rest[0] if rest else ())),
    )


def _file_or_none(item: Item) -> BackingFile | None:
    return None if item.get("type") == "directory" else _file(item)


def parse_snapshots(text: str, command: Command) -> SlotState:
    """Read the files and the subvolumes that are snapshots, and the pools.

    Raises:
        GarbledReply: as of `parse_disks`.
    """
    files, pools, *rest = listings(text, command, _file)
    return SlotState(
        Slot("snap"),
        files=tuple(files),
        subvolumes=tuple(map(_subvolume, rest[0] if rest else ())),
        pools=_pools(pools),
    )


def _subvolume(item: Item) -> Subvolume:
    return Subvolume(
        label=text_of(item, "fs"),
        name=text_of(item, "fullname"),
        parent=text_of(item, "parent", ""),
        frozen=_flag(item, "read-only") if "read-only" in item else False,
    )


def _file(item: Item) -> BackingFile:
    path = "/" + text_of(item, "name").lstrip("/")
    try:
        size = _number(item, "size")
    except GarbledReply:
        size = None  # rounded, as in the text form; not to be taken for nothing
    return BackingFile(path, size)


def _file_disk(item: Item) -> FileDisk:
    slot = text_of(item, "slot")
    if text_of(item, "type") != "file":
        raise GarbledReply(
            f"the disk in slot {slot} is not a file disk, though its name is one of ours",
            detail=repr(item),
        )
    export = None
    if _flag(item, "nvme-tcp-export"):
        export = Export(
            # Before 7.21 there is no such property, and the NQN is the slot.
            nqn=text_of(item, "nvme-tcp-server-nqn", slot) or slot,
            port=_number(item, "nvme-tcp-server-port"),
            allowed_host=text_of(item, "nvme-tcp-server-allow-host-name", ""),
        )
    path = "/" + text_of(item, "file-path").lstrip("/")
    return FileDisk(
        slot=slot,
        path=path,
        size=_number(item, "size"),
        export=export,
        is_restricted=bool(text_of(item, "nvme-tcp-server-allow-host-name", "")),
    )


def _pools(items: list[Item]) -> tuple[Pool, ...]:
    """Return the pools among what is mounted; of other things the device tells no free space."""
    found = tuple(_pool(item) for item in items if "size" in item and "free" in item)
    if len({pool.mount_point for pool in found}) < len(found):
        raise GarbledReply("the device lists a mount point more than once", detail=repr(items))
    return found


def _pool(item: Item) -> Pool:
    return Pool(
        mount_point=text_of(item, "mount-point"),
        size=_number(item, "size"),
        free=_number(item, "free"),
        filesystem=text_of(item, "fs", ""),
        state=text_of(item, "state", ""),
        label=text_of(item, "fs-label", ""),
    )


def text_of(item: Item, name: str, default: str | None = None) -> str:
    """Return a property that is a text.

    Raises:
        GarbledReply: it is missing, or something else.
    """
    value = item.get(name, default)
    if not isinstance(value, str):
        raise _unreadable(item, name, "a text")
    return value


def _number(item: Item, name: str) -> int:
    value = item.get(name)
    if isinstance(value, bool):
        raise _unreadable(item, name, "a number")
    # A number with a million digits would take the event loop minutes, so length comes first.
    if isinstance(value, Decimal) and value.adjusted() < _MOST_DIGITS:
        value = int(value) if value == value.to_integral_value() else None  # such as 443.000000
    if isinstance(value, str) and value.isascii():
        digits = value.replace(" ", "")  # digits can be grouped by spaces
        value = int(digits) if digits.isdigit() and len(digits) <= _MOST_DIGITS else None
    if not isinstance(value, int) or not 0 <= value < _TOO_LARGE:
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
