"""A running simulated device: its settings, what it was told, and what happens to it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TypeVar

import asyncssh
import structlog

from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault, Faults
from libs.mockrds.interpreter import Interpreter
from libs.mockrds.latency import Latency
from libs.mockrds.outages import Outages
from libs.mockrds.render import Console
from libs.mockrds.silence import silence
from libs.mockrds.store import Store

log = structlog.get_logger(__name__)

_T = TypeVar("_T")

DEFAULT_SESSIONS = 20
"""RouterOS's `max-sessions` of the ssh service, by default."""

_CUT_OFF_LIMIT = 2.0


@dataclass(frozen=True)
class Access:
    """Who may log in. A user with a key may not use a password, as on RouterOS."""

    user: str = "rds-csi"
    password: str = ""
    authorized_keys: tuple[asyncssh.SSHKey, ...] = ()


@dataclass(frozen=True, slots=True)
class Exec:
    """One command line as it was received.

    Attributes:
        seconds: how long it took, with every delay that was asked for.
        error: the text that it ended with, empty where it succeeded.
        user: who sent it, with the console suffix.
        started: seconds since 1970.
        size: bytes that it printed, before a fault took any away.
    """

    number: int
    line: str
    seconds: float
    error: str
    user: str = ""
    started: float = 0.0
    size: int = 0


@dataclass
class MockRds:
    """A running simulated device.

    Attributes:
        latency: how long an exec takes.
        store: where the state is kept; nowhere by default.
        sessions: how many execs may run at once on one connection; one more is refused.
        style: how consoles print; a width of 0 takes what the session asks for.
        honest_status: whether a failed line exits with 1; RouterOS was measured to exit with 0.
        execs: every line received, oldest first.
        away: whether connections are refused.
        ports: the TCP ports of its SSH servers.
        turn: held by whoever changes or reads the device.
        outages: what takes it away for a time.
    """

    device: Device
    access: Access
    latency: Latency = field(default_factory=Latency)
    store: Store | None = None
    sessions: int = DEFAULT_SESSIONS
    honest_status: bool = False
    style: Console = field(default_factory=lambda: Console(width=0))
    faults: Faults = field(default_factory=Faults)
    execs: list[Exec] = field(default_factory=list)
    connections: "set[asyncssh.SSHServerConnection]" = field(default_factory=set)
    tasks: "set[asyncio.Task[None]]" = field(default_factory=set)
    away: bool = False
    ports: set[int] = field(default_factory=set)
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    outages: Outages = field(default_factory=Outages)
    _count: int = 0

    def console(self, width: int) -> Console:
        """Return the console of a session that asked for this width."""
        return replace(self.style, width=self.style.width or width)

    async def answer(self, line: str, width: int, user: str = "") -> tuple[str, int, Fault | None]:
        """Run a line; return what is printed, the exit status, and what is to go wrong with it."""
        started, clock = time.time(), time.monotonic()
        fault = self.faults.take(line)
        delay = self.latency.of(line)
        if delay:
            await asyncio.sleep(delay)
        if fault and fault.action is Action.DROP_BEFORE:
            text, error = "", ""
        elif fault and fault.action is Action.ERROR:
            text, error = fault.text + "\r\n", fault.text
        else:
            text, error = await self.change(partial(self._run, line, width))
        if fault and fault.action is Action.DELAY:
            await asyncio.sleep(fault.amount)
        self._count += 1
        seconds, size = time.monotonic() - clock, len(text.encode(errors="replace"))
        self.execs.append(Exec(self._count, line, seconds, error, user, started, size))
        return text, int(bool(error) and self.honest_status), fault

    def _run(self, line: str, width: int) -> tuple[str, str]:
        answer = Interpreter(self.device, self.console(width)).run(line)
        self.save()
        return answer

    async def change(self, work: Callable[[], _T]) -> _T:
        """Do something with the device, alone, and off the event loop where that may take a while.

        What has begun is done, even if its caller is cancelled.
        """
        if not self.device.plane.exports:
            return work()
        await self.turn.acquire()
        task = asyncio.ensure_future(asyncio.to_thread(work))
        task.add_done_callback(self._next)
        return await asyncio.shield(task)

    def _next(self, task: "asyncio.Future[_T]") -> None:
        self.turn.release()
        if not task.cancelled() and (error := task.exception()):
            log.debug("a change failed", error=str(error))

    def save(self) -> None:
        """Keep the device's state, where it is kept at all."""
        if self.store is not None:
            self.store.save(self.device)

    async def restart(self, seconds: float = 0.0) -> None:
        """Cut everything off, refuse connections for so many seconds, and be back."""
        await self.outages.begin(self.restarting(), seconds)
        await self.outages.wait()

    @contextlib.asynccontextmanager
    async def restarting(self, work: Callable[[], None] | None = None) -> AsyncIterator[None]:
        """Be away until the block ends: every connection ends, and no new one is made.

        Args:
            work: what happens to the device meanwhile.
        """
        self.away = True
        try:
            self.drop_connections()
            await self.change(self.device.plane.withdraw)
            if work is not None:
                await self.change(work)
                await self.change(self.save)
            yield
        finally:
            await self.change(self.device.plane.restore)
            self.away = False

    @contextlib.asynccontextmanager
    async def silent(self) -> AsyncIterator[None]:
        """Neither hear nor say anything until the block ends, as behind a cable that is cut.

        Raises:
            Unsupported: this host cannot drop the packets.
        """
        async with silence(self.ports | self.device.nvme_ports()):
            yield

    @contextlib.asynccontextmanager
    async def crashed(self) -> AsyncIterator[None]:
        """Be away until the block ends, and leave every connection without a word.

        Raises:
            Unsupported: this host cannot drop the packets.
        """
        async with self.silent(), self.restarting():
            yield

    async def reset(self) -> None:
        """Remove all disks, files and faults and forget the history; pools and settings stay."""
        await self.change(self.device.reset)
        self.faults.clear()
        self.execs.clear()
        await self.change(self.save)

    def drop_connections(self) -> None:
        """Cut every connection off, as a device that loses power: what was not begun is lost."""
        for connection in list(self.connections):
            connection.abort()
        for task in list(self.tasks):
            task.cancel()

    async def aclose(self) -> None:
        """Cut everything off, export nothing, and wait for it all to be gone."""
        await self.outages.end()
        gone = [connection.wait_closed() for connection in self.connections]
        tasks = list(self.tasks)
        self.drop_connections()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CUT_OFF_LIMIT):
                await asyncio.gather(*gone, *tasks, return_exceptions=True)
        await self.change(self.device.plane.withdraw)
