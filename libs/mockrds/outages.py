"""What takes a simulated device away for a time: one outage at a time, with an owner."""

import asyncio
import contextlib
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field

import structlog

log = structlog.get_logger(__name__)


@dataclass
class Outages:
    """Runs outages, each a block that is entered at once and left when its time is over."""

    _task: "asyncio.Task[None] | None" = None
    _over: asyncio.Event = field(default_factory=asyncio.Event)
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_on(self) -> bool:
        """Whether there is one."""
        return self._task is not None and not self._task.done()

    async def begin(self, outage: AbstractAsyncContextManager[None], seconds: float | None) -> None:
        """End the outage that there is, and begin another; it has begun when this returns.

        Args:
            outage: the block.
            seconds: how long it is to last; until `end` where it is None.

        Raises:
            RdsCsiError: it cannot begin.
        """
        async with self._turn:
            await self._end()
            self._over = asyncio.Event()
            begun = asyncio.Event()
            waiting = asyncio.ensure_future(begun.wait())
            task = self._task = asyncio.ensure_future(self._run(outage, seconds, begun))
            try:
                await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if not begun.is_set():
                self._task = None
                await task

    async def wait(self) -> None:
        """Wait until the outage is over, however it ended."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def end(self) -> None:
        """Let the outage be over now."""
        async with self._turn:
            await self._end()

    async def _end(self) -> None:
        self._over.set()
        task, self._task = self._task, None
        if task is not None:
            await asyncio.wait({task})

    async def _run(
        self,
        outage: AbstractAsyncContextManager[None],
        seconds: float | None,
        begun: asyncio.Event,
    ) -> None:
        try:
            async with outage:
                begun.set()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self._over.wait()
        except Exception:
            if not begun.is_set():
                raise
            log.exception("the device did not come back whole")
