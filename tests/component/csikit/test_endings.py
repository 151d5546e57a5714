"""How calls end that do not end by themselves: deadlines, cancellations, a server that goes."""

import asyncio
import contextlib
import gc
import os
import signal
from pathlib import Path

import pytest
import structlog
from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import StreamTerminatedError
from grpclib.server import Handler

from libs.csikit.calls import Calls
from libs.csikit.keylock import open_keyed_tasks
from libs.csikit.lifetime import open_signal, wait_for_signal
from libs.csikit.server import open_server
from protos.gen.csi import v1 as csi
from tests.component.csikit.rig import Controller, Served, serve, serve_until
from tests.waiting import PATIENCE

CUT = (GRPCError, StreamTerminatedError, OSError)
"""What a client raises whose connection ends under its call."""


async def failure(served: Served, timeout: float = 20) -> tuple[Status, str]:  # noqa: ASYNC109 (the client's)
    stub = csi.ControllerStub(served.channel, timeout=timeout)
    with pytest.raises((GRPCError, TimeoutError)) as caught:
        await served.create(stub=stub)
    if isinstance(caught.value, GRPCError):
        return caught.value.status, caught.value.message or ""
    return Status.DEADLINE_EXCEEDED, ""  # the client's own clock


# Deadlines and cancellations


async def test_a_change_outlives_its_callers_deadline_and_a_retry_is_told_so(
    tmp_path: Path,
) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()
    async with open_keyed_tasks(PATIENCE) as tasks, serve(tmp_path) as served:

        async def change() -> csi.CreateVolumeResponse:
            started.set()
            await go_on.wait()
            return csi.CreateVolumeResponse(volume=csi.Volume(volume_id="a"))

        async def create(message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
            return await tasks.run(message.name, change)

        served.controller.work = create
        first = Status.OK
        while not started.is_set():  # on a busy machine the time may pass before it begins
            first, _ = await failure(served, timeout=0.1)
        retry, words = await failure(served)
        go_on.set()
        assert await tasks.wait_idle(PATIENCE)

        assert (first, retry) == (Status.DEADLINE_EXCEEDED, Status.ABORTED)
        assert words == "an operation on volume a is in progress"
        assert await served.create() == "a"


async def test_a_call_whose_inside_was_cancelled_is_answered_all_the_same(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        served.controller.fail(asyncio.CancelledError())

        assert await failure(served) == (
            Status.UNAVAILABLE,
            "the call was cut off before it ended",
        )


async def test_the_log_tells_a_deadline_from_a_client_that_went_away(tmp_path: Path) -> None:
    ended = asyncio.Event()

    class Observer:
        def finished(self, method: str, code: Status, seconds: float) -> None:  # noqa: ARG002
            ended.set()

    controller = Controller()
    controller.work = controller.wait
    with structlog.testing.capture_logs() as lines:
        async with open_server((controller,), f"{tmp_path}/csi.sock", Calls(observer=Observer())):
            served = Served(tmp_path / "csi.sock", controller)
            await failure(served, timeout=0.1)
            await ended.wait()
            ended.clear()
            controller.started.clear()
            leaving = asyncio.create_task(served.create())
            await controller.started.wait()
            leaving.cancel()
            await ended.wait()
            served.channel.close()

    assert [(line["code"], line["log_level"]) for line in lines if line["event"] == "rpc"] == [
        ("DEADLINE_EXCEEDED", "warning"),
        ("CANCELLED", "info"),
    ]


# Shut-down


async def test_what_is_cut_off_at_shut_down_is_answered_with_a_code_that_is_retried(
    tmp_path: Path,
) -> None:
    told = asyncio.Event()
    with structlog.testing.capture_logs() as lines:
        async with serve_until(tmp_path, told, drain=0.05) as (served, task):
            served.controller.work = served.controller.wait
            stuck = asyncio.create_task(failure(served))
            await served.controller.started.wait()

            told.set()
            await task

            assert await stuck == (Status.UNAVAILABLE, "the service is shutting down")
    assert [line["code"] for line in lines if line["event"] == "rpc"] == ["UNAVAILABLE"]


async def test_work_that_will_not_be_cancelled_does_not_keep_its_client_waiting(
    tmp_path: Path,
) -> None:
    told, go_on = asyncio.Event(), asyncio.Event()
    async with serve_until(tmp_path, told, drain=0.05) as (served, task):

        async def stubborn(message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
            served.controller.started.set()
            while not go_on.is_set():
                with contextlib.suppress(asyncio.CancelledError):
                    await go_on.wait()
            return await served.controller.echo(message)

        served.controller.work = stubborn
        stuck = asyncio.create_task(served.create())
        await served.controller.started.wait()

        told.set()
        await task
        try:
            with pytest.raises(CUT):
                await stuck
        finally:
            go_on.set()


async def test_a_client_that_does_not_read_does_not_hold_up_the_end(tmp_path: Path) -> None:
    told = asyncio.Event()
    async with serve_until(tmp_path, told, drain=0.05) as (served, task):
        await served.create()
        sent = asyncio.Event()

        async def large(_: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
            sent.set()
            return csi.CreateVolumeResponse(volume=csi.Volume(volume_id="x" * (32 * 2**20)))

        served.controller.work = large
        protocol = await served.channel.__connect__()
        protocol.connection._transport.pause_reading()  # noqa: SLF001 (no public way to be deaf)
        deaf = asyncio.create_task(served.create())
        await sent.wait()

        told.set()
        async with asyncio.timeout(PATIENCE):
            await task

        deaf.cancel()
        with pytest.raises((asyncio.CancelledError, *CUT)):
            await deaf


async def test_a_drain_that_is_itself_cancelled_still_closes_the_connections(
    tmp_path: Path,
) -> None:
    told = asyncio.Event()
    async with serve_until(tmp_path, told, drain=60) as (served, task):
        served.controller.work = served.controller.wait
        stuck = asyncio.create_task(served.create())
        await served.controller.started.wait()
        identity = csi.IdentityStub(served.channel, timeout=20)
        told.set()
        with contextlib.suppress(GRPCError):
            while True:  # until it is refused, which says that the drain has begun
                await identity.probe(csi.ProbeRequest())

        task.cancel()

        with pytest.raises(CUT):
            await stuck
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_connections_that_are_gone_leave_nothing_behind(tmp_path: Path) -> None:
    async with serve(tmp_path) as served:
        for _ in range(60):  # as many probes connect anew in ten minutes
            channel = Channel(path=str(served.path))
            await csi.IdentityStub(channel, timeout=20).probe(csi.ProbeRequest())
            channel.close()

        gc.collect()
        kept = sum(isinstance(thing, Handler) for thing in gc.get_objects())

    assert kept < 30


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_is_named_and_does_afterwards_what_it_did_before(
    number: signal.Signals,
) -> None:
    before = signal.getsignal(number)
    waiting = asyncio.create_task(wait_for_signal())
    await asyncio.sleep(0)  # one step of the task takes it to where it waits
    assert signal.getsignal(number) is not before

    os.kill(os.getpid(), number)

    assert await waiting == number.name
    assert signal.getsignal(number) is before


async def test_who_ends_without_a_signal_leaves_signals_as_they_were() -> None:
    before = signal.getsignal(signal.SIGTERM)

    async with open_signal() as told:
        during = signal.getsignal(signal.SIGTERM)

    assert during is not before
    assert signal.getsignal(signal.SIGTERM) is before
    assert told.cancelled()
