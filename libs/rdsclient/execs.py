"""One exec on an SSH connection, with every way in which it can go wrong told apart."""

import asyncio
import contextlib
from dataclasses import dataclass

import asyncssh

from libs.core.errors import RdsCsiError
from libs.rdsclient.errors import ConnectionLost, DeviceAway

_REFUSED = frozenset(
    {
        asyncssh.OPEN_ADMINISTRATIVELY_PROHIBITED,
        asyncssh.OPEN_CONNECT_FAILED,
        asyncssh.OPEN_UNKNOWN_CHANNEL_TYPE,
        asyncssh.OPEN_RESOURCE_SHORTAGE,
    }
)
"""Codes with which a session is not opened at all, so that no command was sent (RFC 4254, 5.1)."""

_CLOSE_LIMIT = 2.0


@dataclass(frozen=True, slots=True)
class Reply:
    """What one exec printed.

    Attributes:
        text: standard output and standard error.
        status: the exit status; None where the device sent none.
        epoch: the number of the connection that it came over.
    """

    text: str
    status: int | None
    epoch: int


class DiedUnsent(DeviceAway):
    """The connection turned out to be dead before the command was sent."""


async def run_line(
    connection: asyncssh.SSHClientConnection, line: str, address: str, epoch: int
) -> Reply:
    """Run a line and return what it printed. Cancelling it closes its channel.

    Args:
        connection: where to run it.
        line: what to run.
        address: whose connection it is, for messages.
        epoch: its number.

    Raises:
        DiedUnsent: the connection was dead; nothing was sent.
        DeviceAway: the device refuses another session; nothing was sent.
        ConnectionLost: the connection died after the line may have been sent.
    """
    try:
        process = await _open(connection, line)
    except asyncssh.ChannelOpenError as error:
        raise _not_opened(connection, address, error) from error
    except (asyncssh.Error, OSError) as error:
        raise _lost(address, str(error)) from error
    try:
        out, err = await process.communicate()
    except (asyncssh.Error, OSError) as error:
        raise _lost(address, str(error)) from error
    finally:
        process.close()
        # The device counts the session until it has closed its side; so do we.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_LIMIT):
                await process.wait_closed()
    # asyncssh reports a connection that died as a normal end without a status.
    if process.exit_status is None and connection.is_closed():
        raise _lost(address, "no exit status")
    return Reply(f"{out or ''}{err or ''}", process.exit_status, epoch)


async def _open(
    connection: asyncssh.SSHClientConnection, line: str
) -> asyncssh.SSHClientProcess[str]:
    opening = asyncio.ensure_future(
        connection.create_process(line, stdin=asyncssh.DEVNULL, encoding="utf-8", errors="replace")
    )
    try:
        return await asyncio.shield(opening)
    except asyncio.CancelledError:
        # Cancelling the open itself would leave the channel open on both sides for good.
        opening.add_done_callback(_close_late)
        raise


def _close_late(opening: "asyncio.Future[asyncssh.SSHClientProcess[str]]") -> None:
    if not opening.cancelled() and opening.exception() is None:
        opening.result().close()


def _not_opened(
    connection: asyncssh.SSHClientConnection, address: str, error: asyncssh.ChannelOpenError
) -> RdsCsiError:
    if error.code not in _REFUSED:
        return _lost(address, str(error))
    if connection.is_closed():
        return DiedUnsent(f"the connection to the device at {address} was lost", detail=str(error))
    return DeviceAway(f"the device at {address} refuses another session", detail=str(error))


def _lost(address: str, detail: str) -> ConnectionLost:
    return ConnectionLost(f"the connection to the device at {address} was lost", detail=detail)
