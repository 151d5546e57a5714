"""Certificates that are replaced, servers that go and come, streams that go on."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

import pytest
import structlog

from libs.core.errors import InvalidRequest, OutcomeUnknown, RdsCsiError, Unreachable
from libs.csikit.channel import open_admin_channel, peer_errors
from libs.csikit.endpoint import TcpAddress, parse_address
from libs.csikit.tls import client_context, open_rotation
from protos.gen.grpc.health import v1 as health
from protos.gen.grpc.reflection import v1 as reflection
from protos.gen.rdscsi.controller import v1 as admin
from tests.component.csikit.admin_rig import POLL, Served, code_of, detach, serve_admin
from tests.component.csikit.pki import Mounted, Pki

ASKS = 30.0


@contextlib.asynccontextmanager
async def silenced(address: TcpAddress) -> AsyncIterator[tuple[TcpAddress, asyncio.Event]]:
    """Pass on what comes and goes, until the event is set: then nothing, and no goodbye."""
    silent = asyncio.Event()
    pumps: set[asyncio.Task[None]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if not silent.is_set():
                writer.write(data)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there = await asyncio.open_connection(address.host, address.port)
        pumps.add(asyncio.create_task(pump(reader, there[1])))
        pumps.add(asyncio.create_task(pump(there[0], writer)))
        writers.extend((writer, there[1]))

    writers: list[asyncio.StreamWriter] = []
    async with await asyncio.start_server(accept, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        try:
            yield TcpAddress("127.0.0.1", port), silent
        finally:
            for task in pumps:
                task.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)
            for writer in writers:
                writer.transport.abort()


async def accepted(served: Served, mounted: Mounted) -> bool:
    try:
        await served.ask(mounted.files)
    except RdsCsiError:
        return False
    return True


async def said(lines: Sequence[object]) -> bool:
    return bool(lines)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(ASKS):
        while True:
            if await condition():
                return
            await asyncio.sleep(POLL)


async def test_new_connections_take_the_new_certificates_and_streams_go_on(tmp_path: Path) -> None:
    async with serve_admin(tmp_path) as served, served.channel() as channel:
        old = served.client()
        stream = admin.ControllerAdminStub(channel).watch_connections(
            admin.WatchConnectionsRequest()
        )
        served.toy.queue.put_nowait("before")
        before = await anext(stream)

        fresh = Pki("the next authority")
        served.mounted.put(fresh.issue("api", ["127.0.0.1"], server=True), fresh)
        new = served.client(fresh.issue("reconciler"), fresh)
        await until(partial(accepted, served, new))
        served.toy.queue.put_nowait("after")
        after = await anext(stream)

        assert [before.connections[0].device, after.connections[0].device] == ["before", "after"]
        assert await detach(channel) == "pvc-1"
        assert not await accepted(served, old)


async def test_no_call_fails_while_certificates_are_replaced(tmp_path: Path) -> None:
    async with serve_admin(tmp_path) as served:
        client = served.client()
        answers = []

        for _ in range(10):
            served.mounted.put(served.pki.issue("api", ["127.0.0.1"], server=True), served.pki)
            asking = [served.ask(client.files) for _ in range(5)]
            answers += await asyncio.gather(*asking)

        assert answers == ["pvc-1"] * 50


async def test_certificates_that_cannot_be_used_leave_the_old_ones_in_force(
    tmp_path: Path,
) -> None:
    async with serve_admin(tmp_path) as served:
        with structlog.testing.capture_logs() as lines:
            served.mounted.put((b"no certificate", b"no key"), served.pki)
            await until(partial(said, lines))
            answer = await served.ask()
            for _ in range(5):
                await asyncio.sleep(POLL)  # more looks at the same files

        warnings = [line for line in lines if "not usable" in line["event"]]
        assert answer == "pvc-1"
        assert len(warnings) == 1


async def test_a_client_shows_its_new_certificate_when_it_connects_again(tmp_path: Path) -> None:
    pki, fresh = Pki(), Pki("the next authority")
    mounted = Mounted(tmp_path / "client").put(pki.issue("reconciler"), pki)
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    async with serve_admin(tmp_path / "one", pki=pki) as first:
        where = first.address
        channel_of = open_admin_channel(where, mounted.files, poll_seconds=POLL)
        channel = await channel_of.__aenter__()
        answers = [await detach(channel)]
    try:
        mounted.put(fresh.issue("reconciler"), fresh)
        async with serve_admin(tmp_path / "two", pki=fresh, address=where):
            async with asyncio.timeout(ASKS):
                while len(answers) < 2:
                    try:
                        answers.append(await detach(channel))
                    except (Unreachable, OutcomeUnknown):
                        await asyncio.sleep(POLL)
    finally:
        await channel_of.__aexit__(None, None, None)

    assert answers == ["pvc-1", "pvc-1"]


async def test_files_that_are_not_there_are_a_wrong_request(tmp_path: Path) -> None:
    mounted = Mounted(tmp_path / "client")

    with pytest.raises(InvalidRequest, match="cannot be read"):
        async with open_rotation(mounted.files, client_context):
            pass


async def test_a_server_that_is_not_there_was_certainly_not_reached() -> None:
    async with open_admin_channel(TcpAddress("127.0.0.1", 1)) as channel:
        with pytest.raises(Unreachable, match=r"no connection to tcp://127\.0\.0\.1:1"):
            await detach(channel)


async def test_a_call_with_one_answer_ends_though_nobody_set_a_deadline(tmp_path: Path) -> None:
    async with serve_admin(tmp_path, drain=0.1) as served, served.channel(deadline=0.2) as channel:
        with pytest.raises(OutcomeUnknown, match="did not end in time"):
            await detach(channel, "stuck")


async def test_a_peer_that_falls_silent_is_noticed_by_a_watch(tmp_path: Path) -> None:
    async with serve_admin(tmp_path) as served, silenced(served.address) as (where, silent):
        files = served.client().files
        async with open_admin_channel(where, files, keep_alive=0.2) as channel:
            stream = admin.ControllerAdminStub(channel).watch_connections(
                admin.WatchConnectionsRequest()
            )
            served.toy.queue.put_nowait("rds")
            await anext(stream)
            silent.set()

            async with asyncio.timeout(ASKS):
                with pytest.raises(OutcomeUnknown, match="connection was lost"), peer_errors():
                    await anext(stream)


async def test_watches_end_at_once_when_the_server_shuts_down(tmp_path: Path) -> None:
    async with asyncio.timeout(ASKS):
        async with serve_admin(tmp_path, drain=60.0) as served:
            channel_of = served.channel()
            channel = await channel_of.__aenter__()
            stream = admin.ControllerAdminStub(channel).watch_connections(
                admin.WatchConnectionsRequest()
            )
            waiting = asyncio.create_task(code_of(anext(stream)))
            await served.toy.watching.wait()

        code = await waiting
        await channel_of.__aexit__(None, None, None)

    assert code == "UNAVAILABLE"


async def test_a_watch_outlives_the_limit_of_calls(tmp_path: Path) -> None:
    async with serve_admin(tmp_path, limit=0.05) as served, served.channel() as channel:
        stream = admin.ControllerAdminStub(channel).watch_connections(
            admin.WatchConnectionsRequest()
        )
        served.toy.queue.put_nowait("one")
        await anext(stream)
        await asyncio.sleep(0.1)  # longer than any other call may take here
        served.toy.queue.put_nowait("two")

        answer = await anext(stream)

        assert answer.connections[0].device == "two"


async def test_health_knows_the_server_and_its_services_and_no_other(tmp_path: Path) -> None:
    async with serve_admin(tmp_path) as served, served.channel() as channel:
        stub = health.HealthStub(channel)
        states = [
            (await stub.check(health.HealthCheckRequest(service=name))).status
            for name in ("", "rdscsi.controller.v1.ControllerAdmin")
        ]
        served.readiness.set(ready=False)
        states.append((await stub.check(health.HealthCheckRequest())).status)
        unknown = await code_of(stub.check(health.HealthCheckRequest(service="another")))

        state = health.HealthCheckResponseServingStatus
        assert states == [state.SERVING, state.SERVING, state.NOT_SERVING]
        assert unknown == "NOT_FOUND"


async def test_health_is_watched(tmp_path: Path) -> None:
    async with serve_admin(tmp_path) as served, served.channel() as channel:
        stream = health.HealthStub(channel).watch(health.HealthCheckRequest())
        before = await anext(stream)
        served.readiness.set(ready=False)

        after = await anext(stream)

        state = health.HealthCheckResponseServingStatus
        assert [before.status, after.status] == [state.SERVING, state.NOT_SERVING]


async def test_reflection_names_the_services_and_describes_them(tmp_path: Path) -> None:
    async with serve_admin(tmp_path) as served, served.channel() as channel:
        questions = [
            reflection.ServerReflectionRequest(list_services=""),
            reflection.ServerReflectionRequest(
                file_containing_symbol="rdscsi.controller.v1.ControllerAdmin"
            ),
            reflection.ServerReflectionRequest(file_by_filename="google/protobuf/timestamp.proto"),
        ]
        stub = reflection.ServerReflectionStub(channel)
        with peer_errors():
            answers = [one async for one in stub.server_reflection_info(iter(questions))]

        listed, described, imported = answers
        assert listed.list_services_response is not None
        names = {one.name for one in listed.list_services_response.service}
        assert {"rdscsi.controller.v1.ControllerAdmin", "grpc.health.v1.Health"} <= names
        assert described.file_descriptor_response is not None
        assert b"ControllerAdmin" in described.file_descriptor_response.file_descriptor_proto[0]
        assert imported.file_descriptor_response is not None


@pytest.mark.parametrize(
    "text",
    ["", "tcp://", "tcp://h", "tcp://h:x", "tcp://h:65536", "tcp://::1:5", "tcp://[h]:5", "h:5"],
)
def test_an_address_that_cannot_be_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidRequest, match="the endpoint"):
        parse_address(text)
