"""A controller that does what a test wants, served on a real socket."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.encoding.base import CodecBase

from libs.csikit.calls import Calls
from libs.csikit.identity import IdentityServicer
from libs.csikit.server import open_server
from protos.gen.csi import v1 as csi

Work = Callable[[csi.CreateVolumeRequest], Awaitable[csi.CreateVolumeResponse]]


class Controller(csi.ControllerBase):
    """A controller that does whatever a test wants when a volume is asked for."""

    def __init__(self) -> None:
        self.work: Work = self.echo
        self.started = asyncio.Event()
        self.go_on = asyncio.Event()

    async def create_volume(self, message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        return await self.work(message)

    async def echo(self, message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        return csi.CreateVolumeResponse(
            volume=csi.Volume(volume_id=message.name, volume_context=message.parameters)
        )

    async def wait(self, message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        self.started.set()
        await self.go_on.wait()
        return await self.echo(message)

    def fail(self, error: BaseException) -> None:
        async def failing(_: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
            raise error

        self.work = failing


class Served:
    def __init__(self, path: Path, controller: Controller) -> None:
        self.path = path
        self.controller = controller
        self.channel = Channel(path=str(path))
        self.stub = csi.ControllerStub(self.channel, timeout=20)

    async def create(self, name: str = "a", stub: csi.ControllerStub | None = None) -> str:
        answer = await (stub or self.stub).create_volume(csi.CreateVolumeRequest(name=name))
        assert answer.volume is not None
        return answer.volume.volume_id

    async def failure(self) -> tuple[Status, str]:
        with pytest.raises(GRPCError) as caught:
            await self.create()
        return caught.value.status, caught.value.message or ""


@contextlib.asynccontextmanager
async def serve(path: Path, *, limit: float = 60.0, drain: float = 60.0) -> AsyncIterator[Served]:
    controller = Controller()
    identity = IdentityServicer("a.test", (), ready=lambda: True)
    socket_path = path / "csi.sock"
    async with open_server(
        (controller, identity), f"unix://{socket_path}", Calls(limit), drain_seconds=drain
    ):
        served = Served(socket_path, controller)
        try:
            yield served
        finally:
            served.channel.close()


@contextlib.asynccontextmanager
async def serve_until(
    path: Path, told: asyncio.Event, *, drain: float = 60.0
) -> AsyncIterator[tuple[Served, "asyncio.Task[None]"]]:
    """Serve in a task that ends when told, while the client stays connected."""
    controller = Controller()
    up = asyncio.Event()

    async def run() -> None:
        identity = IdentityServicer("a.test", (), ready=lambda: True)
        target = f"unix://{path}/csi.sock"
        async with open_server((controller, identity), target, Calls(), drain_seconds=drain):
            up.set()
            await told.wait()

    task = asyncio.create_task(run())
    await up.wait()
    served = Served(path / "csi.sock", controller)
    try:
        yield served, task
    finally:
        served.channel.close()
        task.cancel()


class RawCodec(CodecBase):
    __content_subtype__ = "proto"

    def encode(self, message: bytes, message_type: type) -> bytes:  # noqa: ARG002 (grpclib's)
        return message

    def decode(self, data: bytes, message_type: type) -> bytes:  # noqa: ARG002 (grpclib's)
        return data
