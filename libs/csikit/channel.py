"""The client's side of the admin APIs: a channel that finds its peer again, and errors in families.

Beside `server` the only file that touches private attributes of grpclib, whose channel has one TLS
context for its whole life.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping
from pathlib import Path
from typing import Any

from grpclib import GRPCError
from grpclib.client import Channel, Stream
from grpclib.config import Configuration
from grpclib.const import Cardinality, Status
from grpclib.exceptions import ProtocolError, StreamTerminatedError
from grpclib.metadata import Deadline
from grpclib.protocol import H2Protocol

from libs.core import errors
from libs.core.errors import InvalidRequest, OutcomeUnknown, RdsCsiError, Refused, Unreachable
from libs.csikit.endpoint import TcpAddress
from libs.csikit.tls import (
    GOODBYE_SECONDS,
    POLL_SECONDS,
    Rotation,
    TlsFiles,
    client_context,
    open_rotation,
)

CONNECT_SECONDS = 5.0
"""Seconds for a connection and its TLS handshake."""

KEEP_ALIVE_SECONDS = 10.0
"""Seconds between two signs of life that a call in hand asks of its peer."""

_UNARY = frozenset({Cardinality.UNARY_UNARY, Cardinality.STREAM_UNARY})

FAMILIES: Mapping[Status, type[RdsCsiError]] = {
    Status.INVALID_ARGUMENT: errors.InvalidRequest,
    Status.OUT_OF_RANGE: errors.OutOfRange,
    Status.NOT_FOUND: errors.NotFound,
    Status.ALREADY_EXISTS: errors.Conflict,
    Status.FAILED_PRECONDITION: errors.InUse,
    Status.RESOURCE_EXHAUSTED: errors.Exhausted,
    Status.ABORTED: errors.Busy,
    Status.UNIMPLEMENTED: errors.Unsupported,
    # What the peer could not do for certain, and what it may have done, have one code.
    Status.UNAVAILABLE: errors.OutcomeUnknown,
    Status.DEADLINE_EXCEEDED: errors.OutcomeUnknown,
    Status.CANCELLED: errors.OutcomeUnknown,
    Status.UNKNOWN: errors.OutcomeUnknown,
}
"""What a code of a peer of ours means; any other one is `Refused`."""


class AdminChannel(Channel):
    """A channel for generated stubs. It connects when it is used, and again when it was cut off.

    Every new connection is made with the certificates that are in force then. Calls with one answer
    have a deadline, whether the caller sets one or not; a stream has one only where it is set.
    See `open_admin_channel`.
    """

    def __init__(
        self,
        address: Path | TcpAddress,
        rotation: Rotation | None,
        config: Configuration,
        deadline: float,
    ) -> None:
        place: dict[str, Any] = {"path": str(address)}
        if isinstance(address, TcpAddress):
            place = {"host": address.host, "port": address.port}
        super().__init__(**place, ssl=rotation.context if rotation else None, config=config)
        self.address = str(address) if isinstance(address, TcpAddress) else f"unix://{address}"
        self._rotation = rotation
        self._limit = deadline

    async def _create_connection(self) -> H2Protocol:
        if self._rotation is not None:
            self._ssl = self._rotation.context
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                return await self._connect()
        except (OSError, TimeoutError) as error:  # ssl.SSLError is an OSError
            raise Unreachable(f"no connection to {self.address}", detail=repr(error)) from error

    async def _connect(self) -> H2Protocol:
        loop = asyncio.get_running_loop()
        if self._path is not None:
            _, protocol = await loop.create_unix_connection(self._protocol_factory, self._path)
            return protocol
        _, protocol = await loop.create_connection(
            self._protocol_factory,
            self._host,
            self._port,
            ssl=self._ssl,
            server_hostname=self._config.ssl_target_name_override if self._ssl else None,
            ssl_shutdown_timeout=GOODBYE_SECONDS if self._ssl else None,
        )
        return protocol

    def close(self) -> None:
        """End the connection at once.

        TLS would wait for the peer's goodbye, which the end of the event loop cuts short. All that
        was asked has been answered by now, or given up.
        """
        connection = getattr(self._protocol, "connection", None)
        # grpclib forgets it when it closes; its pin is exact.
        transport = getattr(connection, "_transport", None)
        super().close()
        if transport is not None:
            transport.abort()

    def request(  # noqa: PLR0913 (as grpclib has it)
        self,
        name: str,
        cardinality: Cardinality,
        request_type: type[Any],
        reply_type: type[Any],
        *,
        timeout: float | None = None,
        deadline: Deadline | None = None,
        metadata: Any = None,  # noqa: ANN401 (grpclib's)
    ) -> Stream[Any, Any]:
        """Begin a call, as grpclib does."""
        if timeout is None and deadline is None and cardinality in _UNARY:
            timeout = self._limit
        return super().request(
            name,
            cardinality,
            request_type,
            reply_type,
            timeout=timeout,
            deadline=deadline,
            metadata=metadata,
        )


@contextlib.contextmanager
def peer_errors() -> Iterator[None]:
    """Turn whatever goes wrong with a call into a family.

    Raises:
        Unreachable: there was no connection; nothing was sent.
        OutcomeUnknown: there was no answer, or one that leaves open what was done.
        RdsCsiError: the family that the peer's code stands for, in its words.
    """
    try:
        yield
    except GRPCError as error:
        family = FAMILIES.get(error.status, Refused)
        raise family(error.message or error.status.name, detail=error.status.name) from error
    except TimeoutError as error:
        raise OutcomeUnknown("the call did not end in time") from error
    except (StreamTerminatedError, ProtocolError, OSError) as error:
        # With TLS 1.3 a client whose certificate is not accepted is told so after it has connected.
        raise OutcomeUnknown(
            "the connection was lost, or the certificate was not accepted", detail=repr(error)
        ) from error


@contextlib.asynccontextmanager
async def open_admin_channel(  # noqa: PLR0913 (all that a connection depends on)
    address: Path | TcpAddress,
    tls: TlsFiles | None = None,
    *,
    server_name: str = "",
    deadline: float = 30.0,
    keep_alive: float = KEEP_ALIVE_SECONDS,
    poll_seconds: float = POLL_SECONDS,
) -> AsyncIterator[AdminChannel]:
    """Own a channel to an admin API. A peer that is away is not an error here.

    Args:
        address: as `endpoint.parse_address` reads it.
        tls: our certificate, and the authority of the peer's; None for no TLS.
        server_name: the name that the peer's certificate must have, where it is not the address's.
        deadline: seconds for a call with one answer that sets no other.
        keep_alive: seconds between two signs of life that calls in hand ask for; a peer that
            gives none within half of that is gone.
        poll_seconds: between two looks whether the certificates have changed.

    Raises:
        InvalidRequest: the certificates cannot be used, or the address has no host.
    """
    if isinstance(address, TcpAddress) and not address.host:
        raise InvalidRequest("the address to connect to needs a host")
    async with contextlib.AsyncExitStack() as stack:
        rotation = None
        if tls is not None:
            opening = open_rotation(tls, client_context, every=poll_seconds)
            rotation = await stack.enter_async_context(opening)
        config = Configuration(
            _keepalive_time=keep_alive,
            _keepalive_timeout=keep_alive / 2,
            _http2_max_pings_without_data=0,
            _http2_min_sent_ping_interval_without_data=keep_alive / 2,
            ssl_target_name_override=server_name or None,
        )
        channel = AdminChannel(address, rotation, config, deadline)
        stack.callback(channel.close)
        yield channel
