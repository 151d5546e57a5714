"""Questions about what is in a copy: this host writes to one disk and reads another."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial

from libs.core.errors import RdsCsiError, Unsupported
from libs.rdsclient.commands import quote
from libs.rdsclient.model import DiskSpec
from tests.hardware.connecting import host_of
from tests.hardware.copying import NO_LAYOUT, wait_for_copy
from tests.hardware.kit import Kit
from tests.hardware.model import Answer, Half, Question, confirmed, different

_LENGTH = 4096


def new_mark() -> bytes:
    return secrets.token_bytes(_LENGTH)


@asynccontextmanager
async def _made(kit: Kit, *specs: DiskSpec) -> AsyncIterator[None]:
    """Remove disks in the end, the last one first; making them is up to the block."""
    host = host_of(kit)
    try:
        yield
    finally:
        for spec in reversed(specs):
            with contextlib.suppress(RdsCsiError):
                await host.disconnect(spec.nqn)
            await kit.remove(spec)


async def _write(kit: Kit, spec: DiskSpec, mark: bytes) -> None:
    host = host_of(kit)
    await host.connect(spec.nqn)
    await host.mark(spec.nqn, mark)
    await host.disconnect(spec.nqn)


async def _reads(kit: Kit, spec: DiskSpec, mark: bytes) -> bool:
    # Connected anew, so that nothing comes from this host's memory.
    host = host_of(kit)
    await host.connect(spec.nqn)
    found = await host.read_mark(spec.nqn, len(mark))
    await host.disconnect(spec.nqn)
    return found == mark


async def _compare(kit: Kit, origin: DiskSpec, copy: DiskSpec, mark: bytes) -> Answer:
    other = new_mark()
    if not await _reads(kit, copy, mark):
        return different("a copy does not have what was written to its origin")
    await _write(kit, copy, other)
    if not await _reads(kit, copy, other):
        return different("what is written to a copy is not there afterwards")
    if not await _reads(kit, origin, mark):
        return different("what is written to a copy changes its origin")
    return confirmed("a copy begins with its origin's data, takes writes, and leaves it alone")


async def copying(kit: Kit) -> Answer:
    if not (await kit.features()).file_copy:
        raise Unsupported("this release has no /file/copy (7.23)")
    origin, mark = kit.spec("whence", exported=True), new_mark()
    copy = kit.spec("thence", exported=True)
    async with _made(kit, origin, copy):
        await kit.rds.ensure_disk(origin)
        await _write(kit, origin, mark)
        await kit.rds.ensure_copy(copy.slot, origin.path, copy.path, copy.size)
        if not await wait_for_copy(kit, copy):
            return different("a copy did not get its full size within a minute")
        await kit.rds.ensure_disk(replace(copy, adopts=True, room=0))
        return await _compare(kit, origin, copy, mark)


async def cloning(kit: Kit) -> Answer:
    origin, mark = await kit.in_subvolume("whole", exported=True), new_mark()
    name = origin.branch.name if origin.branch else ""
    clone = await kit.in_subvolume("part", parent=name, exported=True)
    async with _made(kit, origin, clone):
        await kit.rds.ensure_disk(origin)
        await _write(kit, origin, mark)
        await kit.rds.ensure_disk(clone)
        return await _compare(kit, origin, clone, mark)


async def copy_from(kit: Kit) -> Answer:
    origin, mark = kit.spec("giver", exported=True), new_mark()
    other = kit.spec("taker", exported=True)
    async with _made(kit, origin, other):
        await kit.rds.ensure_disk(origin)
        await _write(kit, origin, mark)
        add = (
            f"/disk/add type=file copy-from=[find slot={quote(origin.slot.text)}] "
            f"file-path={quote(other.path.text)} file-size={other.size} "
            f"slot={quote(other.slot.text)} mount-filesystem=no nvme-tcp-export=yes "
            f"nvme-tcp-server-nqn={quote(other.nqn.text)}"
        )
        await kit.say(add, changing=True)
        if (await kit.rds.read_slot(other.slot)).disk is None:
            return confirmed("the device makes no disk by copy-from")
        if await _reads(kit, other, mark):
            return different("a disk made by copy-from has the data of the other one")
        return confirmed("a disk made by copy-from does not have the data of the other one")


_Q = partial(Question[Kit], half=Half.CONNECTING)

QUESTIONS = (
    _Q(
        "file-copy-data",
        "a copied file is a disk of its own with the same data",
        "snapshots and clones of layout=file",
        "--file-copies=false",
        copying,
    ),
    _Q(
        "btrfs-clone-data",
        "a cloned subvolume has a disk of its own with the same data",
        "snapshots and clones of layout=subvolume",
        NO_LAYOUT,
        cloning,
    ),
    _Q(
        "copy-from-data",
        "copy-from copies no data",
        "nothing: the driver does not use it, and this says whether it was right not to",
        "send this report: a faster copy may be possible",
        copy_from,
    ),
)
