"""How a pass ended: what it left undone is told, and what is no fault is none."""

from dataclasses import replace

import pytest

from services.reconciler.findings import (
    Action,
    ActionKind,
    Decision,
    Finding,
    FindingKind,
    FindingState,
    Orphan,
    Subject,
)
from services.reconciler.memory import Memory, Pause
from services.reconciler.model import ItemKind
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.ending import Left, conclude, held_by, is_sound, left_by
from services.reconciler.workflow.records import (
    Outcome,
    OutcomeState,
    PassRecord,
    PassResult,
    Trigger,
)
from tests.unit.reconciler.values import NOW

NOTHING = Decision((), (), Memory())
PAUSED = replace(NOTHING, memory=Memory(paused=Pause("a test", "jane", NOW)))


def detach(name: str) -> Action:
    subject = Subject(volume_id=name, volume_attachment=f"va of {name}")
    return Action(ActionKind.DETACH, "finding", subject, "text", "reason")


def held(kind: FindingKind, *, state: FindingState = FindingState.HELD_BACK) -> Finding:
    orphan = Orphan(ItemKind.VOLUME, "rds", "v1", 1, "print")
    is_orphan = kind is FindingKind.ORPHAN_VOLUME
    return Finding(
        "1",
        kind,
        state,
        Subject(),
        "",
        f"why {kind.value}",
        NOW,
        orphan=orphan if is_orphan else None,
    )


def record(*states: OutcomeState) -> PassRecord:
    outcomes = [Outcome(detach("v1"), state, "busy") for state in states]
    return PassRecord(1, Trigger.REQUEST, NOW, outcomes=outcomes)


UNREAD = replace(NOTHING, findings=(held(FindingKind.UNREADABLE),))
UNKNOWN = replace(NOTHING, incomplete=("a is not known", "b is not known"))
ALL = "everything was known"
STOPPED = replace(NOTHING, stopped="too many")
FAILED = record(OutcomeState.FAILED, OutcomeState.DONE, OutcomeState.FAILED)


@pytest.mark.parametrize(
    ("what", "decision", "left", "result", "message", "sound"),
    [
        (FAILED, STOPPED, Left(), "STOPPED", "too many", False),
        (
            FAILED,
            UNKNOWN,
            Left(("no",)),
            "FAILED_ACTIONS",
            "2 actions failed, and will be tried again; busy",
            False,
        ),
        (
            record(),
            UNKNOWN,
            Left(("no", "never")),
            "FAILED_ACTIONS",
            "2 actions failed before, and will be tried again; no",
            False,
        ),
        (
            record(),
            UNKNOWN,
            Left(held=("why",)),
            "INCOMPLETE",
            "a is not known; b is not known",
            False,
        ),
        (record(), UNREAD, Left(), "INCOMPLETE", "", False),
        (
            record(),
            NOTHING,
            Left(going=1, held=("why", "else")),
            "INCOMPLETE",
            "2 findings are held back; why",
            True,
        ),
        (
            record(),
            NOTHING,
            Left(going=2, dropped=1),
            "DONE",
            f"{ALL}; 2 actions are still going on; one action was dropped, to be decided anew",
            True,
        ),
        (record(OutcomeState.DONE), NOTHING, Left(), "DONE", ALL, True),
    ],
)
def test_a_pass_ends_as_the_worst_of_what_it_met(  # noqa: PLR0913, PLR0917 (a case)
    what: PassRecord,
    decision: Decision,
    left: Left,
    result: str,
    message: str,
    sound: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert conclude(what, decision, left) == (PassResult[result], message)
    assert is_sound(what, decision, left) is sound


def test_what_was_not_done_goes_on_or_backs_off_or_was_dropped() -> None:
    backoff = Backoff()
    for name in ("v1", "v2"):
        backoff.fail(f"va of {name}", f"no to {name}", NOW)
    undone = [detach(name) for name in ("v1", "v2", "v3", "v4", "v5")]
    decision = replace(NOTHING, findings=(held(FindingKind.NODE_GONE),))

    left = left_by(decision, undone, backoff, {"va of v2", "va of v3"})

    assert left == Left(("no to v1",), going=2, dropped=2, held=("why node-gone",))


@pytest.mark.parametrize(
    ("decision", "kind", "is_held"),
    [
        (NOTHING, FindingKind.NODE_GONE, True),
        (NOTHING, FindingKind.ORPHAN_VOLUME, False),
        (NOTHING, FindingKind.UNREADABLE, False),
        (PAUSED, FindingKind.ORPHAN_VOLUME, True),
        (PAUSED, FindingKind.UNREADABLE, False),
    ],
)
def test_an_orphan_is_held_back_only_while_all_is_paused(
    decision: Decision,
    kind: FindingKind,
    is_held: bool,  # noqa: FBT001 (an expectation)
) -> None:
    waiting = held(kind, state=FindingState.WAITING)

    assert bool(held_by(replace(decision, findings=(held(kind),)))) is is_held
    assert held_by(replace(decision, findings=(waiting,))) == ()
