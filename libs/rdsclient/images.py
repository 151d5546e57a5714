"""Commands that make, copy and remove the bytes of volumes and snapshots. Pure.

Each is conditional on what it finds, so that sending it again does no harm, and ends by asking for
all about the slot.
"""

from dataclasses import replace

from libs.core.ids import Slot
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.commands import (
    ALONE,
    IMAGE_ENDING,
    SUBVOLUME,
    Command,
    copy_stem,
    count,
    has_room,
    list_pools,
    listing,
    literal_pattern,
    on_slot,
    own_stem,
    path_is,
    quote,
    slot_is,
)
from libs.rdsclient.model import Branch, DiskSpec, Features

_SECONDS_PER_GIB = 0.05
"""Adding a disk of 100 GB was reported to take 2 to 5 seconds."""

SNAPSHOT_FILES = "(^|/)snap-[^/]*[.]of[.][^/]+"


def create_disk(features: Features, spec: DiskSpec) -> Command:
    """Create a file disk where the slot is free, the file is as it should be, and there is room.

    `mount-filesystem=no` because RouterOS otherwise mounts a filesystem that it finds on the disk
    while a host uses it (manual, Disks).
    """
    add = (
        f"/disk/add type=file file-path={quote(spec.path.text)} file-size={spec.size} "
        f"slot={quote(spec.slot.text)} mount-filesystem=no "
        f"nvme-tcp-export={'yes' if spec.exported else 'no'} nvme-tcp-server-port={spec.port}"
    )
    if features.nqn:
        add += f" nvme-tcp-server-nqn={quote(spec.nqn.text)}"
    if spec.allowed_host:
        add += f" nvme-tcp-server-allow-host-name={quote(spec.allowed_host)}"
    secret = quote(spec.password.reveal()) if spec.password else ""
    if secret:
        add += f" nvme-tcp-server-password={secret}"
    conditions = [
        f"({count(f'/disk/find where {slot_is(spec.slot)}')} = 0)",
        f"({count(f'/disk/find where {path_is(spec.path)}')} = 0)",
        has_room(spec.path.pool, spec.size if spec.room is None else spec.room),
    ]
    if not (spec.adopts and spec.branch):  # the file comes with the subvolume
        files = count(f"/file/find where name={quote(spec.path.file_name)}")
        conditions.append(f"({files} {'>' if spec.adopts else '='} 0)")
    if spec.branch:
        add = f"{_ensure_branch(spec.branch)}; {add}"
    line = f":if ({' && '.join(conditions)}) do={{{add}}}"
    command = on_slot(features, spec.slot, line)
    seconds = 0.0 if spec.adopts else spec.size / GIB * _SECONDS_PER_GIB
    return replace(command, seconds=seconds, secret=secret)


def _is_branch(label: str, name: str) -> str:
    # `name` loses its folder once the subvolume is made (manual, Btrfs).
    return f"fs={quote(label)} and fullname={quote(name)}"


def _ensure_branch(branch: Branch, *, frozen: bool = False) -> str:
    found = count(f"{SUBVOLUME}/find where {_is_branch(branch.label, branch.name)}")
    add = f"{SUBVOLUME}/add fs={quote(branch.label)} name={quote(branch.name)}"
    if branch.parent:
        add += f" parent={quote(branch.parent)}"
    if frozen:
        add += " read-only=yes"
    return f":if ({found} = 0) do={{{add}}}"


def freeze_branch(features: Features, slot: Slot, branch: Branch) -> Command:
    """Make a read-only snapshot of `branch.parent` where the slot has none under any name."""
    own = own_stem(slot.text, branch.name.rpartition("/")[0])
    where = f"fs={quote(branch.label)} and fullname~{quote(own + '$')}"
    none = count(f"{SUBVOLUME}/find where {where}")
    source = count(f"{SUBVOLUME}/find where {_is_branch(branch.label, branch.parent)}")
    freeze = _ensure_branch(branch, frozen=True)
    return on_slot(features, slot, f":if (({none} = 0) && ({source} > 0)) do={{{freeze}}}")


def copy_image(
    features: Features, slot: Slot, source: DevicePath, target: DevicePath, room: int
) -> Command:
    """Begin to copy a backing file where the slot has none under any name.

    The copy may go on after the answer.

    Args:
        features: what the release can do.
        slot: of the volume or snapshot that the copy is for.
        source: the file.
        target: the new file.
        room: bytes that the pool must have free.
    """
    own = own_stem(slot.text, target.parent.file_name)
    none = count(f"/file/find where name~{quote(own + IMAGE_ENDING)}")
    there = count(f"/file/find where name={quote(source.file_name)}")
    copy = f"/file/copy src={quote(source.file_name)} dst={quote(target.file_name)}"
    conditions = f"({none} = 0) && ({there} > 0) && {has_room(target.pool, room)}"
    command = on_slot(features, slot, f":if ({conditions}) do={{{copy}}}")
    # It may be answered only when it is done, so nothing else is to wait for it in the same exec.
    return replace(command, seconds=room / GIB * _SECONDS_PER_GIB + ALONE)


def remove_disk(
    features: Features, slot: Slot, path: DevicePath, branch: Branch | None, *, copied: bool
) -> Command:
    """Take away export, item, backing file and subvolume of a slot, if the disk lies at `path`.

    Removing the item leaves the file (manual, Disks). The file goes only when no item refers to it
    any more, under whatever slot. The item goes only while its pool is mounted: a file that is not
    to be seen then would be there again later, with nobody who knows of it.

    Args:
        features: what the release can do.
        slot: the slot.
        path: the backing file.
        branch: the subvolume that goes with it.
        copied: whether to go on although there are copies, which may not be complete.
    """
    found = f"/disk/find where {slot_is(slot)} and {path_is(path)}"
    here = f"({count(found)} > 0) && {has_room(path.pool, 0)}"
    no_copies = "" if copied else _no_copies(features, slot)
    remove = f"/disk/set [{found}] nvme-tcp-export=no; /disk/remove [{found}]"
    lines = [f":if ({here}{no_copies}) do={{{remove}}}", *_remove_file(path, no_copies)]
    if branch:
        lines.append(_remove_branch(branch, path, no_copies))
    return on_slot(features, slot, *lines)


def _copies(slot: Slot) -> str:
    return count(f"/file/find where name~{quote(copy_stem(slot.text) + IMAGE_ENDING)}")


def _no_copies(features: Features, slot: Slot) -> str:
    text = f" && ({_copies(slot)} = 0)"
    if features.subvolumes:
        found = count(f"{SUBVOLUME}/find where fullname~{quote(copy_stem(slot.text) + '$')}")
        text += f" && ({found} = 0)"
    return text


def _remove_file(path: DevicePath, condition: str) -> tuple[str, ...]:
    file = f"/file/find where name={quote(path.file_name)}"
    unused = f"({count(f'/disk/find where {path_is(path)}')} = 0)"
    return (f":if (({count(file)} > 0) && {unused}{condition}) do={{/file/remove [{file}]}}",)


def _remove_branch(branch: Branch, path: DevicePath, condition: str = "") -> str:
    found = f"{SUBVOLUME}/find where {_is_branch(branch.label, branch.name)}"
    unused = f"({count(f'/disk/find where {path_is(path)}')} = 0)"
    conditions = f"({count(found)} > 0) && {unused}{condition}"
    return f":if ({conditions}) do={{{SUBVOLUME}/remove [{found}]}}"


def removal_by_hand(path: DevicePath) -> str:
    """Return the line with which a person removes a file, for messages."""
    return f"/file/remove [find name={quote(path.file_name)}]"


def remove_image(
    features: Features, slot: Slot, path: DevicePath, copies: int | None = None
) -> Command:
    """Remove a file that no disk refers to.

    Args:
        features: what the release can do.
        slot: of the volume or snapshot.
        path: the file.
        copies: how many copies of the slot are known; where there are more, one may have been begun
            meanwhile, and nothing is removed. None where that does not matter.
    """
    condition = "" if copies is None else f" && ({_copies(slot)} <= {copies})"
    return on_slot(features, slot, *_remove_file(path, condition))


def remove_branch(features: Features, slot: Slot, path: DevicePath, branch: Branch) -> Command:
    """Remove a subvolume whose file no disk refers to; `path` is that file."""
    return on_slot(features, slot, _remove_branch(branch, path))


def list_snapshots(features: Features) -> Command:
    """Ask for the files and, where the release has them, subvolumes that are snapshots.

    The pools come between the two.
    """
    listings = [
        listing(features, "/file", f"name~{quote(SNAPSHOT_FILES + '[.]img$')}"),
        list_pools(features),
    ]
    if features.subvolumes:
        listings.append(listing(features, SUBVOLUME, f"fullname~{quote(SNAPSHOT_FILES + '$')}"))
    return Command("; ".join(listings), listings=len(listings), json=features.json)


def list_storage(features: Features, directories: tuple[DevicePath, ...]) -> Command:
    """Ask for every file disk, the files below some directories, the pools and the subvolumes.

    In one line, so that what is listed was true at about one moment.
    """
    below = "|".join(literal_pattern(directory.file_name) for directory in directories)
    listings = [
        listing(features, "/disk", "type=file"),
        listing(features, "/file", f"name~{quote(f'^({below})/')}"),
        list_pools(features),
    ]
    if features.subvolumes:
        listings.append(listing(features, SUBVOLUME, f"fullname~{quote('.')}"))
    return Command("; ".join(listings), listings=len(listings), json=features.json)
