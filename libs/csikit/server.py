"""A gRPC server on a unix socket that starts cleanly and ends without dropping calls.

The only file that touches private attributes of grpclib: its `close()` cancels running calls
without telling the caller, and on Python 3.12 and newer `wait_closed()` hangs while a client is
connected. The pin of grpclib is exact for this reason, and a test of the drain guards it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING

import structlog
from grpclib.config import Configuration
from grpclib.health.check import ServiceStatus
from grpclib.health.service import OVERALL, Health
from grpclib.protocol import H2Protocol
from grpclib.reflection.service import ServerReflection
from grpclib.server import Handler, Server
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from libs.csikit import endpoint
from libs.csikit.calls import Calls
from protos.descriptors import descriptor_pool

if TYPE_CHECKING:
    from asyncio.transports import BaseTransport

    from grpclib._typing import IServable

log = structlog.get_logger(__name__)

MAX_STREAMS = 1000
"""Calls at once on one connection; grpclib allows 100, and a sidecar uses one connection."""

_CLOSE_LIMIT = 2.0


class _Protocol(H2Protocol):
    """An HTTP/2 connection that allows more calls at once and is known to its server."""

    def __init__(self, handler: Handler, server: "_DrainingServer") -> None:
        super().__init__(handler, server._config, server._h2_config)  # noqa: SLF001
        self._server = server

    def connection_made(self, transport: "BaseTransport") -> None:
        super().connection_made(transport)
        self.connection._connection.update_settings(  # noqa: SLF001
            {SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS}
        )
        self.connection.flush()
        self._server.connections.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.connections.discard(self)
        super().connection_lost(exc)

    def say_goodbye(self) -> None:
        """Send GOAWAY, so that the client connects anew, and close when it is written."""
        with contextlib.suppress(ProtocolError):
            self.connection._connection.close_connection()  # noqa: SLF001
            self.connection.flush()
        self.connection._transport.close()  # noqa: SLF001


class _DrainingServer(Server):
    def __init__(self, services: "Collection[IServable]") -> None:
        super().__init__(services, config=Configuration())
        self.connections: set[_Protocol] = set()

    def _protocol_factory(self) -> H2Protocol:
        handler = Handler(self._mapping, self._codec, self._status_details_codec, self.__dispatch__)
        self._handlers.add(handler)
        return _Protocol(handler, self)

    def stop_listening(self) -> None:
        """Accept no more connections; those that are there go on."""
        if self._server is not None:
            self._server.close()

    async def close_connections(self) -> None:
        """Cancel what is left of the calls, and close every connection."""
        for handler in self._handlers:
            handler.close()
        await asyncio.gather(*(handler.wait_closed() for handler in self._handlers))
        for connection in list(self.connections):
            connection.say_goodbye()


class Readiness:
    """What the gRPC health service says of the whole process."""

    def __init__(self) -> None:
        self._status = ServiceStatus()
        self._status.set(value=True)
        self.health = Health({OVERALL: [self._status]})

    def set(self, *, ready: bool) -> None:
        """Say whether the process can serve."""
        self._status.set(value=ready)


@contextlib.asynccontextmanager
async def open_server(
    services: "Collection[IServable]", target: str, calls: Calls, *, drain_seconds: float = 30.0
) -> AsyncIterator[Readiness]:
    """Serve on a unix socket until the block ends; then drain.

    Health and reflection are served beside the services. At the end new calls are refused with
    UNAVAILABLE, those in hand have `drain_seconds` to finish, and the socket goes away.

    Raises:
        InvalidRequest: the target is not a unix socket, or cannot be made.
        InUse: another process serves there.
    """
    path = endpoint.parse_endpoint(target)
    readiness = Readiness()
    server = _DrainingServer(
        ServerReflection.extend([*services, readiness.health], pool=descriptor_pool())
    )
    calls.watch(server)
    listener = endpoint.bind(path)
    own = endpoint.identity(path)
    try:
        await server.start(sock=listener)
        log.info("serving", socket=str(path))
        yield readiness
    finally:
        readiness.set(ready=False)
        # No new connections first: a sidecar that finds no socket waits for the next process.
        endpoint.remove(path, own)
        server.stop_listening()
        listener.close()
        if not await calls.drain(drain_seconds):
            log.warning("calls were cut off at shut-down", in_flight=calls.in_flight)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CLOSE_LIMIT):
                await server.close_connections()
