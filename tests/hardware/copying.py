"""Questions about copies of files, and about Btrfs."""

import asyncio
import contextlib
from functools import partial

from libs.core.errors import RdsCsiError
from libs.core.ids import Slot
from libs.core.paths import DevicePath
from libs.rdsclient.commands import quote
from libs.rdsclient.model import Branch, DiskSpec, SlotState
from tests.hardware.kit import Kit
from tests.hardware.model import (
    Answer,
    Half,
    Question,
    confirmed,
    different,
    settle,
    skipped,
    unknown,
)

_COPY_LIMIT = 60.0
_LOOK_EVERY = 0.25


async def copying(kit: Kit) -> Answer:
    if not (await kit.features()).file_copy:
        return skipped("this release has no /file/copy (7.23)")
    async with kit.disk("source") as disk:
        slot = kit.slot("copy")
        target = kit.base.image_of(slot)
        try:
            begun, done = await _watch_copy(kit, slot, DevicePath.parse(disk.path), target)
        finally:
            with contextlib.suppress(RdsCsiError):
                await kit.rds.ensure_file_absent(slot, target)
    if done is None:
        return different("a copy did not get its full size within a minute")
    if any(size < disk.size for size in begun):
        return confirmed("a copy was seen while it was smaller, and then with its full size")
    if begun:
        return different("a copy had its full size while the device was still at it")
    return unknown("a copy was complete at once: it was never seen half-done")


async def _watch_copy(
    kit: Kit, slot: Slot, source: DevicePath, target: DevicePath
) -> tuple[list[int], int | None]:
    """Copy a file; return the sizes that were seen before it was done, and the last one."""
    seen: list[int] = []
    full = kit.options.size
    copy = asyncio.create_task(kit.rds.ensure_copy(slot, source, target, full))
    try:
        async with asyncio.timeout(_COPY_LIMIT):
            while True:
                size = _size_of(await kit.rds.read_slot(slot), target)
                # What is whole by now may have been answered at the same moment.
                await asyncio.wait({copy}, timeout=_LOOK_EVERY)
                if size is not None and (size < full or not copy.done()):
                    seen.append(size)
                if copy.done():
                    copy.result()
                    size = _size_of(await kit.rds.read_slot(slot), target)
                    if size is not None and size >= full:
                        return seen, size
                    seen += [] if size is None else [size]
                    await asyncio.sleep(_LOOK_EVERY)  # what goes on behind it is seen by looking
    except TimeoutError:
        return seen, None
    finally:
        copy.cancel()
        with contextlib.suppress(asyncio.CancelledError, RdsCsiError):
            await copy


def _size_of(state: SlotState, path: DevicePath) -> int | None:
    return next((file.size for file in state.files if file.path == path.text), None)


async def wait_for_copy(kit: Kit, spec: DiskSpec) -> bool:
    """Wait until a copy has its full size; False where it does not get it."""
    end = asyncio.get_running_loop().time() + _COPY_LIMIT
    while True:
        size = _size_of(await kit.rds.read_slot(spec.slot), spec.path)
        if size is not None and size >= spec.size:
            return True
        if asyncio.get_running_loop().time() > end:
            return False
        await asyncio.sleep(_LOOK_EVERY)


async def copy_from(kit: Kit) -> Answer:
    async with kit.disk("from", exported=True) as disk:
        spec = kit.spec("onto")
        add = (
            f"/disk/add type=file copy-from=[find slot={quote(disk.slot)}] "
            f"file-path={quote(spec.path.text)} file-size={disk.size} "
            f"slot={quote(spec.slot.text)} mount-filesystem=no"
        )
        try:
            text = await kit.say(add, changing=True)
            made = (await kit.rds.read_slot(spec.slot)).disk
        finally:
            await kit.remove(spec)
    if made is None:
        return confirmed(f"a disk is not made by copy-from{' (it is refused)' if text else ''}")
    export = made.export
    if export is None:
        return unknown("copy-from takes no export over; of data: copy-from-data")
    what = "its NQN too" if disk.export and export.nqn == disk.export.nqn else "not its NQN"
    return unknown(f"copy-from takes the export over, {what}; of data: copy-from-data")


# Btrfs


async def subvolume(kit: Kit) -> Answer:
    spec = await kit.in_subvolume("sub")
    try:
        state = await kit.rds.ensure_disk(spec)
        shown = await kit.items("/disk/btrfs/subvolume", f'fullname~"{kit.prefix}"')
    finally:
        await kit.remove(spec)
    after = await kit.rds.read_slot(spec.slot)
    names = sorted({name for item in shown for name in item if name != ".id"})
    if spec.branch is None or not any(one.name == spec.branch.name for one in state.subvolumes):
        return different("a subvolume is not found by the name that it was given")
    if state.disk is None or state.disk.path != spec.path.text:
        return different("a subvolume is made, and no disk in it")
    if after.disk or after.files or after.subvolumes:
        return different("not all of disk, file and subvolume could be removed")
    return confirmed(f"a disk in a subvolume is made and removed; shown are {', '.join(names)}")


async def exporting(kit: Kit) -> Answer:
    spec = await kit.in_subvolume("out", exported=True)
    try:
        state = await kit.rds.ensure_disk(spec)
    finally:
        await kit.remove(spec)
    return settle(
        "a file in a subvolume is exported",
        otherwise="a file in a subvolume is not exported",
        holds=state.disk is not None and state.disk.export is not None,
    )


async def cloning(kit: Kit) -> Answer:
    parent = await kit.in_subvolume("parent")
    branch = parent.branch
    if branch is None:
        return unknown("there is no subvolume to copy")
    clone = await kit.in_subvolume("clone", parent=branch.name, exported=True)
    try:
        await kit.rds.ensure_disk(parent)
        await kit.rds.ensure_disk(clone)
        size = 2 * clone.size
        state = await kit.rds.ensure_size(clone.slot, size, clone.size, clone.path.pool)
        own = await kit.rds.read_slot(parent.slot)
    finally:
        await kit.remove(clone)
        await kit.remove(parent)
    if state.disk is None or state.disk.export is None:
        return different("a clone is not exported")
    apart = own.disk is not None and own.disk.size == parent.size
    return settle(
        "a clone is exported and grows, and its origin does not",
        otherwise=f"a clone has {state.disk.size} bytes instead of {size}",
        holds=state.disk.size == size and apart,
    )


async def freezing(kit: Kit) -> Answer:
    origin = await kit.in_subvolume("origin")
    branch = origin.branch
    if branch is None:
        return unknown("there is no subvolume to freeze")
    slot = kit.slot("frozen")
    stem = f"{branch.name.rpartition('/')[0]}/{slot}".lstrip("/")
    frozen = Branch(branch.label, stem, branch.name)
    inner = DevicePath.parse(f"/{origin.path.pool}/{stem}/volume.img")
    try:
        await kit.rds.ensure_disk(origin)
        state = await kit.rds.ensure_frozen(slot, frozen)
    finally:
        with contextlib.suppress(RdsCsiError):
            await kit.rds.ensure_branch_absent(slot, inner, frozen)
        await kit.remove(origin)
    own = next((one for one in state.subvolumes if one.name == stem), None)
    if own is None:
        return different("a snapshot is not found by the name that it was given")
    return settle(
        "a snapshot is made, and shown as read-only with what it is of",
        otherwise=f"a snapshot is shown with read-only={own.frozen} and parent {own.parent!r}",
        holds=own.frozen and own.parent.rpartition("/")[2] == branch.name.rpartition("/")[2],
    )


_Q = partial(Question[Kit], half=Half.MAKING)
NO_LAYOUT = "do not use layout=subvolume"

QUESTIONS = (
    _Q(
        "file-copy",
        "a copy has its full size only when it is complete",
        "`ready_to_use` of snapshots, and attaching during a copy",
        "--file-copies=false",
        copying,
    ),
    _Q(
        "copy-from",
        "copy-from of /disk/add is for property values, not for data",
        "nothing: the driver does not use it, and this says whether it was right not to",
        "send this report: a faster copy may be possible",
        copy_from,
    ),
    _Q(
        "btrfs-subvolume",
        "a disk can lie in a subvolume",
        "layout=subvolume",
        NO_LAYOUT,
        subvolume,
    ),
    _Q("btrfs-export", "it can be exported", "layout=subvolume", NO_LAYOUT, exporting),
    _Q("btrfs-clone", "clones are writable, and grow", "volumes from them", NO_LAYOUT, cloning),
    _Q("btrfs-snapshot", "snapshots are read-only", "snapshots", NO_LAYOUT, freezing),
)
