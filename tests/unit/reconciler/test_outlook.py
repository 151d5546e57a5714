"""When there is to be another pass: what only a full one can judge is never a quick one's."""

import pytest

from services.reconciler.findings import (
    Action,
    ActionKind,
    Decision,
    Finding,
    FindingKind,
    FindingState,
    Subject,
)
from services.reconciler.memory import Memory, Pause
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.outlook import AGAIN_SECONDS, Next, Outlook
from services.reconciler.workflow.records import Outcome, OutcomeState
from tests.unit.reconciler.values import NOW

ON_DEVICE = Subject(volume_id="v1", device="rds")
IN_CLUSTER = Subject(volume_id="v2", node="a", volume_attachment="va")


def finding(
    kind: FindingKind,
    subject: Subject,
    state: FindingState = FindingState.WAITING,
    due: float | None = None,
) -> Finding:
    return Finding(f"{kind.value}-1", kind, state, subject, "", "", NOW, due)


def action(about: Finding, kind: ActionKind) -> Action:
    return Action(kind, about.id, about.subject, "text", "reason")


LET_IN = finding(FindingKind.FENCING_MISMATCH, ON_DEVICE, FindingState.ACTING)
GONE = finding(FindingKind.NODE_GONE, IN_CLUSTER, FindingState.ACTING)
SHUT_OUT = action(LET_IN, ActionKind.FENCE)
DETACH = action(GONE, ActionKind.DETACH)
WHOLE = Decision((GONE, LET_IN), (DETACH, SHUT_OUT), Memory())


def dropped(what: Action) -> Outcome:
    return Outcome(what, OutcomeState.DROPPED, "not any more")


@pytest.mark.parametrize(
    ("kind", "subject", "full"),
    [
        (FindingKind.FENCING_MISMATCH, ON_DEVICE, NOW + 30),
        (FindingKind.FENCING_MISMATCH, IN_CLUSTER, None),
        (FindingKind.ORPHAN_FILE, ON_DEVICE, NOW + 30),
        (FindingKind.VOLUME_MISSING, Subject(), NOW + 30),
        (FindingKind.NODE_NOT_READY, IN_CLUSTER, None),
    ],
)
def test_what_waits_for_devices_falls_due_for_a_full_pass(
    kind: FindingKind, subject: Subject, full: float | None
) -> None:
    outlook = Outlook(Backoff(), ())
    waiting = finding(kind, subject, due=NOW + 30)
    decision = Decision((waiting,), (), Memory(), next_due=NOW + 30)

    outlook.decided(decision, is_full=True)
    outlook.acted(decision, [], NOW, is_full=True)

    assert (outlook.quick, outlook.full) == (Next(NOW + 30), Next(full))


def test_a_quick_look_leaves_what_waits_for_a_full_pass() -> None:
    outlook = Outlook(Backoff(), ())
    outlook.full = Next(NOW + 30, NOW + 7)
    decision = Decision((), (), Memory(), next_due=NOW + 2)

    outlook.decided(decision, is_full=False)
    outlook.acted(decision, [], NOW, is_full=False)

    assert (outlook.quick, outlook.full) == (Next(NOW + 2), Next(NOW + 30, NOW + 7))


def test_what_failed_is_tried_again_by_a_pass_that_can() -> None:
    backoff = Backoff(10.0)
    outlook = Outlook(backoff, ())

    outlook.decided(WHOLE, is_full=True)
    backoff.fail(DETACH.key, "no", NOW)
    backoff.fail(SHUT_OUT.key, "no", NOW + 100)
    outlook.acted(WHOLE, [], NOW, is_full=True)

    detach, shut_out = backoff.of(DETACH.key), backoff.of(SHUT_OUT.key)
    assert detach is not None
    assert shut_out is not None
    assert (outlook.quick.retry, outlook.full.retry) == (detach.next_try, shut_out.next_try)


def test_a_quick_look_does_not_forget_failures_that_it_cannot_judge() -> None:
    backoff = Backoff()
    outlook = Outlook(backoff, ())
    outlook.decided(WHOLE, is_full=True)
    for key in (DETACH.key, SHUT_OUT.key):
        backoff.fail(key, "no", NOW)

    outlook.decided(Decision((), (), Memory()), is_full=False)
    after_a_quick_one = len(backoff), backoff.of(DETACH.key)
    outlook.decided(Decision((), (), Memory()), is_full=True)

    assert after_a_quick_one == (1, None)
    assert len(backoff) == 0


def test_what_goes_on_and_then_fails_is_tried_again_by_a_full_pass() -> None:
    backoff, acting = Backoff(10.0), {SHUT_OUT.key: 1}
    outlook = Outlook(backoff, acting.keys())
    outlook.decided(WHOLE, is_full=True)
    outlook.acted(WHOLE, [], NOW, is_full=True)
    before = outlook.full

    acting.clear()
    backoff.fail(SHUT_OUT.key, "no", NOW)
    outlook.acted(Decision((), (), Memory()), [], NOW, is_full=False)

    failure = backoff.of(SHUT_OUT.key)
    assert failure is not None
    assert (before, outlook.full) == (Next(), Next(None, failure.next_try))


@pytest.mark.parametrize(
    ("what", "quick", "full"),
    [(DETACH, NOW + AGAIN_SECONDS, None), (SHUT_OUT, None, NOW + AGAIN_SECONDS)],
)
def test_what_was_dropped_is_looked_at_again_soon(
    what: Action, quick: float | None, full: float | None
) -> None:
    outlook = Outlook(Backoff(), ())
    outlook.decided(WHOLE, is_full=True)

    outlook.acted(WHOLE, [dropped(what)], NOW, is_full=True)

    assert (outlook.quick.retry, outlook.full.retry) == (quick, full)


@pytest.mark.parametrize(
    ("kind", "subject", "quick"),
    [
        (FindingKind.NODE_GONE, IN_CLUSTER, NOW + AGAIN_SECONDS),
        (FindingKind.ORPHAN_VOLUME, ON_DEVICE, None),
    ],
)
def test_only_what_is_held_back_in_the_cluster_is_looked_at_again_soon(
    kind: FindingKind, subject: Subject, quick: float | None
) -> None:
    outlook = Outlook(Backoff(), ())
    held = finding(kind, subject, FindingState.HELD_BACK)
    decision = Decision((held,), (), Memory())

    outlook.decided(decision, is_full=True)
    outlook.acted(decision, [], NOW, is_full=True)

    assert (outlook.quick, outlook.full) == (Next(retry=quick), Next())


@pytest.mark.parametrize("until", [None, NOW + 60])
def test_while_all_is_paused_both_wait_for_the_end_of_the_pause(until: float | None) -> None:
    outlook = Outlook(Backoff(), ())
    memory = Memory(paused=Pause("a test", "jane", NOW, until))
    decision = Decision((), (), memory, incomplete=("it is not known",))

    outlook.decided(decision, is_full=True)
    outlook.acted(decision, [], NOW, is_full=True)

    assert (outlook.quick, outlook.full) == (Next(retry=until), Next(retry=until))


@pytest.mark.parametrize(("is_full", "full"), [(True, Next(retry=NOW + 5)), (False, Next(NOW + 9))])
def test_a_pass_that_failed_is_followed_by_one_of_its_kind(is_full: bool, full: Next) -> None:  # noqa: FBT001 (a case)
    outlook = Outlook(Backoff(), ())
    outlook.full = Next(NOW + 9)

    outlook.failed(NOW, is_full=is_full)

    assert (outlook.quick, outlook.full) == (Next(retry=NOW + 5), full)


def test_who_begins_to_lead_knows_of_nothing_that_is_to_come() -> None:
    outlook = Outlook(Backoff(), ())
    outlook.failed(NOW, is_full=True)

    outlook.forget()

    assert (outlook.quick.at, outlook.full.at) == (None, None)
