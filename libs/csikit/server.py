"""A gRPC server on a unix socket that starts cleanly and ends without dropping calls.

The only file that touches private attributes of grpclib: its `close()` cancels running calls
without telling the caller, and on Python 3.12 and newer `wait_closed()` hangs while a client is
connected. The pin of grpclib is exact for this reason, and a test of the drain guards it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import TYPE_CHECKING, Any, cast

import structlog
from grpclib import GRPCError, const
from grpclib.config import Configuration
from grpclib.const import Status
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
from protos.gen.csi.v1 import ProbeRequest, ProbeResponse

if TYPE_CHECKING:
    from asyncio.transports import BaseTransport, WriteTransport

    from grpclib._typing import IServable
    from grpclib.server import Stream

log = structlog.get_logger(__name__)

MAX_STREAMS = 1000
"""Calls at once on one connection; grpclib allows 100, and a sidecar uses one connection."""

_CLOSE_LIMIT = 1.0
"""Seconds for each of the two steps that come after the drain."""


_LINGER = 0.1
"""Seconds between the last answer and GOAWAY: some clients drop an answer that comes with one."""


class _Protocol(H2Protocol):
    """An HTTP/2 connection that allows more calls at once and is known to its server."""

    def __init__(self, handler: Handler, server: "_DrainingServer") -> None:
        super().__init__(handler, server._config, server._h2_config)  # noqa: SLF001
        self._server = server

    def connection_made(self, transport: "BaseTransport") -> None:
        super().connection_made(transport)
        # Kept here too: grpclib forgets it when the client says goodbye first.
        self._socket = cast("WriteTransport", transport)
        self.connection._connection.update_settings(  # noqa: SLF001
            {SettingCodes.MAX_CONCURRENT_STREAMS: MAX_STREAMS}
        )
        self.connection.flush()
        self._server.remember(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        self._server.forget(self)
        super().connection_lost(exc)

    def say_goodbye(self) -> None:
        """Send GOAWAY, so that the client connects anew, and close when it is written."""
        if self.connection.is_closing():
            return
        with contextlib.suppress(ProtocolError):
            self.connection._connection.close_connection()  # noqa: SLF001
            self.connection.flush()
        self._socket.close()

    def abort(self) -> None:
        """Close without waiting for a client that does not read."""
        self._socket.abort()


class _Methods(dict[str, const.Handler]):
    """The methods that are served; any other one is answered as such.

    grpclib's own answer lacks the content type, and clients read it as UNKNOWN instead.
    """

    def get(self, key: str, default: Any = None) -> Any:  # noqa: ANN401, ARG002 (as dict has it)
        return super().get(key) or const.Handler(
            _refuse, const.Cardinality.UNARY_UNARY, ProbeRequest, ProbeResponse
        )


async def _refuse(stream: "Stream[Any, Any]") -> None:  # noqa: ARG001 (a handler has one)
    raise GRPCError(Status.UNIMPLEMENTED, "this call is not offered")


class _DrainingServer(Server):
    def __init__(self, services: "Collection[IServable]") -> None:
        super().__init__(services, config=Configuration())
        self._mapping = _Methods(self._mapping)
        self.connections: set[_Protocol] = set()
        self._all_gone = asyncio.Event()
        self._all_gone.set()

    def remember(self, connection: _Protocol) -> None:
        self.connections.add(connection)
        self._all_gone.clear()

    def forget(self, connection: _Protocol) -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._all_gone.set()

    def _protocol_factory(self) -> H2Protocol:
        # Every so often this lets go of handlers whose connection has gone: probes connect anew
        # every few seconds for as long as the process lives.
        self.__gc_step__()
        handler = Handler(self._mapping, self._codec, self._status_details_codec, self.__dispatch__)
        self._handlers.add(handler)
        return _Protocol(handler, self)

    def stop_listening(self) -> None:
        """Accept no more connections; those that are there go on."""
        if self._server is not None:
            self._server.close()

    async def close_connections(self, limit: float) -> None:
        """Cancel what is left of the calls, and close every connection.

        A client that has not read everything after `limit` seconds does not get the rest.
        """
        for handler in self._handlers:
            handler.close()
        for connection in list(self.connections):
            connection.say_goodbye()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    await self._all_gone.wait()
                    await asyncio.gather(*(handler.wait_closed() for handler in self._handlers))
        finally:
            for connection in list(self.connections):
                connection.abort()


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
    UNAVAILABLE, those in hand have `drain_seconds` to finish, and the socket goes away. Then what
    is left is answered with UNAVAILABLE, and all is over within about two more seconds.

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
        await _end(server, calls, drain_seconds)


async def _end(server: _DrainingServer, calls: Calls, drain_seconds: float) -> None:
    try:
        if not await calls.drain(drain_seconds):
            log.warning("calls are cut off at shut-down", in_flight=calls.in_flight)
            await calls.cut_off(_CLOSE_LIMIT)
        await asyncio.sleep(_LINGER)
    finally:
        await server.close_connections(_CLOSE_LIMIT)
