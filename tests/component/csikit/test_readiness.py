"""The gRPC health service: of the process, and of each service."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.client import Channel, Stream
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from libs.csikit.calls import Calls
from libs.csikit.identity import IdentityServicer
from libs.csikit.server import open_server
from tests.component.csikit.rig import Controller
from tests.waiting import PATIENCE

SERVING = HealthCheckResponse.SERVING
NOT_SERVING = HealthCheckResponse.NOT_SERVING


class Process:
    """A process that can be made unable to serve."""

    def __init__(self, stub: HealthStub) -> None:
        self.is_ready = True
        self.stub = stub

    async def status(self, service: str = "") -> int:
        answer = await self.stub.Check(HealthCheckRequest(service=service), timeout=20)
        return answer.status

    async def until(self, status: int) -> None:
        async with asyncio.timeout(PATIENCE):
            while await self.status() != status:  # noqa: ASYNC110 (looked at once a second)
                await asyncio.sleep(0.05)


@pytest.fixture
async def process(tmp_path: Path) -> AsyncIterator[Process]:
    channel = Channel(path=str(tmp_path / "csi.sock"))
    process = Process(HealthStub(channel))
    services = (Controller(), IdentityServicer("a.test", (), ready=lambda: True))
    async with open_server(
        services, f"unix://{tmp_path}/csi.sock", Calls(), is_ready=lambda: process.is_ready
    ):
        yield process
        channel.close()


@pytest.mark.parametrize("service", ["", "csi.v1.Controller", "csi.v1.Identity"])
async def test_it_serves_while_the_process_can(process: Process, service: str) -> None:
    assert await process.status(service) == SERVING


@pytest.mark.parametrize("service", ["", "csi.v1.Controller", "csi.v1.Identity"])
async def test_it_does_not_serve_while_the_process_cannot(process: Process, service: str) -> None:
    process.is_ready = False

    assert await process.status(service) == NOT_SERVING


async def test_it_serves_again_once_the_process_can(process: Process) -> None:
    process.is_ready = False
    await process.until(NOT_SERVING)
    process.is_ready = True

    await process.until(SERVING)


async def test_a_watch_is_told_when_that_changes(process: Process) -> None:
    async with process.stub.Watch.open(timeout=20) as stream:
        await stream.send_message(HealthCheckRequest(), end=True)
        before = await told(stream)
        process.is_ready = False
        async with asyncio.timeout(PATIENCE):
            while (after := await told(stream)) == before:
                pass  # the same may be told again
        await stream.cancel()

    assert (before, after) == (SERVING, NOT_SERVING)


async def told(stream: "Stream[HealthCheckRequest, HealthCheckResponse]") -> int:
    message = await stream.recv_message()
    assert message is not None
    return message.status
