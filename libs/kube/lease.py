"""Leader election with a Lease: one process leads, and its work ends before another one's begins.

What is decided is in `leasing`; here are the requests, the clock, and the tasks.
"""

import asyncio
import contextlib
import random
import time
from collections.abc import AsyncIterator, Callable

import structlog

from libs.core.errors import Unreachable
from libs.kube.client import KubeClient
from libs.kube.errors import NotLeader, ObjectChanged, ObjectExists, ObjectMissing
from libs.kube.leasing import (
    Create,
    Lease,
    LeaseOptions,
    Look,
    Renew,
    Standing,
    Take,
    Wait,
    doubt,
    held,
    lose,
    plan,
    read_lease,
    released,
    render_change,
    render_new,
    see,
    win,
)
from libs.kube.terms import Term

log = structlog.get_logger(__name__)

_LONGEST_SLEEP = 1.0
"""Seconds after which a clock that jumped, as after a suspension, is noticed at the latest."""

_RELEASE_SECONDS = 2.0
"""How long the end may take to give the Lease back."""


def boot_time() -> float:
    """Return seconds that only grow, and that count while the machine is suspended (Linux)."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Election:
    """Takes part in an election. `open_election` is the way in.

    Args:
        kube: the API.
        options: which Lease, and who asks for it.
        clock: seconds that only grow, also while the process is stopped.
        wall: seconds since 1970, for what people read in the Lease.
    """

    def __init__(
        self,
        kube: KubeClient,
        options: LeaseOptions,
        *,
        clock: Callable[[], float] = boot_time,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._kube = kube
        self._options = options
        self._clock = clock
        self._wall = wall
        self._standing = Standing()
        self._term: Term | None = None
        self._changed = asyncio.Condition()
        self._complaint = ""
        self._has_asked = False  # whether the Lease may be ours

    @property
    def identity(self) -> str:
        """Who this is."""
        return self._options.identity

    @property
    def holder(self) -> str:
        """Who has the Lease, as far as is known; empty for nobody."""
        return self._standing.lease.holder if self._standing.lease else ""

    @property
    def transitions(self) -> int:
        """How often the Lease has gone from one holder to the next, as far as is known."""
        return self._standing.lease.transitions if self._standing.lease else 0

    @property
    def is_leading(self) -> bool:
        """Whether this process may act as the leader, at this moment."""
        return self._term is not None and self._standing.may_act(self._clock())

    def check(self) -> None:
        """Do nothing for the leader. To be called before each action.

        Raises:
            NotLeader: this process does not lead, or its time is over although it did not notice.
        """
        if not self.is_leading:
            raise NotLeader("this process does not lead at the moment")

    @contextlib.asynccontextmanager
    async def term(self) -> AsyncIterator[Term]:
        """Wait until this process leads; the block is cancelled when it does not any more.

        Raises:
            NotLeader: at the end of the block, where it was cancelled for that reason.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self.is_leading)
            term = self._term
        if term is None:
            raise NotLeader("this process does not lead at the moment")
        async with term.working():
            yield term

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Take part until the block ends, and then give the Lease back."""
        tasks = [asyncio.create_task(self._campaign()), asyncio.create_task(self._guard())]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._leave()

    # Tasks

    async def _campaign(self) -> None:
        while True:
            pause = await self._turn()
            await asyncio.sleep(pause)

    async def _turn(self) -> float:
        """Look, take or renew; return after how many seconds to do so again."""
        retry = self._options.retry
        try:
            async with asyncio.timeout(self._options.deadline / 2):
                wait = await self._step()
        except (ObjectChanged, ObjectExists, ObjectMissing):
            self._standing = doubt(self._standing)  # somebody was faster: look who
            wait = retry / 10
        except (Unreachable, TimeoutError) as error:
            self._standing = doubt(self._standing)
            self._complain(getattr(error, "message", "") or "the Kubernetes API does not answer")
            wait = retry
        except Exception:  # a bug must not end the election unnoticed
            self._standing = doubt(self._standing)
            log.exception("election failed", lease=self._options.path)
            wait = retry
        spread = random.uniform(0.8, 1.2)  # noqa: S311 (to spread load)
        return max(min(wait, retry), retry / 20) * spread

    async def _step(self) -> float:
        step = plan(self._standing, self._clock(), self._options)
        if isinstance(step, Look | Wait):
            await self._look()
            step = plan(self._standing, self._clock(), self._options)
        if isinstance(step, Wait):
            return step.seconds
        if self._is_still_working:
            # Whoever does not stop must not have a second term beside the first; others may.
            self._complain("the work of the last term goes on")
        elif isinstance(step, Create):
            await self._write(None)
        elif isinstance(step, Renew | Take):
            await self._write(step.lease)
        return self._options.retry

    @property
    def _is_still_working(self) -> bool:
        return self._term is not None and self._term.is_over and not self._term.is_idle

    async def _look(self) -> None:
        item = await self._kube.get(self._options.path)
        lease = read_lease(item) if item is not None else None
        self._standing = see(self._standing, lease, self._clock(), self._options)
        if not self._standing.may_act(self._clock()):
            self._end_term("the Lease was lost")

    async def _write(self, old: Lease | None) -> None:
        sent = self._clock()
        self._has_asked = True
        self._standing = doubt(self._standing)  # until there is an answer
        lease = held(old, self._options, self._wall())
        if old is None:
            item = await self._kube.create(
                self._options.collection, render_new(lease, self._options)
            )
        else:
            item = await self._kube.patch(self._options.path, render_change(lease))
        self._standing = win(self._standing, read_lease(item), sent, self._options)
        if not self._standing.may_act(self._clock()):
            return  # the answer took too long: what was won is over
        self._complaint = ""
        if self._term is None or self._term.is_over:
            await self._begin_term()

    async def _guard(self) -> None:
        """End a term in time, whatever requests are under way."""
        while True:
            now = self._clock()
            if self._term is not None and not self._term.is_over and not self.is_leading:
                self._end_term("the Lease could not be renewed in time")
            left = self._standing.until - now
            if left <= 0:
                left = self._options.retry / 4
            await asyncio.sleep(min(left, _LONGEST_SLEEP))

    # Terms

    async def _begin_term(self) -> None:
        async with self._changed:
            self._term = Term(self.transitions, self.check)
            self._changed.notify_all()
        log.info("leading", lease=self._options.path, identity=self.identity)

    def _end_term(self, why: str) -> None:
        term = self._term
        if term is None or term.is_over:
            return
        self._standing = lose(self._standing)
        term.end()
        log.warning("not leading any more", lease=self._options.path, reason=why)

    async def _leave(self) -> None:
        """End the work, and give the Lease back if all of it has ended in time."""
        if self._term is not None:
            left = self._standing.until - self._clock()
            self._term.end()
            if not await self._term.wait_idle(max(left, 0.0)):
                log.error("work goes on after its term", lease=self._options.path)
                return
        self._standing = lose(self._standing)
        try:
            async with asyncio.timeout(_RELEASE_SECONDS):
                await self._release()
        except (Unreachable, TimeoutError) as error:
            log.warning("Lease not given back", lease=self._options.path, reason=repr(error))

    async def _release(self) -> None:
        lease = self._standing.lease
        if not self._standing.is_known and self._has_asked:
            # A request was broken off: it may have got through.
            item = await self._kube.get(self._options.path)
            lease = read_lease(item) if item is not None else None
        if lease is not None and lease.holder == self.identity:
            change = render_change(released(lease, self._wall()))
            await self._kube.patch(self._options.path, change)

    def _complain(self, text: str) -> None:
        if text != self._complaint:
            log.warning("election", lease=self._options.path, reason=text)
        self._complaint = text


@contextlib.asynccontextmanager
async def open_election(
    kube: KubeClient,
    options: LeaseOptions,
    *,
    clock: Callable[[], float] = boot_time,
    wall: Callable[[], float] = time.time,
) -> AsyncIterator[Election]:
    """Take part in an election until the block ends. An API that is away is not an error here.

    Args:
        kube: the API.
        options: which Lease, and who asks for it.
        clock: seconds that only grow, also while the process is stopped.
        wall: seconds since 1970, for what people read in the Lease.
    """
    election = Election(kube, options, clock=clock, wall=wall)
    async with election.running():
        yield election
