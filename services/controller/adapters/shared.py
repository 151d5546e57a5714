"""One reading for all who ask at the same time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Shared(Generic[T]):
    """Reads something for whoever asks, one reading at a time.

    An answer is never from a reading that had begun before its question: who asks while one is
    under way waits for the next, together with everybody else who does.
    """

    def __init__(self, read: Callable[[], Awaitable[T]]) -> None:
        self._read = read
        self._current: asyncio.Task[T] | None = None
        self._next: asyncio.Task[T] | None = None

    async def read(self) -> T:
        """Return what a reading that begins after this call says."""
        if self._next is None:
            self._next = asyncio.create_task(self._run(self._current))
            # Nobody may be left to hear of it.
            self._next.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._next)

    async def aclose(self) -> None:
        """Break off what is under way."""
        tasks = [task for task in (self._current, self._next) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, before: "asyncio.Task[T] | None") -> T:
        if before is not None:
            await asyncio.wait((before,))
        self._current, self._next = self._next, None
        return await self._read()
