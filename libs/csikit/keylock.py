"""Work on one key at a time, owned by the service and not by whoever asked for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeVar

import structlog

from libs.core.errors import Busy, RdsCsiError

log = structlog.get_logger(__name__)

T = TypeVar("T")


class KeyedTasks:
    """Runs changes, at most one per key. Made by `open_keyed_tasks`, which owns its tasks.

    A caller whose deadline passes goes away; the change it asked for does not, because its command
    may be on the device already. The key stays taken until the change has ended, so a retry is told
    that it is in hand instead of racing it.
    """

    def __init__(self) -> None:
        self._in_hand: set[str] = set()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        """Run `work` unless something is in hand for `key`, and return its result.

        Raises:
            Busy: something is; nothing was started.
        """
        if key in self._in_hand:
            raise Busy(f"an operation on volume {key} is in progress")
        self._in_hand.add(key)
        task = asyncio.ensure_future(self._work(key, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            task.add_done_callback(_report_unheard)
            raise

    async def _work(self, key: str, work: Callable[[], Awaitable[T]]) -> T:
        try:
            return await work()
        finally:
            self._in_hand.discard(key)

    async def aclose(self, limit: float) -> None:
        """Wait up to `limit` seconds for what is in hand, then cancel what is left."""
        if self._tasks:
            await asyncio.wait(set(self._tasks), timeout=limit)
        for task in set(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(set(self._tasks))


def _report_unheard(task: "asyncio.Task[Any]") -> None:
    if task.cancelled():
        log.warning("work was cut off at shut-down after its caller had left")
        return
    error = task.exception()
    if isinstance(error, RdsCsiError):
        log.warning("work failed after its caller had left", error=str(error), detail=error.detail)
    elif error is not None:
        log.error("work failed after its caller had left", exc_info=error)


@contextlib.asynccontextmanager
async def open_keyed_tasks(limit: float) -> AsyncIterator[KeyedTasks]:
    """Own the tasks; at the end they have `limit` seconds to finish."""
    tasks = KeyedTasks()
    try:
        yield tasks
    finally:
        await tasks.aclose(limit)
