"""A pass: look, decide, remember, act, and look again until nothing is left to do at once."""

import asyncio
import logging
from dataclasses import dataclass

import structlog

from libs.core.errors import InUse, RdsCsiError
from libs.kube.errors import NotLeader
from services.reconciler.findings import Action, ActionKind, Decision
from services.reconciler.inventory import Seen
from services.reconciler.memory import Memory
from services.reconciler.ports import Clock
from services.reconciler.workflow.act import Actor
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.board import Board
from services.reconciler.workflow.ending import Left, conclude, held_by, is_sound, left_by
from services.reconciler.workflow.herald import Herald
from services.reconciler.workflow.looking import Lookout
from services.reconciler.workflow.outlook import Outlook
from services.reconciler.workflow.recall import Recall
from services.reconciler.workflow.records import (
    Observer,
    Outcome,
    OutcomeState,
    PassRecord,
    PassResult,
    Trigger,
)

log = structlog.get_logger(__name__)

_MOST_ROUNDS = 6
"""Looks in one pass: being rid of an attachment takes four, and what fails is for later passes."""

_PATIENCE_SECONDS = 3.0
"""How long a look waits for the actions of the one before; those that take longer go on."""

_HURRIED = frozenset({Trigger.START, Trigger.RECONNECT, Trigger.REQUEST})
"""For these, what failed is tried again at once: what it failed for may be over, or a person asks.
"""

_ILL = frozenset({PassResult.FAILED, PassResult.STOPPED})
"""Results that the log warns of."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What passes are made of."""

    lookout: Lookout
    recall: Recall
    board: Board
    backoff: Backoff
    actor: Actor
    clock: Clock
    observer: Observer
    herald: Herald


class Passes:
    """Runs passes, one at a time."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._lock = asyncio.Lock()
        self._number = 0
        self._acted_at = 0.0
        self.last: PassRecord | None = None
        self.current: PassRecord | None = None
        self.outlook = Outlook(parts.backoff, parts.actor.keys)

    # As the leader

    async def run(self, trigger: Trigger, survey: Seen | None, began: float) -> PassRecord:
        """Run a pass that acts.

        Args:
            trigger: what it is for.
            survey: everything, where the devices were listed; None for a quick pass.
            began: when it began, or the survey did.

        Raises:
            NotLeader: this process does not lead any more.
        """
        async with self._lock:
            record = self._begin(trigger, began)
            record.is_full = survey is not None
            if trigger in _HURRIED:
                self._parts.backoff.hurry(began)
            try:
                if survey is not None and self._acted_at >= began:
                    survey = await self._parts.lookout.refresh(survey)
                await self._rounds(record, survey)
            except NotLeader:
                self._end(record, PassResult.FAILED, "this process does not lead any more")
                raise
            except RdsCsiError as error:
                self.outlook.failed(self._parts.clock.now(), is_full=record.is_full)
                self._end(record, PassResult.FAILED, _words(error))
            except asyncio.CancelledError:
                self._end(record, PassResult.FAILED, "it was broken off")
                raise
            return record

    async def _rounds(self, record: PassRecord, survey: Seen | None) -> None:
        parts = self._parts
        first = None  # the one in which everything was looked at: the pass is told by it
        left, undone = Left(), list[Action]()
        for _ in range(_MOST_ROUNDS):
            seen, is_full = survey or await parts.lookout.glance(), survey is not None
            survey = None
            decision = await self._decide(seen)
            await parts.herald.looked(seen.attachments)
            first = first or decision
            known = {_what(action) for action in undone}
            record.planned += sum(_what(action) not in known for action in decision.actions)
            outcomes = await self._act(record, decision, is_full=is_full)
            done = {_what(o.action) for o in outcomes if o.state is OutcomeState.DONE}
            undone = [action for action in decision.actions if _what(action) not in done]
            left = left_by(decision, undone, parts.backoff, parts.actor.keys)
            if outcomes:
                await self._show(decision)
            if not done:
                break
        if first is not None:
            self._conclude(record, first, left)

    async def _decide(self, seen: Seen) -> Decision:
        """Decide, and remember what was decided, before anything is done about it."""
        parts = self._parts
        while True:
            memory = await parts.recall.read()
            decision = await parts.lookout.judge(seen, memory)
            try:
                if await parts.recall.replace(memory, decision.memory):
                    break
            except InUse:
                log.warning("memory changed by somebody else; deciding anew")
        await parts.herald.found(decision.found)
        return decision

    async def _act(self, record: PassRecord, decision: Decision, *, is_full: bool) -> list[Outcome]:
        parts = self._parts
        self.outlook.decided(decision, is_full=is_full)
        await self._show(decision)
        record.findings = max(record.findings, len(decision.findings))
        findings = {finding.id: finding for finding in decision.findings}
        outcomes = await parts.actor.perform(decision.actions, findings, _PATIENCE_SECONDS)
        record.outcomes += outcomes
        if decision.actions:
            self._acted_at = parts.clock.now()
        self.outlook.acted(decision, outcomes, parts.clock.now(), is_full=is_full)
        return outcomes

    async def _show(self, decision: Decision) -> None:
        parts = self._parts
        now = parts.clock.now()
        unjudged = decision.memory.first_seen
        await parts.board.publish(decision.findings, parts.backoff, now, unjudged)

    def _conclude(self, record: PassRecord, decision: Decision, left: Left | None = None) -> None:
        left = left or Left(held=held_by(decision))
        result, message = conclude(record, decision, left)
        record.is_sound = is_sound(record, decision, left)
        self._end(record, result, message)

    # Only looking

    async def rehearse(self, trigger: Trigger, survey: Seen, began: float) -> PassRecord:
        """Run a pass that changes nothing, and say what it would do.

        Raises:
            RdsCsiError: what is remembered cannot be read.
        """
        memory = await self._memory()
        decision = await self._parts.lookout.judge(survey, memory)
        self._number += 1
        record = PassRecord(self._number, trigger, began, dry_run=True)
        record.findings = len(decision.findings)
        record.planned = len(decision.actions)
        record.outcomes = [Outcome(action, None) for action in decision.actions]
        left = Left(held=held_by(decision))
        record.result, record.message = conclude(record, decision, left)
        record.ended_at = self._parts.clock.now()
        return record

    async def look(self, survey: Seen, began: float) -> None:
        """Show what is wrong, as somebody who does not lead.

        Raises:
            RdsCsiError: what is remembered cannot be read.
        """
        async with self._lock:
            record = self._begin(Trigger.TIMER, began, dry_run=True)
            try:
                decision = await self._parts.lookout.judge(survey, await self._memory())
                record.findings = len(decision.findings)
                await self._show(decision)
                self._conclude(record, decision)
            except asyncio.CancelledError:
                self.current = None  # as when this process begins to lead: nothing is amiss
                raise
            except Exception as error:
                self._end(record, PassResult.FAILED, _words(error))
                raise

    async def _memory(self) -> Memory:
        recall = self._parts.recall
        return recall.known if recall.known is not None else await recall.look()

    # Records

    def _begin(self, trigger: Trigger, began: float, *, dry_run: bool = False) -> PassRecord:
        self._number += 1
        self.current = PassRecord(self._number, trigger, began, dry_run=dry_run)
        return self.current

    def _end(self, record: PassRecord, result: PassResult, message: str) -> None:
        record.ended_at = self._parts.clock.now()
        record.result, record.message = result, message
        self.last, self.current = record, None
        seconds = record.ended_at - record.started_at
        self._parts.observer.passed(record, seconds)
        log.log(
            logging.WARNING if result in _ILL else logging.INFO,
            "pass",
            number=record.number,
            trigger=record.trigger.value,
            dry_run=record.dry_run,
            result=result.value,
            message=message,
            findings=record.findings,
            planned=record.planned,
            done=record.done,
            failed=record.failed,
            ms=round(seconds * 1000),
        )


def _what(action: Action) -> tuple[ActionKind, str]:
    """Return what tells an action from others, in whichever look it was decided."""
    return action.kind, action.key


def _words(error: Exception) -> str:
    if not isinstance(error, RdsCsiError):
        return f"internal error ({type(error).__name__})"
    return f"{error.message} ({error.detail})" if error.detail else error.message
