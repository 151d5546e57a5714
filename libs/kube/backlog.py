"""Work that nobody waits for: done one after the other, and dropped where it is too much."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")

_SAY_SECONDS = 60.0
"""How often it is said that something is dropped."""

_LAST_SECONDS = 2.0
"""How long the end waits for what has not been done yet."""


class Backlog(Generic[T]):
    """What waits to be done; one more than it may hold drives out the oldest. See `open_backlog`.

    Args:
        name: what waits in it, for the log.
        most: how much may wait.
        clock: seconds that only grow.
    """

    def __init__(self, name: str, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._most = most
        self._clock = clock
        self._waiting: deque[T] = deque()
        self._changed = asyncio.Event()
        self._ending = False
        self._dropped = 0
        self._said = float("-inf")

    def put(self, item: T) -> None:
        """Have it done, some time; never waits and never fails."""
        if self._ending:
            return
        if len(self._waiting) >= self._most:
            self._waiting.popleft()
            self._dropped += 1
        self._waiting.append(item)
        self._changed.set()
        self._say_dropped()

    def _say_dropped(self) -> None:
        now = self._clock()
        if self._dropped and now - self._said >= _SAY_SECONDS:
            log.warning("dropped: they come faster than they go", what=self._name, n=self._dropped)
            self._dropped, self._said = 0, now

    def end(self) -> None:
        """Take no more; `run` returns when all that waits is done."""
        self._ending = True
        self._changed.set()

    async def run(self, do: Callable[[T], Awaitable[None]]) -> None:
        """Do what waits, until the end."""
        while self._waiting or not self._ending:
            if not self._waiting:
                self._changed.clear()
                await self._changed.wait()
                continue
            item = self._waiting.popleft()
            try:
                await do(item)
            except Exception:  # the next one must not be lost with this one
                log.exception("not done", what=self._name)
            self._say_dropped()


@contextlib.asynccontextmanager
async def open_backlog(
    backlog: Backlog[T], do: Callable[[T], Awaitable[None]]
) -> AsyncIterator[None]:
    """Own the task that does what waits. Its end gives the rest a moment to be done."""
    task = asyncio.create_task(backlog.run(do))
    try:
        yield
    finally:
        backlog.end()
        try:
            await asyncio.wait((task,), timeout=_LAST_SECONDS)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
