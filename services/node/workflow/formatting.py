"""What has to hold before a volume is formatted, and what is kept afterwards: it happens once.

A volume that was used as a raw block device is never formatted either: its data may have nothing by
which it could be told from an empty device.
"""

import asyncio
import time
from uuid import UUID

import structlog

from libs.core.errors import RdsCsiError, Unreachable
from libs.core.ids import VolumeId
from libs.nvmeof.errors import DeviceInUse, NotCertainlyEmpty
from libs.nvmeof.model import BlockDevice
from services.node.ports import ClusterAway
from services.node.volume import Record, Use
from services.node.workflow.desk import Desk
from services.node.workflow.release import find_needs

log = structlog.get_logger(__name__)

_UNUSED_SECONDS = 10.0
"""How long what an earlier process began on an empty device may take to end."""
_POLL_SECONDS = 0.2


_RAW_BLOCK = "raw block"
"""The mark of a volume that is, or was, used as a raw block device; the same on all nodes."""


def mark_of(use: Use, uuid: UUID | None) -> str:
    """Return what is kept with a volume that is used so.

    Args:
        use: how.
        uuid: of its filesystem; None where that is not known.
    """
    return _RAW_BLOCK if use.is_block else f"{use.fs_type} {uuid or ''}".strip()


async def check_never_formatted(desk: Desk, volume: VolumeId) -> None:
    """Check that a volume has never had a filesystem, and was never used as a raw block device.

    Raises:
        NotCertainlyEmpty: it had one, or was.
        ClusterAway: the cluster does not answer, and only it may know.
    """
    try:
        marks = await desk.cluster.read_marks(volume)
    except Unreachable as error:
        raise ClusterAway(error.message, detail=error.detail) from error
    formatted = marks.formatted if marks else ""
    formatted = formatted or await desk.records.was_formatted(volume)
    if formatted == _RAW_BLOCK:
        raise NotCertainlyEmpty(
            "nothing is recognized on the device, but the volume was used as a raw block device, "
            "and may hold data: its PersistentVolume needs volumeMode Block. If it may be "
            "formatted, remove the annotation <driver>/formatted of its PersistentVolume, and the "
            f"file formatted/{volume} in the nodes' state directories"
        )
    if formatted:
        raise NotCertainlyEmpty(
            f"the device is empty, but the volume was formatted before ({formatted}): its data is "
            "missing. It is not formatted again while its mark is there"
        )


async def wait_until_unused(desk: Desk, device: BlockDevice) -> None:
    """Wait for what uses an empty device, such as the mkfs of a plugin that was killed.

    That of Btrfs does not hold its device, so nothing else would keep two of them apart.

    Raises:
        DeviceInUse: something uses the device, and has not ended in time.
    """
    ends = time.monotonic() + _UNUSED_SECONDS
    while needs := await find_needs(desk, device):
        if time.monotonic() >= ends:
            raise DeviceInUse(
                f"no filesystem is made on {device.path} while it is in use: {'; '.join(needs[:5])}"
            )
        await asyncio.sleep(_POLL_SECONDS)


async def mark_formatted(desk: Desk, record: Record, text: str) -> bool:
    """Keep with a volume that it must not be formatted; return whether that is certain now."""
    volume = record.volume
    try:
        # That it has, or had, a filesystem says more than that it is a raw block device now.
        if text != _RAW_BLOCK or not await desk.records.was_formatted(volume):
            await desk.records.mark_formatted(volume, text)
        marks = await desk.cluster.read_marks(volume)
        if marks is not None and not marks.formatted:
            await desk.cluster.mark_formatted(volume, text)
    except RdsCsiError as error:
        log.warning("not marked as formatted yet", volume=volume.text, why=error.message)
        return False
    return True
