"""The one interceptor: call ID, deadline, error map, one log line per call, and the gate."""

import asyncio
import logging
import re
import secrets
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
from grpclib import GRPCError
from grpclib.const import Status
from grpclib.events import RecvMessage, RecvRequest, listen
from grpclib.server import Server

from libs.core.errors import InvalidRequest, RdsCsiError
from libs.csikit.redact import redacted
from libs.csikit.status import OUR_FAULT, to_grpc_error

log = structlog.get_logger(__name__)

CALL_ID = "x-call-id"
"""Metadata key under which a caller can name its call, so that logs of both sides meet."""

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
_SUBJECTS = (
    "volume_id",
    "snapshot_id",
    "source_volume_id",
    "node_id",
    "name",
    "starting_token",
)
_SHOWN = 128
_INFRASTRUCTURE = "/grpc."
_QUIET = frozenset({"/csi.v1.Identity/Probe"})

Handler = Callable[[Any], Awaitable[None]]


class CallObserver(Protocol):
    """Told of every call, for metrics."""

    def finished(self, method: str, code: Status, seconds: float) -> None:
        """Take note of a call that ended."""


@dataclass(slots=True)
class _Call:
    method: str
    id: str
    started: float = field(default_factory=time.monotonic)
    subject: dict[str, str] = field(default_factory=dict)
    decoded: bool = False

    @property
    def name(self) -> str:
        return self.method.rpartition("/")[2]


_current: ContextVar[_Call | None] = ContextVar("call", default=None)


class Calls:
    """Wraps every call of the servers that it watches.

    Args:
        limit: seconds for a call whose client gave no deadline.
        observer: told of every call.
    """

    def __init__(self, limit: float = 60.0, observer: CallObserver | None = None) -> None:
        self._limit = limit
        self._observer = observer
        self._draining = False
        self._count = 0
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def in_flight(self) -> int:
        """How many calls are in hand."""
        return self._count

    def watch(self, server: Server) -> None:
        """Wrap the calls of a server."""
        listen(server, RecvRequest, self._on_request)
        listen(server, RecvMessage, _on_message)

    async def drain(self, limit: float) -> bool:
        """Refuse new calls, and wait up to `limit` seconds for those in hand.

        Returns whether all of them ended.
        """
        self._draining = True
        try:
            async with asyncio.timeout(limit):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    async def _on_request(self, event: RecvRequest) -> None:
        if event.method_name.startswith(_INFRASTRUCTURE):
            return  # health and reflection: watching streams, which have no end of their own
        given = str(event.metadata.get(CALL_ID, ""))
        call = _Call(
            method=event.method_name,
            id=given if _SANE_ID.fullmatch(given) else secrets.token_hex(4),
        )
        inner, deadline = event.method_func, event.deadline

        async def wrapped(stream: Any) -> None:  # noqa: ANN401 (grpclib's stream of any types)
            await self._run(call, inner, stream, limited=deadline is not None)

        event.method_func = wrapped

    async def _run(
        self,
        call: _Call,
        handler: Handler,
        stream: Any,  # noqa: ANN401
        *,
        limited: bool,
    ) -> None:
        if self._draining:
            raise _cut_off()
        self._count += 1
        self._idle.clear()
        error: BaseException | None = None
        _current.set(call)  # the task serves this call only
        try:
            with structlog.contextvars.bound_contextvars(call=call.id):
                try:
                    async with asyncio.timeout(None if limited else self._limit):
                        await handler(stream)
                except asyncio.CancelledError as cancelled:
                    error = cancelled
                    if not self._draining:
                        raise  # the client's deadline or its going away: grpclib knows which
                    raise _cut_off() from None
                except BaseException as raised:  # noqa: BLE001 (nothing foreign may reach grpclib)
                    error = raised if call.decoded else _undecoded(raised)
                    raise to_grpc_error(error) from None
                finally:
                    self._report(call, error)
        finally:
            self._count -= 1
            if not self._count:
                self._idle.set()

    def _report(self, call: _Call, error: BaseException | None) -> None:
        seconds = time.monotonic() - call.started
        code = _code(error)
        if self._observer:
            self._observer.finished(call.method, code, seconds)
        facts: dict[str, Any] = {
            "method": call.name,
            "code": code.name,
            "ms": round(seconds * 1000, 1),
            **call.subject,
        }
        if isinstance(error, RdsCsiError):
            facts |= {"error": error.message} | ({"detail": error.detail} if error.detail else {})
        elif error is not None and code in OUR_FAULT:
            facts["exc_info"] = error
        if code in OUR_FAULT:
            log.error("rpc", **facts)
        elif code is Status.OK and call.method in _QUIET:
            log.debug("rpc", **facts)
        else:
            log.info("rpc", **facts)


def _cut_off() -> GRPCError:
    return GRPCError(Status.UNAVAILABLE, "the service is shutting down")


def _undecoded(error: BaseException) -> BaseException:
    """Return what an error means that came before the request was read."""
    if isinstance(error, ValueError | EOFError | TypeError | LookupError):
        return InvalidRequest("the request is not a valid message", detail=repr(error))
    return error


def _code(error: BaseException | None) -> Status:
    if error is None:
        return Status.OK
    if isinstance(error, asyncio.CancelledError):
        return Status.CANCELLED
    return to_grpc_error(error).status


async def _on_message(event: RecvMessage) -> None:
    call = _current.get()
    if call is None:
        return
    call.decoded = True
    if log.is_enabled_for(logging.DEBUG):
        log.debug("request", method=call.name, fields=redacted(call.method, event.message))
    for name in _SUBJECTS:
        value = getattr(event.message, name, None)
        if isinstance(value, str) and value:
            call.subject[name] = value[:_SHOWN]
