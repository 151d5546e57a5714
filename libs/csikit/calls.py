"""The one interceptor: call ID, deadline, error map, one log line per call, and the gate."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Collection
from contextvars import ContextVar
from typing import Any, Protocol

import structlog
from grpclib import GRPCError
from grpclib.const import Status
from grpclib.events import RecvMessage, RecvRequest, listen
from grpclib.server import Server

from libs.core.errors import InvalidRequest, OutcomeUnknown, RdsCsiError, Unreachable
from libs.core.spans import Span, span
from libs.csikit.callers import check_allowed, names_of
from libs.csikit.report import Call, subjects, write_line, write_request
from libs.csikit.shape import check_shape
from libs.csikit.status import to_grpc_error

CALL_ID = "x-call-id"
"""Metadata key under which a caller can name its call, so that logs of both sides meet."""

_TRACE = "traceparent"  # W3C Trace Context

_SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)

Handler = Callable[[Any], Awaitable[None]]


class CallObserver(Protocol):
    """Told of every call, for metrics."""

    def finished(self, method: str, code: Status, seconds: float) -> None:
        """Take note of a call that ended."""


class Observers:
    """Several observers as one."""

    def __init__(self, *observers: CallObserver) -> None:
        self._observers = observers

    def finished(self, method: str, code: Status, seconds: float) -> None:
        """Tell each of them of a call that ended."""
        for observer in self._observers:
            observer.finished(method, code, seconds)


_current: ContextVar[Call | None] = ContextVar("call", default=None)


def note(**facts: object) -> None:
    """Add to the line that the call in hand leaves in the log; outside of one, do nothing."""
    call = _current.get()
    if call is not None:
        call.notes |= facts


def caller() -> str:
    """Return the first name of who makes the call in hand; empty where nobody said."""
    call = _current.get()
    return call.callers[0] if call is not None and call.callers else ""


class Calls:
    """Wraps every call of the servers that it watches.

    Health and reflection are neither limited nor counted nor refused: they ask about the server,
    and a watch has no end of its own. Our own methods whose names begin with `Watch` have none
    either: they are ended, with UNAVAILABLE, as soon as the service shuts down.

    Args:
        limit: seconds for a call whose client gave no deadline.
        observer: told of every call but those for health and reflection.
        allowed: names in certificates of those who may call; empty for everybody who gets in.
    """

    def __init__(
        self,
        limit: float = 60.0,
        observer: CallObserver | None = None,
        allowed: Collection[str] = (),
    ) -> None:
        self._limit = limit
        self._observer = observer
        self._allowed = frozenset(allowed)
        self._draining = False
        self._cut = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._watches: set[asyncio.Task[Any]] = set()

    @property
    def in_flight(self) -> int:
        """How many calls are in hand."""
        return len(self._tasks)

    def watch(self, server: Server) -> None:
        """Wrap the calls of a server."""
        listen(server, RecvRequest, self._on_request)
        listen(server, RecvMessage, _on_message)

    async def drain(self, limit: float) -> bool:
        """Refuse new calls, and wait up to `limit` seconds for those in hand.

        Returns whether all of them ended.
        """
        self._draining = True
        for task in self._watches:
            task.cancel()
        return await self._wait(limit)

    async def cut_off(self, limit: float) -> bool:
        """Cancel the calls in hand, and wait up to `limit` seconds until they have been answered.

        Returns whether all of them ended.
        """
        self._draining = self._cut = True
        for task in self._tasks:
            task.cancel()
        return await self._wait(limit)

    async def _wait(self, limit: float) -> bool:
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=limit)
        return all(task.done() for task in tasks)

    async def _on_request(self, event: RecvRequest) -> None:
        given = str(event.metadata.get(CALL_ID, ""))
        call = Call(
            method=event.method_name,
            id=given if _SANE_ID.fullmatch(given) else secrets.token_hex(4),
            deadline=event.deadline,
            callers=names_of(event.peer.cert()),
        )
        inner = event.method_func
        above = {_TRACE: str(event.metadata[_TRACE])} if _TRACE in event.metadata else None

        async def wrapped(stream: Any) -> None:  # noqa: ANN401 (grpclib's stream of any types)
            if call.is_quiet:
                await self._run(call, inner, stream, None)
                return
            with span(
                call.method.lstrip("/"), {"rpc.system": "grpc", "call": call.id}, above
            ) as own:
                await self._run(call, inner, stream, own)

        event.method_func = wrapped

    async def _run(
        self,
        call: Call,
        handler: Handler,
        stream: Any,  # noqa: ANN401 (of any types)
        own: Span | None,
    ) -> None:
        error: BaseException | None = None
        _current.set(call)  # the task serves this call only
        with structlog.contextvars.bound_contextvars(call=call.id):
            try:
                await self._serve(call, handler, stream)
            except asyncio.CancelledError as cancelled:
                error = self._cause(call, cancelled)
                if error is cancelled:
                    raise
                raise to_grpc_error(error) from None
            except Exception as raised:  # noqa: BLE001 (nothing foreign may reach grpclib)
                error = raised if call.request is not None else _unread(raised)
                raise to_grpc_error(error) from None
            finally:
                self._report(call, error, own)

    async def _serve(self, call: Call, handler: Handler, stream: Any) -> None:  # noqa: ANN401
        check_allowed(call.callers, self._allowed)
        if call.is_infrastructure:
            await handler(stream)
            return
        self._admit(call)
        if call.deadline is not None or call.is_watch:
            await handler(stream)  # grpclib cancels it when the time has come
            return
        scope = asyncio.timeout(self._limit)
        try:
            async with scope:
                await handler(stream)
        except TimeoutError:
            if not scope.expired():
                raise
            raise GRPCError(Status.DEADLINE_EXCEEDED, "the call did not end in time") from None

    def _admit(self, call: Call) -> None:
        if self._draining:
            raise Unreachable("the service is shutting down")
        task = asyncio.current_task()
        if task is None:
            return
        # In hand until grpclib is done with it: its answer is written after the handler's end.
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        if call.is_watch:
            self._watches.add(task)
            task.add_done_callback(self._watches.discard)

    def _cause(self, call: Call, cancelled: asyncio.CancelledError) -> BaseException:
        if call.is_watch and self._draining:
            return Unreachable("the service is shutting down")
        if self._cut:
            return OutcomeUnknown("the service is shutting down")
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            return cancelled  # the client's deadline or its going away: grpclib knows which
        # Something that the handler waited for was cancelled. Left as it is, grpclib would send
        # nothing, and the client would wait for ever.
        return OutcomeUnknown("the call was cut off before it ended")

    def _report(self, call: Call, error: BaseException | None, own: Span | None) -> None:
        seconds = time.monotonic() - call.started
        code = call.code(error)
        if self._observer and not call.is_infrastructure:
            self._observer.finished(call.method, code, seconds)
        write_line(call, code, error, seconds)
        if own is not None:
            own.set(code=code.name, **subjects(call.request))
            if error is not None:
                own.fail(code.name)


def _unread(error: Exception) -> Exception:
    """Return what an error means that came before the request was read.

    Of a decoder's error only its type is kept: its text can hold a part of the message.
    """
    if isinstance(error, GRPCError | RdsCsiError | TimeoutError):
        return error
    return InvalidRequest("the request is not a valid message", detail=type(error).__name__)


async def _on_message(event: RecvMessage) -> None:
    call = _current.get()
    if call is not None:
        if not call.is_infrastructure:
            check_shape(event.message)
        call.request = event.message
        write_request(call, event.message)
