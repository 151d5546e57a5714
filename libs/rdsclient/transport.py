"""One lasting SSH connection to a device, over which command lines go one round trip each.

The connection is a task's affair: it connects, notices a dead peer, and connects again for ever.
Callers only ever see a connection that is up, or an error at once.
"""

import asyncio
import contextlib
import enum
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncssh
import structlog

from libs.core.errors import OutcomeUnknown, Unreachable
from libs.rdsclient.commands import check_alive
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.connect import connect
from libs.rdsclient.errors import CommandTimeout, DeviceAway, QueueTimeout
from libs.rdsclient.execs import DiedUnsent, Reply, run_line

log = structlog.get_logger(__name__)

_BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0)
_JITTER = 0.1
_CLOSE_LIMIT = 2.0

Connect = Callable[[RdsConfig], Awaitable[asyncssh.SSHClientConnection]]


class LinkState(enum.Enum):
    """Where the connection stands."""

    CONNECTING = "connecting"
    UP = "up"
    AWAY = "away"


class SshTransport:
    """Runs command lines on the device. Made by `open_transport`, which owns its tasks.

    Attributes:
        state: where the connection stands.
        epoch: counts the connections made: what was learnt in an earlier one may no longer hold.
        round_trips: counts the execs that were sent.
    """

    def __init__(self, config: RdsConfig) -> None:
        self.config = config
        self.state = LinkState.CONNECTING
        self.epoch = 0
        self.round_trips = 0
        self._connection: asyncssh.SSHClientConnection | None = None
        self._problem: Unreachable = DeviceAway("")
        self._changed = asyncio.Condition()
        self._sessions = asyncio.Semaphore(config.max_sessions)
        self._execs: set[asyncio.Task[Reply]] = set()
        self._heard = asyncio.Event()

    async def run(self, line: str) -> Reply:
        """Send one line and return its answer, within `command_timeout` seconds.

        A caller that is cancelled gives its answer up; the session is closed behind it.

        Raises:
            Unreachable: nothing was sent: the device is away, or no session became free in time.
            OutcomeUnknown: it was sent, and no answer came.
        """
        deadline = asyncio.get_running_loop().time() + self.config.command_timeout
        try:
            return await self._attempt(line, deadline)
        except DiedUnsent:
            return await self._attempt(line, deadline)

    async def _attempt(self, line: str, deadline: float) -> Reply:
        try:
            async with asyncio.timeout_at(deadline):
                connection = await self._connected()
                await self._sessions.acquire()
        except TimeoutError:
            raise QueueTimeout(
                f"no session to the device at {self.config.address} became free within "
                f"{self.config.command_timeout:g} s"
            ) from None
        # The session is given back when its channel is closed, which may be after the caller left.
        task = asyncio.create_task(self._exec(connection, line))
        self._execs.add(task)
        task.add_done_callback(self._exec_ended)
        try:
            left = deadline - asyncio.get_running_loop().time()
            done, _ = await asyncio.wait({task}, timeout=left)
        except asyncio.CancelledError:
            task.cancel()
            raise
        if not done:
            task.cancel()
            raise CommandTimeout(
                f"the device at {self.config.address} did not answer within "
                f"{self.config.command_timeout:g} s"
            )
        return task.result()

    async def wait_for_connection(self, after: int) -> int:
        """Wait until there is a connection newer than number `after`; return its number."""
        async with self._changed:
            await self._changed.wait_for(lambda: self.state is LinkState.UP and self.epoch > after)
            return self.epoch

    def _exec_ended(self, task: asyncio.Task[Reply]) -> None:
        self._sessions.release()
        self._execs.discard(task)
        if not task.cancelled():
            task.exception()  # it has been raised to the caller, or there is none any more

    async def _connected(self) -> asyncssh.SSHClientConnection:
        async with self._changed:
            await self._changed.wait_for(self._is_settled)
        if self._connection is None:
            raise type(self._problem)(self._problem.message, detail=self._problem.detail)
        return self._connection

    def _is_settled(self) -> bool:
        if self._connection is not None:
            return not self._connection.is_closed()  # closed: soon replaced, or known to be away
        return self.state is LinkState.AWAY

    async def _exec(self, connection: asyncssh.SSHClientConnection, line: str) -> Reply:
        self.round_trips += 1
        reply = await run_line(connection, line, self.config.address, self.epoch)
        self._heard.set()
        return reply

    async def keep_connected(self, connector: Connect = connect) -> None:
        """Connect, watch, and connect again, for ever. `open_transport` runs it."""
        failures = 0
        while True:
            try:
                connection = await connector(self.config)
            except Exception as error:  # noqa: BLE001 (whatever it was, the next try may succeed)
                await self._away(error, failures)
                failures += 1
                continue
            failures, self._problem = 0, DeviceAway("")
            self.epoch += 1
            log.info("device connected", device=self.config.address, epoch=self.epoch)
            await self._set(LinkState.UP, connection)
            try:
                await self._until_dead(connection)
            finally:
                connection.abort()
            log.warning("device connection lost", device=self.config.address)
            await self._set(LinkState.CONNECTING, None)

    async def _away(self, error: Exception, failures: int) -> None:
        problem = error
        if not isinstance(problem, Unreachable):
            problem = DeviceAway(
                f"no connection to the device at {self.config.address}", detail=repr(error)
            )
        delay = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
        delay *= 1 + random.uniform(-_JITTER, _JITTER)  # noqa: S311 (not for secrets)
        if problem.message != self._problem.message:
            log.warning(
                "device away",
                reason=problem.message,
                detail=problem.detail,
                retry_in=round(delay, 1),
            )
        self._problem = problem
        await self._set(LinkState.AWAY, None)
        await asyncio.sleep(delay)

    async def _set(
        self,
        state: LinkState,
        connection: asyncssh.SSHClientConnection | None,
    ) -> None:
        async with self._changed:
            self.state, self._connection = state, connection
            self._changed.notify_all()

    async def _until_dead(self, connection: asyncssh.SSHClientConnection) -> None:
        closed = asyncio.ensure_future(connection.wait_closed())
        try:
            while True:
                self._heard.clear()
                await asyncio.wait({closed}, timeout=self.config.keepalive_interval)
                if closed.done() or not (self._heard.is_set() or await self._answers(connection)):
                    return
        finally:
            closed.cancel()

    async def _answers(self, connection: asyncssh.SSHClientConnection) -> bool:
        probe = asyncio.create_task(self._exec(connection, check_alive().line))
        try:
            done, _ = await asyncio.wait({probe}, timeout=self.config.keepalive_timeout)
        finally:
            probe.cancel()
        # A refused session is an answer too: the peer is alive, only busy.
        return bool(done) and not isinstance(probe.exception(), OutcomeUnknown)

    async def aclose(self) -> None:
        """Close the connection; commands in hand end with OutcomeUnknown."""
        connection, self._connection = self._connection, None
        self.state = LinkState.AWAY
        self._problem = DeviceAway("the connection to the device is being shut down")
        if connection is not None:
            connection.abort()
        if self._execs:
            await asyncio.wait(self._execs, timeout=_CLOSE_LIMIT)


@contextlib.asynccontextmanager
async def open_transport(config: RdsConfig) -> AsyncIterator[SshTransport]:
    """Own the connection to a device: start connecting, and close it at the end.

    A device that is away is not an error here; commands say so until it is back.
    """
    transport = SshTransport(config)
    keeper = asyncio.create_task(transport.keep_connected())
    try:
        yield transport
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await transport.aclose()
