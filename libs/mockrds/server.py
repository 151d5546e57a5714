"""The simulated device's SSH server: one line per exec, as on RouterOS."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator

import asyncssh
import structlog

from libs.mockrds.faults import Action
from libs.mockrds.mock import Access, MockRds

__all__ = ["Access", "MockRds", "open_mock"]

log = structlog.get_logger(__name__)

_WIDTH = re.compile(r"(\d+)w")
_DEFAULT_WIDTH = 80
_NOISE = '\x00\x1b[2J]}{\ufffd[[{"slot": "pvc-'


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
    """Serve a device until the block ends; yields the port, which matters where 0 was asked for.

    Raises:
        OSError: the address cannot be used.
        ConsoleError: the device cannot export its disks.
    """
    await mock.change(mock.device.export)
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
    mock.ports.add(server.get_port())
    try:
        yield server.get_port()
    finally:
        server.close()
        await mock.aclose()
        await server.wait_closed()
