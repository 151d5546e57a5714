import asyncio
import contextlib
import socket
import stat
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import structlog
from grpclib import GRPCError
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.encoding.base import CodecBase
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpclib.reflection.v1.reflection_grpc import ServerReflectionStub
from grpclib.reflection.v1.reflection_pb2 import ServerReflectionRequest

from libs.core.errors import InUse, InvalidRequest, NotFound
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
async def serve(path: Path, *, limit: float = 60.0, drain: float = 5.0) -> AsyncIterator[Served]:
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


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as served:
        yield served


# Errors


async def test_a_family_reaches_the_caller_with_its_code_and_words(served: Served) -> None:
    served.controller.fail(NotFound("volume x does not exist", detail="device text"))

    assert await served.failure() == (Status.NOT_FOUND, "volume x does not exist")


@pytest.mark.parametrize(
    "error", [RuntimeError("hunter2"), KeyError("hunter2"), AssertionError("hunter2")]
)
async def test_a_bug_is_internal_and_its_text_stays_here(served: Served, error: Exception) -> None:
    served.controller.fail(error)

    status, message = await served.failure()

    assert status is Status.INTERNAL
    assert "hunter2" not in message


async def test_a_timeout_of_our_own_is_not_final(served: Served) -> None:
    served.controller.fail(TimeoutError("hunter2"))

    status, message = await served.failure()

    assert status is Status.DEADLINE_EXCEEDED
    assert "hunter2" not in message


async def test_a_call_without_a_deadline_gets_one(tmp_path: Path) -> None:
    async with serve(tmp_path, limit=0.05) as served:
        served.controller.work = served.controller.wait
        patient = csi.ControllerStub(served.channel)

        with pytest.raises(GRPCError) as caught:
            await served.create(stub=patient)

        assert caught.value.status is Status.DEADLINE_EXCEEDED


class RawCodec(CodecBase):
    __content_subtype__ = "proto"

    def encode(self, message: bytes, message_type: type) -> bytes:  # noqa: ARG002 (grpclib's)
        return message

    def decode(self, data: bytes, message_type: type) -> bytes:  # noqa: ARG002 (grpclib's)
        return data


@pytest.mark.parametrize("body", [b"\x0a\x02\xff\xfe", b"\x0f\x00"])
async def test_a_request_that_cannot_be_decoded_is_invalid(served: Served, body: bytes) -> None:
    channel = Channel(path=str(served.path), codec=RawCodec())
    method = UnaryUnaryMethod[bytes, bytes](
        channel, "/csi.v1.Controller/CreateVolume", bytes, bytes
    )
    try:
        with pytest.raises(GRPCError) as caught:
            await method(body, timeout=20)
    finally:
        channel.close()

    assert caught.value.status is Status.INVALID_ARGUMENT


# Connections


async def test_a_large_message_passes_in_both_directions(served: Served) -> None:
    large = {"key": "x" * (32 * 2**20)}

    answer = await served.stub.create_volume(csi.CreateVolumeRequest(name="a", parameters=large))

    assert answer.volume is not None
    assert answer.volume.volume_context == large


async def test_three_hundred_calls_run_at_once_on_one_connection(served: Served) -> None:
    running = 0

    async def count(message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        nonlocal running
        running += 1
        if running == 300:
            served.controller.go_on.set()
        await served.controller.go_on.wait()
        return await served.controller.echo(message)

    served.controller.work = count

    names = [f"n{i}" for i in range(300)]
    assert await asyncio.gather(*(served.create(name) for name in names)) == names


async def test_the_socket_is_for_its_owner_alone(served: Served) -> None:
    assert stat.S_IMODE(served.path.stat().st_mode) == 0o600


async def test_a_stale_socket_is_replaced_and_ours_is_gone_afterwards(tmp_path: Path) -> None:
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "csi.sock"))
    dead.close()

    async with serve(tmp_path) as served:
        assert await served.create() == "a"

    assert not (tmp_path / "csi.sock").exists()


async def test_a_socket_that_somebody_answers_on_is_left_alone(served: Served) -> None:
    with pytest.raises(InUse, match="another process is serving"):
        async with serve(served.path.parent):
            pass

    assert await served.create() == "a"


@pytest.mark.parametrize(
    "target", ["tcp://127.0.0.1:1", "csi.sock", "unix:csi.sock", "/" + "x" * 200, "/no/such/dir/s"]
)
async def test_an_endpoint_that_cannot_be_is_refused_in_words(target: str) -> None:
    with pytest.raises(InvalidRequest, match=r"endpoint|no socket can be made"):
        async with open_server((), target, Calls()):
            pass


# Shut-down


async def status_of(call: Awaitable[object]) -> Status:
    try:
        await call
    except GRPCError as error:
        return error.status
    return Status.OK


@contextlib.asynccontextmanager
async def serve_until(
    path: Path, told: asyncio.Event, *, drain: float = 5.0
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


async def test_a_call_in_hand_is_finished_and_a_new_one_is_refused(tmp_path: Path) -> None:
    told = asyncio.Event()
    async with serve_until(tmp_path, told) as (served, task):
        served.controller.work = served.controller.wait
        slow = asyncio.create_task(served.create())
        await served.controller.started.wait()
        identity = csi.IdentityStub(served.channel, timeout=20)

        told.set()
        status = Status.OK
        while status is Status.OK:
            status = await status_of(identity.probe(csi.ProbeRequest()))
        served.controller.go_on.set()

        assert await slow == "a"
        assert status is Status.UNAVAILABLE
        async with asyncio.timeout(5):
            await task


async def test_a_call_that_does_not_end_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    told = asyncio.Event()
    async with serve_until(tmp_path, told, drain=0.05) as (served, task):
        served.controller.work = served.controller.wait
        stuck = asyncio.create_task(served.create())
        await served.controller.started.wait()

        told.set()
        async with asyncio.timeout(5):
            await task

        with pytest.raises(GRPCError) as cut:
            await stuck
        assert cut.value.status is Status.UNAVAILABLE


async def test_a_connected_client_that_does_nothing_does_not_hold_up_the_end(
    tmp_path: Path,
) -> None:
    told = asyncio.Event()
    async with serve_until(tmp_path, told) as (served, task):
        await served.create()

        told.set()

        async with asyncio.timeout(5):
            await task
        assert not served.path.exists()


# Health, reflection, logs


async def test_the_health_service_says_that_it_serves(served: Served) -> None:
    answer = await HealthStub(served.channel).Check(HealthCheckRequest(), timeout=20)

    assert answer.status == HealthCheckResponse.SERVING


async def test_reflection_knows_the_services_and_their_descriptors(served: Served) -> None:
    questions = [
        ServerReflectionRequest(list_services=""),
        ServerReflectionRequest(file_containing_symbol="csi.v1.Controller"),
    ]

    listed, described = await ServerReflectionStub(served.channel).ServerReflectionInfo(
        questions, timeout=20
    )

    names = {service.name for service in listed.list_services_response.service}
    assert {"csi.v1.Controller", "csi.v1.Identity", "grpc.health.v1.Health"} <= names
    (file,) = described.file_descriptor_response.file_descriptor_proto
    assert b"csi/v1/csi.proto" in file


async def test_a_call_leaves_one_line_that_names_it_and_no_secret(served: Served) -> None:
    request = csi.CreateVolumeRequest(name="data", secrets={"password": "hunter2"})
    with structlog.testing.capture_logs() as lines:
        await served.stub.create_volume(request, metadata={"x-call-id": "call-7"})
        served.controller.fail(RuntimeError("bug"))
        await served.failure()

    request_line, *_ = [line for line in lines if line["event"] == "request"]
    lines = [line for line in lines if line["event"] == "rpc"]
    assert request_line["fields"] == {"name": "data", "secrets": "***"}
    assert [(line["method"], line["code"], line["log_level"]) for line in lines] == [
        ("CreateVolume", "OK", "info"),
        ("CreateVolume", "INTERNAL", "error"),
    ]
    assert lines[0]["name"] == "data"
    assert "hunter2" not in repr((request_line, lines))
