"""The device client against the simulator in a process of its own, over real SSH."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from functools import partial

from bench.measure import Load, Operation, Row, measure
from bench.processes import end
from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.core.size import MIB
from libs.rdsclient.client import RdsClient, open_rds
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.model import DiskSpec

PASSWORD = "bench"  # noqa: S105 (of a device that exists for seconds, on loopback)
_READY_SECONDS = 30.0
BASE = DevicePath.parse("/raid10/volumes")


@contextlib.asynccontextmanager
async def open_device(latency_ms: float, sessions: int = 8) -> AsyncIterator[RdsClient]:
    """Start a simulated device, and a client of it."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "libs.mockrds", "--listen=127.0.0.1:0"),
        *(f"--password={PASSWORD}", f"--latency={latency_ms}", "--pool=raid10=100T:xfs"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        if process.stdout is None:
            raise AssertionError("standard output is a pipe")
        async with asyncio.timeout(_READY_SECONDS):
            ready = json.loads(await process.stdout.readline())
        host, port = ready["ssh"].rsplit(":", 1)
        config = RdsConfig(
            host,
            int(port),
            host_key=ready["host_key"],
            password=Secret(PASSWORD),
            max_sessions=sessions,
        )
        async with open_rds(config) as rds:
            await rds.read_system()
            yield rds
    finally:
        await end(process)


def _spec(number: int) -> DiskSpec:
    slot = Slot.parse(f"pvc-{number:06}")
    nqn = Nqn.parse(f"nqn.2000-02.com.mikrotik:{slot}")
    return DiskSpec(slot, BASE.image_of(slot), 16 * MIB, nqn, 4420)


async def bench_verbs(loads: Sequence[Load]) -> AsyncIterator[Row]:
    """Create, read and delete disks under each load."""
    for load in loads:
        async with open_device(load.latency_ms) as rds:
            for name, operation in _verbs(rds).items():
                yield await measure(name, load, operation, partial(getattr, rds, "round_trips"))


def _verbs(rds: RdsClient) -> dict[str, Operation]:
    async def create(number: int) -> None:
        state = await rds.ensure_disk(_spec(number))
        if state.disk is None:
            raise AssertionError(f"disk {number} was not made")

    async def read(number: int) -> None:
        await rds.read_slot(_spec(number).slot)

    async def delete(number: int) -> None:
        spec = _spec(number)
        state = await rds.ensure_absent(spec.slot, spec.path)
        if state.disk is not None or state.files:
            raise AssertionError(f"disk {number} is still there")

    return {"device create": create, "device get": read, "device delete": delete}
