import asyncio
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from grpclib import GRPCError
from grpclib.client import Channel, StreamUnaryMethod, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest

from libs.csikit.calls import Calls
from libs.csikit.keylock import open_keyed_tasks
from libs.csikit.server import open_server
from protos.gen.csi import v1 as csi
from tests.component.csikit.rig import Controller, RawCodec, Served, serve

CREATE = "/csi.v1.Controller/CreateVolume"
PLANTED = csi.CreateVolumeRequest(name="a", secrets={"password": "hunter2"})


@pytest.fixture
def console() -> Iterator[io.StringIO]:
    """Log as for people, with the renderer's defaults, which show local variables."""
    before = structlog.get_config()
    text = io.StringIO()
    structlog.configure(
        processors=[structlog.stdlib.add_log_level, structlog.dev.ConsoleRenderer()],
        logger_factory=structlog.PrintLoggerFactory(text),
        cache_logger_on_first_use=False,
    )
    yield text
    structlog.configure(**before)


async def test_the_trace_of_a_bug_shows_where_it_is_and_no_secret(
    tmp_path: Path, console: io.StringIO
) -> None:
    async with serve(tmp_path) as served:
        served.controller.fail(RuntimeError("a bug"))
        with pytest.raises(GRPCError):
            await served.stub.create_volume(PLANTED)

    assert "RuntimeError: a bug" in console.getvalue()
    assert "hunter2" not in console.getvalue()


async def test_a_secret_that_is_not_text_is_refused_and_not_logged(tmp_path: Path) -> None:
    body = bytes(PLANTED).replace(b"hunter2", b"hunter\xff")
    with structlog.testing.capture_logs() as lines:
        async with serve(tmp_path) as served:
            channel = Channel(path=str(served.path), codec=RawCodec())
            method = UnaryUnaryMethod[bytes, bytes](channel, CREATE, bytes, bytes)
            with pytest.raises(GRPCError) as caught:
                await method(body, timeout=20)
            channel.close()

    assert caught.value.status is Status.INVALID_ARGUMENT
    assert "UnicodeDecodeError" in repr(lines)
    assert "hunter" not in repr((lines, caught.value))


async def test_a_call_without_a_message_is_invalid(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        method = StreamUnaryMethod[csi.CreateVolumeRequest, csi.CreateVolumeResponse](
            served.channel, CREATE, csi.CreateVolumeRequest, csi.CreateVolumeResponse
        )
        with pytest.raises(GRPCError) as caught:
            await method([], timeout=20)

    assert caught.value.status is Status.INVALID_ARGUMENT


async def test_only_a_timeout_that_is_not_the_calls_own_leaves_a_trace(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        async with serve(tmp_path, limit=0.05) as served:
            endless = csi.ControllerStub(served.channel)
            served.controller.work = served.controller.wait
            with pytest.raises(GRPCError):
                await served.create(stub=endless)
            served.controller.fail(TimeoutError("somewhere inside"))
            with pytest.raises(GRPCError):
                await served.create(stub=endless)

    own, foreign = (line for line in lines if line["event"] == "rpc")
    assert own["code"] == foreign["code"] == "DEADLINE_EXCEEDED"
    assert "exception" not in own
    assert "somewhere inside" in foreign["exception"]


async def test_what_is_asked_every_few_seconds_is_for_debugging_only(tmp_path: Path) -> None:
    with structlog.testing.capture_logs() as lines:
        async with serve(tmp_path) as served:
            await HealthStub(served.channel).Check(HealthCheckRequest(), timeout=20)
            await csi.IdentityStub(served.channel, timeout=20).probe(csi.ProbeRequest())

    calls = [line for line in lines if line["event"] in {"rpc", "request"}]
    assert [(line["method"], line["log_level"]) for line in calls] == [
        ("Check", "debug"),
        ("Probe", "debug"),
    ]


async def test_work_that_a_call_started_is_logged_under_the_calls_id(tmp_path: Path) -> None:
    log = structlog.get_logger()
    with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as lines:
        async with open_keyed_tasks(5) as tasks, serve(tmp_path) as served:

            async def create(message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
                async def work() -> csi.CreateVolumeResponse:
                    log.info("at work")
                    return await served.controller.echo(message)

                return await tasks.run(message.name, work)

            served.controller.work = create
            await served.stub.create_volume(PLANTED, metadata={"x-call-id": "call-7"})
            await served.stub.create_volume(PLANTED, metadata={"x-call-id": "no id; " * 20 + "!"})

    first, second = (line["call"] for line in lines if line["event"] == "at work")
    assert first == "call-7"
    assert len(second) == 8


async def test_an_observer_is_told_of_every_call_but_questions_about_the_server(
    tmp_path: Path,
) -> None:
    seen: list[tuple[str, Status]] = []

    class Observer:
        def finished(self, method: str, code: Status, seconds: float) -> None:
            assert seconds >= 0
            seen.append((method, code))

    controller = Controller()
    async with open_server((controller,), f"{tmp_path}/csi.sock", Calls(observer=Observer())):
        served = Served(tmp_path / "csi.sock", controller)
        await HealthStub(served.channel).Check(HealthCheckRequest(), timeout=20)
        await served.create()
        controller.fail(asyncio.CancelledError())
        await served.failure()
        served.channel.close()

    assert seen == [(CREATE, Status.OK), (CREATE, Status.UNAVAILABLE)]
