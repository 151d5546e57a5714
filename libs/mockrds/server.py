"""The simulated device's SSH server: one line per exec, as on RouterOS."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace

import asyncssh
import structlog

from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault, Faults
from libs.mockrds.interpreter import Interpreter
from libs.mockrds.latency import Latency
from libs.mockrds.render import Console
from libs.mockrds.store import Store

log = structlog.get_logger(__name__)

DEFAULT_SESSIONS = 20
"""RouterOS's `max-sessions` of the ssh service, by default."""

_WIDTH = re.compile(r"(\d+)w")
_DEFAULT_WIDTH = 80
_CUT_OFF_LIMIT = 2.0
_NOISE = '\x00\x1b[2J]}{\ufffd[[{"slot": "pvc-'


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
            text, error = Interpreter(self.device, self.console(width)).run(line)
            self.save()
        if fault and fault.action is Action.DELAY:
            await asyncio.sleep(fault.amount)
        self._count += 1
        seconds, size = time.monotonic() - clock, len(text.encode(errors="replace"))
        self.execs.append(Exec(self._count, line, seconds, error, user, started, size))
        return text, int(bool(error) and self.honest_status), fault

    def save(self) -> None:
        """Keep the device's state, where it is kept at all."""
        if self.store is not None:
            self.store.save(self.device)

    async def restart(self, seconds: float = 0.0) -> None:
        """Cut everything off, refuse connections for so many seconds, and be back."""
        self.away = True
        self.drop_connections()
        await asyncio.sleep(seconds)
        self.away = False

    def reset(self) -> None:
        """Remove all disks, files and faults and forget the history; pools and settings stay."""
        for name in list(self.device.files):
            self.device.drop_file(name)
        self.device.disks.clear()
        self.device.subvolumes.clear()
        self.faults.clear()
        self.execs.clear()
        self.save()

    def drop_connections(self) -> None:
        """Cut every connection off, as a device that loses power: what was not begun is lost."""
        for connection in list(self.connections):
            connection.abort()
        for task in list(self.tasks):
            task.cancel()

    async def aclose(self) -> None:
        """Cut everything off and wait for it to be gone."""
        gone = [connection.wait_closed() for connection in self.connections]
        tasks = list(self.tasks)
        self.drop_connections()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CUT_OFF_LIMIT):
                await asyncio.gather(*gone, *tasks, return_exceptions=True)


class _Server(asyncssh.SSHServer):
    def __init__(self, mock: MockRds) -> None:
        self._mock = mock
        self._connection: asyncssh.SSHServerConnection | None = None
        self._running = 0
        self._width = _DEFAULT_WIDTH
        self._user = ""

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connection = conn
        self._mock.connections.add(conn)
        if self._mock.away:
            conn.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        log.debug("connection ended", reason=str(exc) if exc else "")
        if self._connection is not None:
            self._mock.connections.discard(self._connection)

    def begin_auth(self, username: str) -> bool:
        # RouterOS takes console options behind a plus: user+cet1024w.
        width = _WIDTH.search(username.partition("+")[2])
        self._width = int(width[1]) if width else _DEFAULT_WIDTH
        self._user = username
        return True

    def _is_user(self, username: str) -> bool:
        return username.partition("+")[0] == self._mock.access.user

    def public_key_auth_supported(self) -> bool:
        return bool(self._mock.access.authorized_keys)

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return self._is_user(username) and key in self._mock.access.authorized_keys

    def password_auth_supported(self) -> bool:
        return not self._mock.access.authorized_keys and bool(self._mock.access.password)

    def validate_password(self, username: str, password: str) -> bool:
        return self._is_user(username) and password == self._mock.access.password

    def session_requested(self) -> "_Session":
        if self._running >= self._mock.sessions or self._mock.faults.take_refusal():
            raise asyncssh.ChannelOpenError(asyncssh.OPEN_RESOURCE_SHORTAGE, "no more sessions")
        self._running += 1
        return _Session(self._mock, self, self._width, self._user)

    def session_ended(self) -> None:
        """Make room for another session."""
        self._running -= 1

    def drop(self) -> None:
        """Cut this connection off."""
        if self._connection is not None:
            self._connection.abort()


class _Session(asyncssh.SSHServerSession[str]):
    def __init__(self, mock: MockRds, server: _Server, width: int, user: str) -> None:
        self._mock = mock
        self._server = server
        self._width = width
        self._user = user
        self._channel: asyncssh.SSHServerChannel[str] | None = None

    def connection_made(self, chan: "asyncssh.SSHServerChannel[str]") -> None:
        self._channel = chan

    def exec_requested(self, command: str) -> bool:
        # Owned by the device: what was sent is done even if its client leaves while it waits.
        task = asyncio.ensure_future(self._exec(command))
        self._mock.tasks.add(task)
        task.add_done_callback(self._mock.tasks.discard)
        return True

    def shell_requested(self) -> bool:
        return False

    def eof_received(self) -> bool:
        return True  # a client without input says so at once, and still wants its answer

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (asyncssh's signature)
        self._server.session_ended()

    async def _exec(self, line: str) -> None:
        channel = self._channel
        if channel is None:
            return
        try:
            text, status, fault = await self._mock.answer(line, self._width, self._user)
        except Exception:
            log.exception("the simulator failed", line=line)
            self._server.drop()
            return
        match fault.action if fault else None:
            case Action.DROP_BEFORE | Action.DROP_AFTER:
                self._server.drop()
                return
            case Action.HANG:
                return
            case Action.TRUNCATE if fault:
                text = text[: int(fault.amount)]
            case Action.GARBAGE if fault:
                text = fault.text or _NOISE
            case _:
                pass
        with contextlib.suppress(OSError, asyncssh.Error):
            if fault and fault.action is Action.DRIP:
                await _drip(channel, text, max(int(fault.amount), 1))
            else:
                channel.write(text)
            if fault and fault.action is Action.NO_STATUS:
                channel.close()
            else:
                channel.exit(status)


async def _drip(channel: "asyncssh.SSHServerChannel[str]", text: str, amount: int) -> None:
    for start in range(0, len(text), amount):
        channel.write(text[start : start + amount])
        await asyncio.sleep(0)  # each piece is a packet of its own


@contextlib.asynccontextmanager
async def open_mock(
    mock: MockRds, host: str, port: int, host_key: asyncssh.SSHKey
) -> AsyncIterator[int]:
    """Serve a device until the block ends; yields the port, which matters where 0 was asked for."""
    server = await asyncssh.listen(
        host,
        port,
        server_factory=lambda: _Server(mock),
        server_host_keys=[host_key],
        encoding="utf-8",
        errors="replace",
        line_editor=False,
        keepalive_interval=0,
    )
    try:
        yield server.get_port()
    finally:
        server.close()
        await mock.aclose()
        await server.wait_closed()
