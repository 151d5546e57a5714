"""How a pass ended: in one word, and in plain ones."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from services.reconciler.findings import Action, Decision, Finding, FindingKind, FindingState
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.records import OutcomeState, PassRecord, PassResult


@dataclass(frozen=True, slots=True)
class Left:
    """What a pass left undone.

    Attributes:
        backing_off: why actions failed before that were not tried again yet.
        going: how many actions are still going on.
        dropped: how many were not done, since what they were for was not so any more.
        held: why nothing is done about something, though it would be time.
    """

    backing_off: Sequence[str] = ()
    going: int = 0
    dropped: int = 0
    held: Sequence[str] = ()


def left_by(
    decision: Decision, undone: Sequence[Action], backoff: Backoff, acting: Collection[str]
) -> Left:
    """Return what the last look of a pass leaves.

    Args:
        decision: what it came to.
        undone: those of its actions that were not done.
        backoff: what failed lately.
        acting: objects to which something is being done.
    """
    going = sum(action.key in acting for action in undone)
    idle = [action for action in undone if action.key not in acting]
    failed = [failure for action in idle if (failure := backoff.of(action.key)) is not None]
    return Left(
        tuple(failure.error for failure in failed),
        going,
        len(idle) - len(failed),
        held_by(decision),
    )


def held_by(decision: Decision) -> tuple[str, ...]:
    """Return why something is held back that would be done otherwise.

    Orphans are held back for what the settings say of them, or for what they are; that leaves
    nothing undone, unless everything is paused.
    """
    paused = decision.memory.paused is not None
    return tuple(f.next for f in decision.findings if _is_held(f) and (paused or not f.orphan))


def _is_held(finding: Finding) -> bool:
    is_unreadable = finding.kind is FindingKind.UNREADABLE  # which is told by itself
    return finding.state is FindingState.HELD_BACK and not is_unreadable


def conclude(record: PassRecord, decision: Decision, left: Left) -> tuple[PassResult, str]:
    """Return how a pass ended, and why that is so.

    Args:
        record: the pass, with what came of its actions.
        decision: what the look came to in which everything was looked at.
        left: what it leaves undone.
    """
    if decision.stopped:
        return PassResult.STOPPED, decision.stopped
    if record.failed:
        words = _count(record.failed, "action failed", "actions failed")
        first = next(o for o in record.outcomes if o.state is OutcomeState.FAILED)
        return PassResult.FAILED_ACTIONS, f"{words}, and will be tried again; {first.error}"
    if left.backing_off:
        words = _count(len(left.backing_off), "action", "actions")
        why = left.backing_off[0]
        return PassResult.FAILED_ACTIONS, f"{words} failed before, and will be tried again; {why}"
    unread = sum(f.kind is FindingKind.UNREADABLE for f in decision.findings)
    if decision.incomplete or unread:
        return PassResult.INCOMPLETE, "; ".join(decision.incomplete)
    if left.held:
        words = _count(len(left.held), "finding is", "findings are")
        return PassResult.INCOMPLETE, f"{words} held back; {left.held[0]}"
    parts = ["everything was known"]
    if left.going:
        parts.append(_count(left.going, "action is", "actions are") + " still going on")
    if left.dropped:
        words = _count(left.dropped, "action was", "actions were")
        parts.append(f"{words} dropped, to be decided anew")
    return PassResult.DONE, "; ".join(parts)


def is_sound(record: PassRecord, decision: Decision, left: Left) -> bool:
    """Whether all was known, and no action failed, in this pass or before; pausing is no fault."""
    known = not decision.incomplete and not decision.stopped
    unread = any(f.kind is FindingKind.UNREADABLE for f in decision.findings)
    return known and not unread and not record.failed and not left.backing_off


def _count(number: int, one: str, several: str) -> str:
    return f"one {one}" if number == 1 else f"{number} {several}"
