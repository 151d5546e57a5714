"""The listening socket: when it is told to exchange its TLS, and when that is broken off."""

import asyncio

import pytest

from libs.csikit.endpoint import TcpAddress, bind_tcp
from libs.csikit.listener import Listener


async def rounds(count: int) -> None:
    """Let the event loop turn so many times."""
    for _ in range(count):
        await asyncio.sleep(0)


async def can_connect(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionRefusedError:
        return False
    writer.transport.abort()
    return True


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("after", range(6))
async def test_an_exchange_that_is_cancelled_anywhere_leaves_no_socket_behind(
    after: int, *, first: bool
) -> None:
    listener = Listener(bind_tcp(TcpAddress("127.0.0.1", 0)), asyncio.Protocol)
    port = listener.port
    if not first:
        await listener.accept()

    exchange = asyncio.create_task(listener.accept())
    await rounds(after)
    exchange.cancel()
    await asyncio.wait((exchange,))
    listener.close()

    # A socket that nobody closed would still take connections, though nobody accepts them.
    assert not await can_connect(port)


async def test_a_listener_that_was_closed_meanwhile_accepts_nothing() -> None:
    listener = Listener(bind_tcp(TcpAddress("127.0.0.1", 0)), asyncio.Protocol)
    port = listener.port
    await listener.accept()

    exchange = asyncio.create_task(listener.accept())
    await rounds(2)
    listener.close()
    await exchange
    await listener.accept()

    assert not await can_connect(port)


async def test_after_an_exchange_there_is_one_server_that_accepts() -> None:
    listener = Listener(bind_tcp(TcpAddress("127.0.0.1", 0)), asyncio.Protocol)
    for _ in range(3):
        await listener.accept()

    assert await can_connect(listener.port)

    listener.close()
    await rounds(3)
