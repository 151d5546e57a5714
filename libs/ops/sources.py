"""What a scrape has to ask of somebody who may be slow: asked seldom, and never waited for long."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)


class Source:
    """Something that is read anew before a scrape, at most one reading at a time.

    Args:
        collect: reads it.
        cache_seconds: how long what was read is good enough.
        timeout_seconds: how long a scrape waits; the reading goes on, for the next one.
        clock: seconds, steadily growing.
    """

    def __init__(
        self,
        collect: Callable[[], Awaitable[None]],
        cache_seconds: float,
        timeout_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._collect = collect
        self._cache = cache_seconds
        self._timeout = timeout_seconds
        self._clock = clock
        self._read_at: float | None = None
        self._task: asyncio.Task[None] | None = None

    async def refresh(self) -> None:
        """Have it read unless that was done just now; return when it is, or time is up."""
        if self._task is None:
            if self._read_at is not None and self._clock() - self._read_at < self._cache:
                return
            self._task = asyncio.create_task(self._run())
        await asyncio.wait((self._task,), timeout=self._timeout)

    async def _run(self) -> None:
        try:
            await self._collect()
        except Exception:
            log.exception("not collected")
        finally:
            self._read_at = self._clock()
            self._task = None

    async def aclose(self) -> None:
        """End a reading that is under way."""
        task = self._task
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
