"""Doing what was decided: each action by itself, and only while what it rests on still holds."""

import asyncio
import logging
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from weakref import WeakValueDictionary

import structlog

from libs.core.errors import InUse, NotFound, OutcomeUnknown, RdsCsiError
from libs.kube.errors import NotLeader
from services.reconciler.findings import Action, ActionKind, Finding
from services.reconciler.memory import Memory
from services.reconciler.plan.approvals import given_back, objection, used
from services.reconciler.ports import Clock, Cluster, Controller
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.herald import Herald
from services.reconciler.workflow.recall import Recall
from services.reconciler.workflow.records import Observer, Outcome, OutcomeState

log = structlog.get_logger(__name__)


class _Dropped(Exception):
    """What an action rests on is not so any more."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


_IN_CLUSTER = frozenset({ActionKind.DELETE_ATTACHMENT, ActionKind.REMOVE_FINALIZER})


@dataclass(frozen=True, slots=True)
class Hands:
    """What actions are done with.

    Attributes:
        controller: changes devices, and takes attachments back.
        cluster: changes objects.
        recall: what is remembered.
        backoff: what failed lately.
        clock: the time.
        observer: is told of each.
        herald: is told of those that were done.
        check: raises where this process does not lead.
    """

    controller: Controller
    cluster: Cluster
    recall: Recall
    backoff: Backoff
    clock: Clock
    observer: Observer
    herald: Herald
    check: Callable[[], None]


class Actor:
    """Does actions: several at once, but only one for each object, and for each volume.

    Args:
        hands: what they are done with.
        at_once: how many go on at once on each device, and in the cluster.
        on_late: called when one ends that nobody waits for any more.
    """

    def __init__(self, hands: Hands, at_once: int, on_late: Callable[[], None]) -> None:
        self._hands = hands
        self._at_once = at_once
        self._on_late = on_late
        self._places: dict[str, asyncio.Semaphore] = {}
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._tasks: dict[str, asyncio.Task[Outcome]] = {}

    @property
    def keys(self) -> Collection[str]:
        """Of the objects to which something is being done."""
        return self._tasks.keys()

    async def perform(
        self, actions: Iterable[Action], findings: Mapping[str, Finding], patience: float
    ) -> list[Outcome]:
        """Do actions; return what came of those that ended within `patience` seconds.

        One that takes longer, as on a device that does not answer, does not hold up the others; it
        goes on, and nothing else is done to its object meanwhile.
        """
        now = self._hands.clock.now()
        fresh: list[asyncio.Task[Outcome]] = []
        for action in actions:
            if action.key in self._tasks or self._hands.backoff.waits(action.key, now):
                continue
            task = asyncio.create_task(self._run(action, findings[action.finding_id]))
            self._tasks[action.key] = task
            fresh.append(task)
        if not fresh:
            return []
        done, late = await asyncio.wait(fresh, timeout=patience)
        for task in late:
            task.add_done_callback(lambda _: self._on_late())
        return [task.result() for task in fresh if task in done]

    async def aclose(self) -> None:
        """Break off what is under way. What was asked of others may happen still."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, action: Action, finding: Finding) -> Outcome:
        try:
            async with self._turn(action), self._place(action):
                outcome = await self._try(action, finding)
            await self._report(outcome, finding)
            return outcome
        finally:
            self._tasks.pop(action.key, None)

    def _turn(self, action: Action) -> asyncio.Lock:
        """Return what an action waits for: the controller refuses two at once for one volume."""
        volume = "" if action.kind in _IN_CLUSTER else action.subject.volume_id
        return self._turns.setdefault(volume or action.key, asyncio.Lock())

    def _place(self, action: Action) -> asyncio.Semaphore:
        where = "the cluster"
        if action.kind not in _IN_CLUSTER:
            where = action.subject.device or action.subject.volume_id.partition("@")[2]
        return self._places.setdefault(where, asyncio.Semaphore(self._at_once))

    async def _try(self, action: Action, finding: Finding) -> Outcome:
        hands = self._hands
        try:
            if why := await self._why_not(action, finding):
                return Outcome(action, OutcomeState.DROPPED, why)
            hands.check()  # nothing may wait between this and the request
            await self._do(action, finding)
        except (NotLeader, _Dropped) as error:
            return Outcome(action, OutcomeState.DROPPED, error.message)
        except RdsCsiError as error:
            return self._failed(action, error)
        except Exception as error:  # a bug must not stop the other actions
            log.exception("action failed", action=action.kind.value, object=action.key)
            hands.backoff.fail(action.key, "internal error", hands.clock.now())
            return Outcome(action, OutcomeState.FAILED, f"internal error ({type(error).__name__})")
        hands.backoff.succeed(action.key)
        return Outcome(action, OutcomeState.DONE)

    async def _why_not(self, action: Action, finding: Finding) -> str:
        """Return why an action must not be done now, read anew; empty where it may be."""
        hands = self._hands
        if action.guard is not None:
            node = await hands.cluster.node(action.guard.node)
            if not action.guard.holds(node):
                return f"node {action.guard.node} is not any more as it was seen"
        memory = hands.recall.known
        if memory is None:
            return "what people have decided is not known"
        return objection(memory, finding, hands.clock.now())

    def _failed(self, action: Action, error: RdsCsiError) -> Outcome:
        if action.kind in _IN_CLUSTER and isinstance(error, NotFound):
            self._hands.backoff.succeed(action.key)
            return Outcome(action, OutcomeState.DONE)
        if action.kind in _IN_CLUSTER and isinstance(error, InUse):
            return Outcome(action, OutcomeState.DROPPED, error.message)
        words = f"{error.message} ({error.detail})" if error.detail else error.message
        self._hands.backoff.fail(action.key, words, self._hands.clock.now())
        return Outcome(action, OutcomeState.FAILED, error.message)

    async def _do(self, action: Action, finding: Finding) -> None:
        controller, cluster = self._hands.controller, self._hands.cluster
        match action.kind:
            case ActionKind.FENCE:
                await controller.fence(action)
            case ActionKind.UNFENCE:
                await controller.unfence(action)
            case ActionKind.DETACH:
                await controller.detach(action)
            case ActionKind.DELETE_ATTACHMENT:
                await cluster.delete_attachment(action)
            case ActionKind.REMOVE_FINALIZER:
                await cluster.remove_finalizer(action)
            case ActionKind.DELETE_ORPHAN:
                await self._delete_orphan(action, finding)

    async def _delete_orphan(self, action: Action, finding: Finding) -> None:
        """Remove an orphan, once: what this rests on is used up before it is asked for.

        So nobody asks for it a second time, whichever leader comes next and whatever it can read.
        """
        hands, at = self._hands, self._hands.clock.now()

        def use(memory: Memory) -> Memory:
            if why := objection(memory, finding, hands.clock.now()):
                raise _Dropped(why)
            return used(memory, finding, at)

        await hands.recall.change(use)
        hands.check()  # nothing may wait between this and the request
        try:
            await hands.controller.delete_orphan(action)
        except OutcomeUnknown as error:
            if finding.orphan and finding.orphan.decision:
                words = f"{error.message}; where it is there still, it has to be approved again"
                raise OutcomeUnknown(words, detail=error.detail) from error
            raise
        except RdsCsiError:
            await self._give_back(finding, at)
            raise

    async def _give_back(self, finding: Finding, at: float) -> None:
        try:
            await self._hands.recall.change(lambda memory: given_back(memory, finding, at))
        except RdsCsiError as error:
            log.warning("approval not given back", reason=error.message, detail=error.detail)

    async def _report(self, outcome: Outcome, finding: Finding) -> None:
        action, hands = outcome.action, self._hands
        hands.observer.acted(outcome)
        if outcome.state is OutcomeState.DONE:
            hands.herald.acted(action, finding)
        failure = hands.backoff.of(action.key)
        failed = outcome.state is OutcomeState.FAILED
        log.log(
            _LEVELS[outcome.state or OutcomeState.DONE],
            "action",
            action=action.kind.value,
            outcome=outcome.state.value if outcome.state else "",
            object=action.key,
            volume=action.subject.volume_id,
            node=action.subject.node,
            finding=action.finding_id,
            reason=action.reason,
            **({"error": outcome.error} if outcome.error else {}),
            **({"failures": failure.count} if failed and failure else {}),
        )
        if outcome.state is not OutcomeState.DROPPED:
            await hands.cluster.tell(finding, action, outcome.error)


_LEVELS = {
    OutcomeState.DONE: logging.INFO,
    OutcomeState.DROPPED: logging.INFO,
    OutcomeState.FAILED: logging.WARNING,
}
