"""Waiting until the kernel sees the size that a device has."""

import asyncio
import time

from libs.core.ids import Nqn
from libs.nvmeof.model import BlockDevice
from services.node.plan.stage import usable_device
from services.node.workflow.desk import Desk

_POLL_SECONDS = 0.1
_RESCAN_EVERY = 20
"""Polls after which the kernel is asked to look once more."""


async def wait_for_size(desk: Desk, nqn: Nqn, size: int, limit: float) -> BlockDevice | None:
    """Have the kernel look at a device's size until it is as large as it should be.

    Returns the device as it is then, or at the end of the time; None if there is none.

    Args:
        desk: the outside.
        nqn: the subsystem.
        size: bytes that it should have at least.
        limit: seconds.
    """
    ends = time.monotonic() + limit
    polls = 0
    while True:
        if polls % _RESCAN_EVERY == 0:
            await desk.fabrics.rescan(nqn)
        device = usable_device(await desk.fabrics.find(nqn))
        if device is None or device.size >= size or time.monotonic() >= ends:
            return device
        polls += 1
        await asyncio.sleep(_POLL_SECONDS)
