"""A gRPC server that starts cleanly and ends without dropping calls: on a unix socket, or TCP.

Beside `channel` the only file that touches private attributes of grpclib: its `close()` cancels
running calls without telling the caller, and on Python 3.12 and newer `wait_closed()` hangs while a
client is connected. The pin of grpclib is exact for this reason, and a test of the drain guards it.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import structlog
from grpclib import GRPCError, const
from grpclib.config import Configuration
from grpclib.const import Status
from grpclib.protocol import H2Protocol
from grpclib.reflection.service import ServerReflection
from grpclib.server import Handler, Server
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

from libs.core.errors import InvalidRequest
from libs.core.security import SecurityEvent, record
from libs.csikit import endpoint
from libs.csikit.calls import Calls
from libs.csikit.endpoint import TcpAddress
from libs.csikit.listener import Listener
from libs.csikit.readiness import Readiness
from libs.csikit.tls import POLL_SECONDS, TlsFiles, open_rotation, server_context
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
    def __init__(self, services: "Collection[IServable]", config: Configuration) -> None:
        super().__init__(services, config=config)
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

    def new_protocol(self) -> H2Protocol:
        """Return the protocol of a new connection."""
        return self._protocol_factory()

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


@contextlib.asynccontextmanager
async def open_server(
    services: "Collection[IServable]",
    target: str,
    calls: Calls,
    *,
    drain_seconds: float = 30.0,
    is_ready: Callable[[], bool] | None = None,
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
    readiness, server = _prepare(services, calls, Configuration(), is_ready)
    async with _serve_unix(readiness, server, path, calls, drain_seconds):
        yield readiness


@contextlib.asynccontextmanager
async def open_admin_server(  # noqa: PLR0913 (all that a listener depends on)
    services: "Collection[IServable]",
    address: Path | TcpAddress,
    calls: Calls,
    *,
    tls: TlsFiles | None = None,
    insecure: bool = False,
    drain_seconds: float = 30.0,
    poll_seconds: float = POLL_SECONDS,
    is_ready: Callable[[], bool] | None = None,
) -> AsyncIterator[Readiness]:
    """Serve on a unix socket, or on TCP with mutual TLS, as `open_server` does.

    Args:
        services: what is served.
        address: where.
        calls: the interceptor.
        tls: the certificates for TCP; read again when they change, for new connections.
        insecure: whether TCP without TLS may be reached from elsewhere.
        drain_seconds: for calls in hand at the end.
        poll_seconds: between two looks whether the certificates have changed.
        is_ready: what the gRPC health service says while it is served.

    Raises:
        InvalidRequest: nobody can listen there, or the certificates cannot be used, or others
            could call without one.
        InUse: another process serves there.
    """
    if isinstance(address, Path):
        readiness, server = _prepare(services, calls, Configuration(), is_ready)
        async with _serve_unix(readiness, server, address, calls, drain_seconds):
            yield readiness
        return
    if tls is None and not (insecure or address.is_loopback):
        raise InvalidRequest(f"{address} is not served without certificates: anybody could call")
    if tls is None and not address.is_loopback:
        record(log, SecurityEvent.UNPROTECTED, "served without certificates", address=str(address))
    readiness, server = _prepare(services, calls, _TCP, is_ready)
    async with contextlib.AsyncExitStack() as stack:
        listener = Listener(endpoint.bind_tcp(address), server.new_protocol)
        stack.push_async_callback(_end, server, calls, drain_seconds)
        stack.callback(listener.close)
        stack.callback(readiness.set, ready=False)
        context = None
        if tls is not None:
            rotation = open_rotation(tls, server_context, listener.accept, poll_seconds)
            context = (await stack.enter_async_context(rotation)).context
        await listener.accept(context)
        readiness.address = str(TcpAddress(address.host, listener.port))
        log.info("serving", address=readiness.address, tls=tls is not None)
        yield readiness


_TCP = Configuration(
    # A client whose machine is gone says no goodbye, and its watches would stay for ever.
    _keepalive_time=30.0,
    _keepalive_timeout=10.0,
    _http2_max_pings_without_data=0,
    _http2_min_sent_ping_interval_without_data=10.0,
)


def _prepare(
    services: "Collection[IServable]",
    calls: Calls,
    config: Configuration,
    is_ready: Callable[[], bool] | None,
) -> tuple[Readiness, _DrainingServer]:
    readiness = Readiness(services, is_ready)
    served = ServerReflection.extend([*services, readiness.health], pool=descriptor_pool())
    server = _DrainingServer(served, config)
    calls.watch(server)
    return readiness, server


@contextlib.asynccontextmanager
async def _serve_unix(
    readiness: Readiness, server: _DrainingServer, path: Path, calls: Calls, drain_seconds: float
) -> AsyncIterator[None]:
    sock = endpoint.bind(path)
    own = endpoint.identity(path)
    listener = Listener(sock, server.new_protocol)
    try:
        await listener.accept()
        readiness.address = f"unix://{path}"
        log.info("serving", socket=str(path))
        yield
    finally:
        readiness.set(ready=False)
        # No new connections first: a sidecar that finds no socket waits for the next process.
        endpoint.remove(path, own)
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
