"""A leader's time in office, and the work that must not outlast it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

from libs.kube.errors import NotLeader


class Term:
    """One time in office, from the moment that the Lease was won.

    Args:
        number: how often the Lease had gone from one holder to the next by then.
        check: raises where the process does not lead.
    """

    def __init__(self, number: int, check: Callable[[], None]) -> None:
        self.number = number
        self._check = check
        self._over = False
        self._working: set[asyncio.Task[object]] = set()
        self._cancelled: set[asyncio.Task[object]] = set()
        self._idle = asyncio.Event()
        self._idle.set()

    @property
    def is_over(self) -> bool:
        """Whether it has been ended."""
        return self._over

    @property
    def is_idle(self) -> bool:
        """Whether no work of it goes on."""
        return self._idle.is_set()

    def check(self) -> None:
        """Do nothing while it lasts. To be called before each action.

        Raises:
            NotLeader: it is over, or its time is although nobody has noticed yet.
        """
        if self._over:
            raise NotLeader("the term as leader is over")
        self._check()

    def end(self) -> None:
        """Cancel all work of it."""
        self._over = True
        for task in self._working - self._cancelled:
            self._cancelled.add(task)
            task.cancel()

    async def wait_idle(self, limit: float) -> bool:
        """Wait up to `limit` seconds until no work goes on any more."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), limit)
        return self.is_idle

    @contextlib.asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        """Do work of it in this task: it is cancelled when the term ends.

        Raises:
            NotLeader: at the end of the block, where it was cancelled by the end of the term.
        """
        task = asyncio.current_task()
        if task is None or task in self._working:
            raise NotLeader("work of a term has to be in a task, and once")
        self.check()
        cancelling = task.cancelling()
        self._working.add(task)
        self._idle.clear()
        try:
            yield
        except asyncio.CancelledError as error:
            # As in asyncio.timeout: a cancellation from elsewhere is more than the term's own.
            if self._take_back(task) and task.cancelling() <= cancelling:
                raise NotLeader("the term as leader is over") from error
            raise
        finally:
            self._take_back(task)
            self._working.discard(task)
            if not self._working:
                self._idle.set()

    def _take_back(self, task: asyncio.Task[object]) -> bool:
        """Take the term's own cancellation back; return whether there was one."""
        if task not in self._cancelled:
            return False
        self._cancelled.discard(task)
        task.uncancel()
        return True
