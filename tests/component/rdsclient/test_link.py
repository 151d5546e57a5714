"""The lasting connection, when it is given up in the middle of being made."""

import asyncio
from typing import cast

import asyncssh

from libs.rdsclient.config import RdsConfig
from libs.rdsclient.link import Link
from libs.rdsclient.observer import NoObserver
from libs.rdsclient.state import LinkState


class Connection:
    """A connection that is there until it is aborted."""

    def __init__(self) -> None:
        self.is_open = True

    def abort(self) -> None:
        self.is_open = False

    async def wait_closed(self) -> None:
        await asyncio.Event().wait()


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
