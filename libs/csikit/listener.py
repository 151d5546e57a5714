"""A listening socket whose TLS is exchanged while it accepts."""

import asyncio
import socket
import ssl
from collections.abc import Callable

from libs.csikit.tls import GOODBYE_SECONDS

_HANDSHAKE_SECONDS = 10.0
"""A client that is connected and says nothing must not be kept for ever."""


class Listener:
    """Accepts connections on one socket.

    The context of a listening server cannot be changed, and one that has once trusted an authority
    trusts it for ever. So for new certificates there is a second server on the same socket, and
    then the first one stops to accept; connections that were made stay as they are, and those that
    wait to be accepted are the second one's.

    Args:
        sock: bound, and owned by this from now on.
        factory: makes the protocol of a connection.
    """

    def __init__(self, sock: socket.socket, factory: Callable[[], asyncio.Protocol]) -> None:
        self._socket = sock
        self._factory = factory
        self._servers: list[asyncio.Server] = []

    def is_closed(self) -> bool:
        """Whether no more connections are accepted."""
        return self._socket.fileno() < 0

    @property
    def port(self) -> int:
        """The TCP port; 0 for a unix socket."""
        name = self._socket.getsockname()
        return int(name[1]) if isinstance(name, tuple) else 0

    async def accept(self, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections, from now on with this context.

        Cancelled at whatever point, it leaves nothing that `close` does not end.
        """
        if self.is_closed():
            return
        loop = asyncio.get_running_loop()
        # Started below: `create_server` would wait with a server in hand that nobody knows yet.
        server = await loop.create_server(
            self._factory,
            sock=self._socket.dup(),
            ssl=tls,
            ssl_handshake_timeout=_HANDSHAKE_SECONDS if tls else None,
            ssl_shutdown_timeout=GOODBYE_SECONDS if tls else None,
            start_serving=False,
        )
        before, self._servers = self._servers, [*self._servers, server]
        await server.start_serving()
        # What they have just accepted has to become their connection first: asyncio drops, with an
        # error, what finds its server closed. Two rounds of the loop are enough for that.
        for sock in (sock for old in before for sock in old.sockets):
            loop.remove_reader(sock.fileno())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        for old in before:
            old.close()
        self._servers = [one for one in self._servers if one not in before]

    def close(self) -> None:
        """Accept no more connections; those that are there go on."""
        for server in self._servers:
            server.close()
        self._socket.close()
