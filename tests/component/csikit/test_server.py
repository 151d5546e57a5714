import asyncio
import gc
import socket
import stat
from collections.abc import Awaitable
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.server import Handler

from libs.core.errors import InUse, InvalidRequest, NotFound
from libs.csikit.calls import Calls
from libs.csikit.server import open_server
from protos.gen.csi import v1 as csi
from tests.component.csikit.rig import RawCodec, Served, serve, serve_until
from tests.waiting import PATIENCE

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


async def test_a_connection_that_is_gone_is_forgotten(served: Served) -> None:
    for _ in range(50):
        channel = Channel(path=str(served.path))
        await csi.IdentityStub(channel, timeout=20).probe(csi.ProbeRequest())
        channel.close()
    await served.create()
    gc.collect()

    protocols = [thing for thing in gc.get_objects() if isinstance(thing, Handler)]

    assert len(protocols) < 30


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
        async with asyncio.timeout(PATIENCE):
            await task


async def test_a_call_that_does_not_end_is_cut_off_at_the_limit(tmp_path: Path) -> None:
    told = asyncio.Event()
    async with serve_until(tmp_path, told, drain=0.05) as (served, task):
        served.controller.work = served.controller.wait
        stuck = asyncio.create_task(served.create())
        await served.controller.started.wait()

        told.set()
        async with asyncio.timeout(PATIENCE):
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

        async with asyncio.timeout(PATIENCE):
            await task
        assert not served.path.exists()
