"""The lasting connection to a device: made, watched, and made again, for ever."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncssh
import structlog

from libs.core.errors import OutcomeUnknown, Unreachable
from libs.core.security import SecurityEvent, record
from libs.rdsclient.commands import check_alive
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.connect import connect
from libs.rdsclient.errors import DeviceAway, HostKeyRefused, LoginRefused
from libs.rdsclient.execs import DiedUnsent, Reply, run_line
from libs.rdsclient.observer import Observer
from libs.rdsclient.state import LinkState, LinkStatus

__all__ = ["Connect", "Link", "LinkState", "LinkStatus"]

log = structlog.get_logger(__name__)

_BACKOFF = (1.0, 2.0, 4.0, 8.0, 16.0)
_JITTER = 0.1

Connect = Callable[[RdsConfig], Awaitable[asyncssh.SSHClientConnection]]


class Link:
    """A device's connection. `keep_connected` has to run for anything to happen.

    Attributes:
        status: where the connection stands.
        connection: the connection while it is up.
        problem: what a caller gets while the device is away.
    """

    def __init__(
        self, config: RdsConfig, on_change: Callable[[], None], observer: Observer
    ) -> None:
        self.config = config
        self._observer = observer
        self._lost_at: float | None = None
        self.status = LinkStatus(LinkState.CONNECTING, 0)
        self.connection: asyncssh.SSHClientConnection | None = None
        self.problem: Unreachable = DeviceAway("")
        self._on_change = on_change
        self._changed = asyncio.Condition()
        self._heard = asyncio.Event()
        self._held = 0  # the last connection that answered something, or lived for a while

    @property
    def is_usable(self) -> bool:
        """Whether a command can be sent now."""
        return self.connection is not None and not self.connection.is_closed()

    async def run_line(self, line: str) -> Reply:
        """Run one line over the connection; see `execs.run_line` for what it raises."""
        if self.connection is None:
            raise DiedUnsent(f"there is no connection to the device at {self.config.address}")
        epoch = self.status.epoch
        reply = await run_line(self.connection, line, self.config.address, epoch)
        self._heard.set()
        self._held = max(self._held, epoch)
        return reply

    async def wait_for_connection(self, after: int) -> int:
        """Wait until there is a connection newer than number `after`; return its number."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: self.status.state is LinkState.UP and self.status.epoch > after
            )
            return self.status.epoch

    async def watch(self) -> AsyncIterator[LinkStatus]:
        """Yield the status now, and whenever it has changed; short-lived ones may be left out."""
        seen: LinkStatus | None = None
        while True:
            async with self._changed:
                while self.status == seen:
                    await self._changed.wait()
                seen = self.status
            yield seen

    async def keep_connected(self, connector: Connect = connect) -> None:
        """Connect, watch, and connect again, for ever."""
        failures = 0
        while True:
            try:
                connection = await connector(self.config)
            except Exception as error:  # noqa: BLE001 (whatever it was, the next try may succeed)
                await self._away(error, failures)
                failures += 1
                continue
            epoch = self.status.epoch + 1
            record(
                log,
                SecurityEvent.LOGIN,
                "device connected",
                device=self.config.address,
                user=self.config.user,
                epoch=epoch,
            )
            has_held = await self._hold(connection, epoch)
            log.warning("device connection lost", device=self.config.address)
            if has_held:
                failures, self.problem = 0, DeviceAway("")
                await self._set(LinkStatus(LinkState.CONNECTING, epoch), None)
                continue
            # A login alone proves nothing: at once again would only keep the device busy with them.
            await self._away(
                DeviceAway(
                    f"the connection to the device at {self.config.address} broke right after the "
                    "login"
                ),
                failures,
            )
            failures += 1

    async def _hold(self, connection: asyncssh.SSHClientConnection, epoch: int) -> bool:
        """Offer a connection until it is dead; return whether it was of any use."""
        try:
            await self._set(LinkStatus(LinkState.UP, epoch), connection)
            await self._until_dead(connection)
        except Exception:  # a bug must not leave the driver without its device for good
            log.exception("device connection not watched", device=self.config.address)
            return False
        finally:
            connection.abort()
        return self._held == epoch

    def _say_away(self, problem: Unreachable, delay: float) -> None:
        facts = {
            "device": self.config.address,
            "reason": problem.message,
            "detail": problem.detail,
            "retry_in": round(delay, 1),
        }
        if isinstance(problem, HostKeyRefused):
            record(log, SecurityEvent.HOST_KEY_WRONG, "host key refused", **facts)
        elif isinstance(problem, LoginRefused):
            record(log, SecurityEvent.LOGIN_REFUSED, "login refused", **facts)
        else:
            log.warning("device away", **facts)

    async def _away(self, error: Exception, failures: int) -> None:
        problem = error
        if not isinstance(problem, Unreachable):
            problem = DeviceAway(
                f"no connection to the device at {self.config.address}", detail=repr(error)
            )
        delay = _BACKOFF[min(failures, len(_BACKOFF) - 1)]
        delay *= 1 + random.uniform(-_JITTER, _JITTER)  # noqa: S311 (not for secrets)
        if problem.message != self.problem.message:
            self._say_away(problem, delay)
        self.problem = problem
        await self._set(LinkStatus(LinkState.AWAY, self.status.epoch, problem.message), None)
        await asyncio.sleep(delay)

    async def _set(
        self, status: LinkStatus, connection: asyncssh.SSHClientConnection | None
    ) -> None:
        async with self._changed:
            was_up, self.status, self.connection = self.connection is not None, status, connection
            self._changed.notify_all()
        if was_up != (connection is not None):
            self._observe(is_up=not was_up)
        self._on_change()

    def _observe(self, *, is_up: bool) -> None:
        now = asyncio.get_running_loop().time()
        self._observer.connection_changed(is_up=is_up)
        if not is_up:
            self._lost_at = now
        elif self._lost_at is not None:
            self._observer.reconnected(now - self._lost_at)

    async def _until_dead(self, connection: asyncssh.SSHClientConnection) -> None:
        closed = asyncio.ensure_future(connection.wait_closed())
        try:
            while True:
                self._heard.clear()
                await asyncio.wait({closed}, timeout=self.config.keepalive_interval)
                if closed.done():
                    return
                self._held = self.status.epoch
                if not (self._heard.is_set() or await self._answers(connection)):
                    return
        finally:
            closed.cancel()

    async def _answers(self, connection: asyncssh.SSHClientConnection) -> bool:
        line = check_alive().line
        probe = asyncio.create_task(
            run_line(connection, line, self.config.address, self.status.epoch)
        )
        try:
            done, _ = await asyncio.wait({probe}, timeout=self.config.keepalive_timeout)
        finally:
            probe.cancel()
        # A refused session is an answer too: the peer is alive, only busy.
        return bool(done) and not isinstance(probe.exception(), OutcomeUnknown)

    def close(self) -> None:
        """Drop the connection; nothing is sent any more."""
        connection, self.connection = self.connection, None
        self.problem = DeviceAway("the connection to the device is being shut down")
        self.status = LinkStatus(LinkState.AWAY, self.status.epoch, self.problem.message)
        if connection is not None:
            connection.abort()
            self._observer.connection_changed(is_up=False)
        self._on_change()
