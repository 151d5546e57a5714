"""The lasting connection, when it is given up in the middle of being made, and when it breaks."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import NoReturn, cast

import asyncssh
from structlog.testing import capture_logs

from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.testing import PASSWORD, running_device
from libs.rdsclient.commands import check_alive
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.connect import connect as log_in
from libs.rdsclient.link import Connect, Link
from libs.rdsclient.observer import NoObserver
from libs.rdsclient.state import LinkState
from tests.waiting import PATIENCE


class Connection:
    """A connection that is there until it is aborted."""

    def __init__(self) -> None:
        self.is_open = True
        self.was_asked = asyncio.Event()
        self.is_closed_by_peer = asyncio.Event()

    def abort(self) -> None:
        self.is_open = False

    async def wait_closed(self) -> None:
        await self.is_closed_by_peer.wait()

    async def create_process(self, *_: object, **__: object) -> NoReturn:
        self.was_asked.set()
        raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "busy")

    def is_closed(self) -> bool:
        return self.is_closed_by_peer.is_set()


class BrokenOnce(NoObserver):
    """An observer with a bug, which shows once."""

    has_failed = False

    def connection_changed(self, *, is_up: bool) -> None:
        if is_up and not self.has_failed:
            self.has_failed = True
            raise RuntimeError("a bug")


async def test_a_connection_that_nobody_has_been_told_of_yet_is_closed_with_the_link() -> None:
    connection, is_made = Connection(), asyncio.Event()
    link = Link(RdsConfig("device"), lambda: None, NoObserver())

    async def connect(_: RdsConfig) -> asyncssh.SSHClientConnection:
        is_made.set()
        return cast("asyncssh.SSHClientConnection", connection)

    async with link._changed:  # noqa: SLF001 (whoever waits for a change has it for a moment)
        keeper = asyncio.create_task(link.keep_connected(connect))
        await is_made.wait()
        keeper.cancel()
        await asyncio.wait({keeper})

    assert keeper.cancelled()
    assert not connection.is_open


async def test_after_a_bug_the_device_is_connected_to_anew() -> None:
    made: list[Connection] = []
    link = Link(RdsConfig("device"), lambda: None, BrokenOnce())

    async def connect(_: RdsConfig) -> asyncssh.SSHClientConnection:
        made.append(Connection())
        return cast("asyncssh.SSHClientConnection", made[-1])

    keeper = asyncio.create_task(link.keep_connected(connect))
    async with asyncio.timeout(30):
        async for status in link.watch():
            if status.state is LinkState.UP and status.epoch == 2:
                break
    is_connected = link.connection is not None
    keeper.cancel()
    await asyncio.wait({keeper})

    assert is_connected
    assert [connection.is_open for connection in made] == [False, False]


@contextlib.asynccontextmanager
async def kept(
    connector: Connect, config: RdsConfig | None = None
) -> AsyncIterator[tuple[Link, list[LinkState]]]:
    """Keep a link; the states that it went through come with it."""
    went_through: list[LinkState] = []
    link = Link(
        config or RdsConfig("device"),
        lambda: went_through.append(link.status.state),
        NoObserver(),
    )
    keeper = asyncio.create_task(link.keep_connected(connector))
    try:
        async with asyncio.timeout(PATIENCE):
            yield link, went_through
    finally:
        keeper.cancel()
        await asyncio.wait({keeper})


def connecting(then: Callable[[Connection], None]) -> tuple[Connect, list[float]]:
    """Return what connects to nothing, and the times at which it did."""
    times: list[float] = []

    async def connect(_: RdsConfig) -> asyncssh.SSHClientConnection:
        times.append(asyncio.get_running_loop().time())
        connection = Connection()
        then(connection)
        return cast("asyncssh.SSHClientConnection", connection)

    return connect, times


async def test_a_device_that_closes_after_the_login_is_away_and_left_in_peace() -> None:
    connector, times = connecting(lambda connection: connection.is_closed_by_peer.set())

    async with kept(connector) as (link, went_through):
        await link.wait_for_connection(after=2)
        problem = link.problem.message

    first, second, third = times[:3]
    assert second - first >= 0.9
    assert third - second >= 1.8
    assert went_through[:4] == [LinkState.UP, LinkState.AWAY] * 2
    assert problem == "the connection to the device at device:22 broke right after the login"


async def test_a_connection_that_answered_is_made_anew_at_once() -> None:
    async with running_device(Device([])) as device:
        config = RdsConfig(
            device.host, device.port, host_key=device.host_key, password=Secret(PASSWORD)
        )
        async with kept(log_in, config) as (link, went_through):
            await link.wait_for_connection(after=0)
            await link.run_line(check_alive().line)
            device.mock.drop_connections()
            await link.wait_for_connection(after=1)

    assert went_through[:3] == [LinkState.UP, LinkState.CONNECTING, LinkState.UP]


async def test_a_connection_that_lived_is_made_anew_at_once() -> None:
    made: list[Connection] = []
    connector, _ = connecting(made.append)
    config = replace(RdsConfig("device"), keepalive_interval=0.01)

    async with kept(connector, config) as (link, went_through):
        await link.wait_for_connection(after=0)
        await made[0].was_asked.wait()
        made[0].is_closed_by_peer.set()
        await link.wait_for_connection(after=1)

    assert went_through[:3] == [LinkState.UP, LinkState.CONNECTING, LinkState.UP]


async def test_after_a_connection_that_lived_the_pauses_begin_anew() -> None:
    made: list[Connection] = []

    def only_the_second_lives(connection: Connection) -> None:
        made.append(connection)
        if len(made) != 2:
            connection.is_closed_by_peer.set()

    connector, _ = connecting(only_the_second_lives)
    config = replace(RdsConfig("device"), keepalive_interval=0.01)

    with capture_logs() as said:
        async with kept(connector, config) as (link, _):
            await link.wait_for_connection(after=1)
            await made[1].was_asked.wait()
            made[1].is_closed_by_peer.set()
            await link.wait_for_connection(after=3)

    pauses = [line["retry_in"] for line in said if line["event"] == "device away"]
    assert len(pauses) == 2
    assert all(0.9 <= pause <= 1.1 for pause in pauses)
