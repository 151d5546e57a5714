"""Work on one key at a time, owned by the service and not by whoever asked for it."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import structlog

from libs.core.errors import Busy, OutcomeUnknown, RdsCsiError, Unreachable
from libs.csikit.redact import render_traceback

log = structlog.get_logger(__name__)

T = TypeVar("T")

_CANCEL_LIMIT = 5.0
"""Seconds that cancelled work has to clean up after itself."""


class KeyedTasks:
    """Runs changes, at most one per key. Made by `open_keyed_tasks`, which owns its tasks.

    What a change only needs to stay as it is may be shared with others that need the same.

    A caller whose deadline passes goes away; the change it asked for does not, because its command
    may be on the device already. The key stays taken until the change has ended, so a retry is told
    that it is in hand instead of racing it. Nobody ever waits for a key.
    """

    def __init__(self) -> None:
        self._in_hand: set[str] = set()
        self._shared: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False

    async def run(
        self,
        keys: str | tuple[str, ...],
        work: Callable[[], Awaitable[T]],
        shared: tuple[str, ...] = (),
    ) -> T:
        """Run `work` unless something is in hand for one of the keys, and return its result.

        Several keys are taken all at once or not at all.

        Args:
            keys: what is changed, by nobody else meanwhile.
            work: the change.
            shared: what nobody changes meanwhile; others may share it.

        Raises:
            Busy: something is; nothing was started.
            Unreachable: this has been closed; nothing was started.
            OutcomeUnknown: the work was cut off at shut-down.
        """
        task = self._start((keys,) if isinstance(keys, str) else keys, work, shared)
        try:
            # Unlike awaiting it, this leaves the task alone when the caller is cancelled.
            await asyncio.wait((task,))
        except asyncio.CancelledError:
            task.add_done_callback(_report_unheard)
            raise
        if task.cancelled():
            raise OutcomeUnknown("the service is shutting down")
        return task.result()

    def _start(
        self, keys: tuple[str, ...], work: Callable[[], Awaitable[T]], shared: tuple[str, ...]
    ) -> "asyncio.Task[T]":
        if self._closed:
            raise Unreachable("the service is shutting down")
        for key in (*keys, *shared):
            if key in self._in_hand or (key in keys and self._shared[key]):
                raise Busy(f"an operation on volume {key} is in progress")

        async def run() -> T:
            return await work()

        def release(task: "asyncio.Task[T]") -> None:
            self._in_hand.difference_update(keys)
            self._shared -= Counter(shared)  # what comes to nothing goes
            self._tasks.discard(task)

        task = asyncio.create_task(run())
        self._in_hand.update(keys)
        self._shared.update(shared)
        self._tasks.add(task)
        # Not at the end of the coroutine: one that is cancelled before it began never gets there.
        task.add_done_callback(release)
        return task

    async def wait_idle(self, limit: float) -> bool:
        """Wait up to `limit` seconds for what is in hand now; return whether all of it ended."""
        tasks = set(self._tasks)
        if tasks:
            await asyncio.wait(tasks, timeout=limit)
        return all(task.done() for task in tasks)

    async def aclose(self, limit: float) -> None:
        """Refuse new work, wait up to `limit` seconds for what is in hand, and cancel what is left.

        Ends at most five seconds after the limit, whatever the work does.
        """
        self._closed = True
        try:
            await self.wait_idle(limit)
        finally:
            for task in self._tasks:
                task.cancel()
            if not await self.wait_idle(_CANCEL_LIMIT):
                log.error("work goes on after it was cancelled", count=len(self._tasks))


def _report_unheard(task: "asyncio.Task[Any]") -> None:
    if task.cancelled():
        log.warning("work was cut off at shut-down after its caller had left")
        return
    error = task.exception()
    if isinstance(error, RdsCsiError):
        log.warning("work failed after its caller had left", error=str(error), detail=error.detail)
    elif error is not None:
        log.error("work failed after its caller had left", exception=render_traceback(error))


@contextlib.asynccontextmanager
async def open_keyed_tasks(limit: float) -> AsyncIterator[KeyedTasks]:
    """Own the tasks; at the end they have `limit` seconds to finish."""
    tasks = KeyedTasks()
    try:
        yield tasks
    finally:
        await tasks.aclose(limit)
