"""Growing a volume, and telling how full it is."""

import os
from dataclasses import dataclass, replace

from libs.core.errors import InUse, NotFound
from libs.nvmeof import filesystems
from libs.nvmeof.errors import HostHangs, NoDevice
from libs.nvmeof.model import BlockDevice
from services.node.plan.condition import Condition
from services.node.plan.stage import usable_device
from services.node.volume import Record
from services.node.workflow.converge import Convergence
from services.node.workflow.desk import Desk
from services.node.workflow.health import Health
from services.node.workflow.sizes import wait_for_size

_GROW_SECONDS = 30.0
"""How long the device may take to show a size that the controller has given it already."""
_STAT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Amount:
    """How much there is of something: bytes, or inodes.

    Attributes:
        total: all of it.
        available: what a user can still use.
        used: what is used.
    """

    total: int
    available: int = 0
    used: int = 0


@dataclass(frozen=True, slots=True)
class Stats:
    """How full a volume is, and how it does.

    Attributes:
        space: in bytes; None while the filesystem does not answer.
        inodes: None where there are none to run out of.
        condition: how it does.
    """

    space: Amount | None
    inodes: Amount | None
    condition: Condition


async def read_stats(desk: Desk, health: Health, record: Record, path: str) -> Stats:
    """Return how full a volume is; what cannot be read in time is left out, and said.

    Raises:
        NotFound: nothing of the volume is at that path.
    """
    condition = await health.judge(record)
    if record.use.is_block:
        connection = await desk.fabrics.find(record.use.nqn)
        device = usable_device(connection)
        return Stats(Amount(device.size) if device else None, None, condition)
    if (await desk.mounter.read_table()).at(path) is None:
        raise NotFound(f"volume {record.volume} is not mounted at {path}")
    try:
        status = await desk.offload.run(path, lambda: os.statvfs(path), limit=_STAT_SECONDS)
    except HostHangs as error:
        return Stats(None, None, Condition(f"the filesystem does not answer: {error.message}"))
    except OSError as error:
        return Stats(None, None, Condition(f"the filesystem answers with {error.strerror}"))
    unit = status.f_frsize
    space = Amount(
        status.f_blocks * unit,
        status.f_bavail * unit,
        (status.f_blocks - status.f_bfree) * unit,
    )
    inodes = Amount(status.f_files, status.f_favail, status.f_files - status.f_ffree)
    # Btrfs makes inodes as it needs them and says 0 of all three.
    return Stats(space, inodes if inodes.total else None, condition)


async def expand(desk: Desk, record: Record, size: int) -> int:
    """Have the kernel and the filesystem see a volume's new size; return it in bytes.

    Args:
        desk: the outside.
        record: the volume.
        size: bytes that it should have at least; 0 for what the device has now.

    Raises:
        NoDevice: the device does not show that size.
        RdsCsiError: the volume is not in order, or the filesystem could not grow.
    """
    device = await wait_for_size(desk, record.use.nqn, size, _GROW_SECONDS)
    if device is None:
        raise NoDevice("the volume is not connected, so it cannot grow here now")
    if device.size < size:
        raise NoDevice(f"the device does not show the {size} bytes that the volume is to have")
    if not record.use.is_block and not record.use.is_read_only:
        device = await _grow(desk, record)
    if record.use.size is not None and device.size > record.use.size:
        # From now on a smaller device is not the whole volume.
        known = desk.records.get(record.volume) or record
        await desk.records.put(replace(known, use=replace(known.use, size=device.size)))
    return device.size


async def _grow(desk: Desk, record: Record) -> BlockDevice:
    try:
        device = await Convergence(desk, record, grown=True).run()
    except InUse as error:
        # The kubelet takes FAILED_PRECONDITION for "never while it is in use", and gives up.
        raise NoDevice(error.message, detail=error.detail) from error
    await filesystems.grow(device, record.use.fs_type, record.use.staging)
    return device
