"""What has to hold before a volume is formatted, and what is kept afterwards: it happens once."""

import asyncio
import time

import structlog

from libs.core.errors import RdsCsiError, Unreachable
from libs.core.ids import VolumeId
from libs.nvmeof.errors import DeviceInUse, NotCertainlyEmpty
from libs.nvmeof.model import BlockDevice
from services.node.ports import ClusterAway
from services.node.volume import Record
from services.node.workflow.desk import Desk
from services.node.workflow.release import find_needs

log = structlog.get_logger(__name__)

_UNUSED_SECONDS = 10.0
"""How long what an earlier process began on an empty device may take to end."""
_POLL_SECONDS = 0.2


async def check_never_formatted(desk: Desk, volume: VolumeId) -> None:
    """Check that a volume has never had a filesystem.

    Raises:
        NotCertainlyEmpty: it had one.
        ClusterAway: the cluster does not answer, and only it may know.
    """
    try:
        marks = await desk.cluster.read_marks(volume)
    except Unreachable as error:
        raise ClusterAway(error.message, detail=error.detail) from error
    formatted = marks.formatted if marks else ""
    formatted = formatted or await desk.records.was_formatted(volume)
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
    """Keep with a volume that it has been formatted; return whether that is certain now."""
    volume = record.volume
    try:
        await desk.records.mark_formatted(volume, text)
        marks = await desk.cluster.read_marks(volume)
        if marks is not None and not marks.formatted:
            await desk.cluster.mark_formatted(volume, text)
    except RdsCsiError as error:
        log.warning("not marked as formatted yet", volume=volume.text, why=error.message)
        return False
    return True
