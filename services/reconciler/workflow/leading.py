"""Passes for as long as the process leads, and looks while it does not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

import structlog

from libs.core.errors import RdsCsiError, Unreachable
from libs.kube.errors import NotLeader
from services.reconciler.ports import Clock, Cluster, Controller
from services.reconciler.workflow.act import Actor
from services.reconciler.workflow.herald import Herald
from services.reconciler.workflow.looking import Lookout
from services.reconciler.workflow.outlook import earliest
from services.reconciler.workflow.passes import Passes
from services.reconciler.workflow.recall import Recall
from services.reconciler.workflow.records import Observer, PassRecord, Trigger
from services.reconciler.workflow.tasks import end, forever
from services.reconciler.workflow.triggers import Cause, Reconnects, Triggers

log = structlog.get_logger(__name__)

_SHORTEST_SECONDS = 0.2
"""Between two passes."""

_LOOK_AGAIN_SECONDS = 10.0
"""After a look of one who does not lead that failed."""

_SAVE_AGAIN_SECONDS = 1.0

_LISTINGS_APART = 9
"""Between two full passes for what falls due: so many times as long as a listing takes.

Many things may fall due one after the other, and the devices have other work.
"""

_FULL = frozenset({Trigger.START, Trigger.RECONNECT})
"""After these also the devices are listed anew."""


class Election(Protocol):
    """Who leads; `libs.kube.lease.Election`."""

    @property
    def is_leading(self) -> bool:
        """Whether this process may act at this moment."""

    def term(self) -> AbstractAsyncContextManager[object]:
        """Wait until this process leads; the block is cancelled when it does not any more."""


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds between two full passes, and between two saves of what is waited for."""

    interval: float
    touch: float


@dataclass(frozen=True, slots=True)
class Works:
    """What leading is made of."""

    election: Election
    passes: Passes
    actor: Actor
    lookout: Lookout
    recall: Recall
    controller: Controller
    cluster: Cluster
    clock: Clock
    observer: Observer
    triggers: Triggers
    herald: Herald
    times_reached: Callable[[], int]
    """How often the controller was reached, after it had not been."""


class Leading:
    """Runs passes. See `open_leading`."""

    def __init__(self, works: Works, times: Times) -> None:
        self._works = works
        self._times = times
        self._full = Triggers(works.clock)
        self._asked: list[asyncio.Future[PassRecord]] = []
        """Of those who want a pass, and wait for it."""
        self._is_listing = False
        self._not_before = 0.0
        """When a full pass may be run for what falls due."""
        self.next_full: float | None = None

    # Asking

    async def ask(self) -> PassRecord:
        """Have a full pass run now; return it when it is over.

        Raises:
            Unreachable: this process does not lead any more.
        """
        if not self._works.election.is_leading:
            raise NotLeader("this process does not lead")
        done: asyncio.Future[PassRecord] = asyncio.get_running_loop().create_future()
        self._asked.append(done)
        self._full.put(Trigger.REQUEST)
        try:
            return await done
        finally:
            self._asked.remove(done)

    async def rehearse(self) -> PassRecord:
        """Say what a pass would do now.

        Raises:
            RdsCsiError: what is remembered cannot be read.
        """
        began = self._works.clock.now()
        survey = await self._works.lookout.survey()
        return await self._works.passes.rehearse(Trigger.REQUEST, survey, began)

    def nudge(self) -> None:
        """Have a full pass run soon: somebody decided something."""
        self._full.put(Trigger.REQUEST)

    # Tasks

    async def run(self) -> None:
        """Lead whenever this process may, and look while it may not; for ever."""
        async with asyncio.TaskGroup() as group:
            group.create_task(forever("events", self._follow_changes))
            group.create_task(forever("connections", self._follow_connections))
            group.create_task(forever("passes", self._campaign))

    async def _campaign(self) -> None:
        looking = asyncio.create_task(forever("look", self._look))
        try:
            async with self._works.election.term():
                await end(looking)
                await self._lead()
        except NotLeader:
            log.info("passes end: another one leads, or nobody")
        finally:
            await end(looking)

    async def _look(self) -> None:
        works = self._works
        began = works.clock.now()
        pause = self._times.interval
        try:
            survey = await works.lookout.survey()
            await works.passes.look(survey, began)
        except RdsCsiError as error:
            log.warning("cannot look", reason=error.message, detail=error.detail)
            pause = min(pause, _LOOK_AGAIN_SECONDS)
        await asyncio.sleep(pause)

    async def _lead(self) -> None:
        works = self._works
        works.recall.forget()  # the one before may have changed it
        works.passes.outlook.forget()
        works.triggers.begin(Trigger.START)
        await works.herald.begin()
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._run_quick())
                group.create_task(self._run_full())
        except* NotLeader as group_error:
            raise NotLeader("this process does not lead any more") from group_error
        finally:
            # First what takes no time: nobody may rest on it while the actions end.
            works.recall.forget()
            self.next_full = None
            self._refuse_asked()
            try:
                await works.actor.aclose()
            finally:
                works.herald.end()

    def _refuse_asked(self) -> None:
        for done in self._asked:
            if not done.done():
                done.set_exception(Unreachable("this process does not lead any more"))

    async def _run_quick(self) -> None:
        works = self._works
        while True:
            cause = await works.triggers.take(earliest(self._wake_at(), self._touch_at()))
            began = works.clock.now()
            if _has_come(self._full_at(), began):
                self._full.put(Trigger.TIMER)
            if cause is None and not _has_come(works.passes.outlook.quick.at, began):
                if _has_come(self._touch_at(), began):
                    await self._touch()
                continue
            if cause is not None:
                works.observer.reacted(began - cause.since)
            trigger = _trigger_of(cause)
            await works.passes.run(trigger, None, began)
            if trigger in _FULL:
                self._full.put(trigger)
            await asyncio.sleep(_SHORTEST_SECONDS)

    def _wake_at(self) -> float | None:
        """Return when something falls due; None for never."""
        return earliest(self._works.passes.outlook.quick.at, self._full_at())

    def _full_at(self) -> float | None:
        """Return when something falls due that takes a full pass, unless one comes anyway."""
        at = self._works.passes.outlook.full.at
        if at is None or self._is_listing or self._full.waiting is not None:
            return None
        return max(at, self._not_before)

    def _touch_at(self) -> float | None:
        """Return when what is waited for is to be saved; None where nothing is."""
        outlook = self._works.passes.outlook
        due = earliest(outlook.quick.due, outlook.full.due)
        if due is None:
            return None
        # So that the next leader knows how much has passed; of hours, minutes do not matter.
        waits = max(self._times.touch, (due - self._works.clock.now()) / 10)
        return self._works.recall.saved_at + waits

    async def _touch(self) -> None:
        try:
            await self._works.recall.touch()
        except NotLeader:
            raise
        except RdsCsiError as error:
            log.warning("memory not saved", reason=error.message, detail=error.detail)
            await asyncio.sleep(_SAVE_AGAIN_SECONDS)

    async def _run_full(self) -> None:
        works, is_first = self._works, True
        while True:
            cause = await self._full.take(None if is_first else self.next_full)
            is_first = False
            self._is_listing = True
            try:
                await self._run_one_full(_trigger_of(cause))
            finally:
                self._is_listing = False
                works.triggers.rouse()  # what it has seen may fall due sooner
            await asyncio.sleep(_SHORTEST_SECONDS)

    async def _run_one_full(self, trigger: Trigger) -> None:
        works, asked = self._works, list(self._asked)
        began = works.clock.now()
        self.next_full = began + self._times.interval
        survey = await works.lookout.survey()
        listed = works.clock.now()
        self._not_before = listed + _LISTINGS_APART * (listed - began)
        record = await works.passes.run(trigger, survey, began)
        for done in asked:
            if not done.done():
                done.set_result(record)

    # Events

    async def _follow_changes(self) -> None:
        async for what in self._works.cluster.changes():
            self._note(Trigger.NODE if what == "node" else Trigger.ATTACHMENT)

    async def _follow_connections(self) -> None:
        reconnects, before = Reconnects(), 0
        async for links in self._works.controller.watch_connections():
            times = self._works.times_reached()
            if reconnects.has_come_back(links) or times != before:
                self._note(Trigger.RECONNECT)
            before = times
            await self._works.herald.links(links, leads=self._works.election.is_leading)

    def _note(self, trigger: Trigger) -> None:
        # Who begins to lead looks at everything anyway.
        if self._works.election.is_leading:
            self._works.triggers.put(trigger)


def _trigger_of(cause: Cause | None) -> Trigger:
    return cause.trigger if cause else Trigger.TIMER


def _has_come(at: float | None, now: float) -> bool:
    return at is not None and now >= at


@contextlib.asynccontextmanager
async def open_leading(works: Works, times: Times) -> AsyncIterator[Leading]:
    """Run passes until the block ends."""
    leading = Leading(works, times)
    task = asyncio.create_task(leading.run())
    try:
        yield leading
    finally:
        await end(task)
