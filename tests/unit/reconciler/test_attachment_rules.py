"""What is told of an attachment and when, and what must still be so when something is done."""

from dataclasses import replace

import pytest

from services.reconciler.findings import ActionKind, FindingKind, FindingState, Guard
from services.reconciler.inventory import Seen
from services.reconciler.model import Admission, AttachmentState, Ready
from services.reconciler.rules import InUse, Rules
from tests.unit.reconciler.values import (
    NOW,
    RULES,
    V1,
    decide_after,
    in_use,
    kinds,
    listed,
    node,
    of_kind,
    one,
    only,
    the,
    va,
    view,
    volume_id,
)

AWAY = node("a", Ready.UNKNOWN)
USING = node("a", Ready.UNKNOWN, **in_use(V1))
OFF = node("a", Ready.NO, out_of_service=True, **in_use(V1))
FENCED = replace(RULES, in_use=InUse.FENCED)
ALWAYS = replace(RULES, in_use=InUse.ALWAYS)
DETACHED = view(state=AttachmentState.DETACHED)
ADMITTED = view(admission=Admission.ADMITTED)
SHUT_OUT = view(admission=Admission.SHUT_OUT)
DETACH, FENCE = ActionKind.DETACH, ActionKind.FENCE
DELETE, FINALIZE = ActionKind.DELETE_ATTACHMENT, ActionKind.REMOVE_FINALIZER
STUCK = va(deleting_since=NOW)


@pytest.mark.parametrize(
    ("found", "rules", "kind", "guard"),
    [
        (one(None), RULES, DETACH, Guard("a")),
        (one(None, view=DETACHED), RULES, DELETE, Guard("a")),
        (one(OFF), RULES, DETACH, Guard("a", "uid-a", ready=False, out_of_service=True)),
        (one(AWAY), RULES, DETACH, Guard("a", "uid-a", ready=False, unreported=V1)),
        (one(AWAY), FENCED, DETACH, Guard("a", "uid-a", ready=False, unreported=V1)),
        (one(AWAY, view=ADMITTED), RULES, FENCE, Guard("a", "uid-a", ready=False, unreported=V1)),
        (one(AWAY, view=DETACHED), RULES, DELETE, Guard("a", "uid-a", ready=False, unreported=V1)),
        (one(USING, view=ADMITTED), FENCED, FENCE, Guard("a", "uid-a", ready=False)),
        (one(USING, view=SHUT_OUT), FENCED, DETACH, Guard("a", "uid-a", ready=False)),
        (one(USING), ALWAYS, DETACH, Guard("a", "uid-a", ready=False)),
        (one(node("a")), RULES, DELETE, Guard("a", "uid-a", ready=True, unreported=V1)),
        (one(None, va=STUCK), RULES, DETACH, Guard("a")),
        (one(None, va=STUCK, view=DETACHED), RULES, FINALIZE, Guard("a")),
        (one(node("a"), va=STUCK), RULES, DETACH, Guard("a", "uid-a", unreported=V1)),
        (
            one(node("a"), va=STUCK, view=DETACHED),
            RULES,
            FINALIZE,
            Guard("a", "uid-a", unreported=V1),
        ),
        (one(USING, va=STUCK, view=DETACHED), RULES, FINALIZE, Guard("a", "uid-a", ready=False)),
    ],
)
def test_what_an_action_rests_on_must_be_so_when_it_is_done(
    found: Seen, rules: Rules, kind: ActionKind, guard: Guard
) -> None:
    decision = decide_after(1e4, found, rules)

    assert (the(decision).kind, the(decision).guard) == (kind, guard)


@pytest.mark.parametrize(
    ("found", "kind", "grace"),
    [
        (one(None), FindingKind.NODE_GONE, RULES.node_gone),
        (one(USING), FindingKind.NODE_NOT_READY, RULES.not_ready),
        (one(AWAY), FindingKind.NODE_NOT_READY, RULES.not_ready),
        (one(node("a")), FindingKind.ATTACHMENT_UNUSED, RULES.unused),
        (one(node("a"), va=STUCK), FindingKind.ATTACHMENT_STUCK, RULES.stuck),
    ],
)
def test_a_finding_says_when_it_falls_due_and_waits_until_then(
    found: Seen, kind: FindingKind, grace: float
) -> None:
    early = only(decide_after(grace - 0.2, found), kind)
    late = only(decide_after(grace, found), kind)

    assert (early.state, early.due, early.actions) == (FindingState.WAITING, NOW + grace, ())
    assert late.state in {FindingState.ACTING, FindingState.FOR_PEOPLE}


@pytest.mark.parametrize(
    ("found", "kind", "quiet"),
    [
        (one(node("a")), FindingKind.ATTACHMENT_UNUSED, 60),
        (one(node("a"), va=STUCK), FindingKind.ATTACHMENT_STUCK, RULES.stuck / 2),
    ],
)
def test_what_every_attachment_goes_through_for_a_moment_nobody_hears_of(
    found: Seen, kind: FindingKind, quiet: float
) -> None:
    early = decide_after(quiet - 0.2, found)
    late = decide_after(quiet, found)

    assert of_kind(early, kind) == []
    assert only(late, kind).state is FindingState.WAITING


def test_with_a_long_grace_period_people_hear_after_a_minute_of_what_is_stuck() -> None:
    patient = replace(RULES, stuck=3600.0)
    stuck = one(node("a"), va=STUCK)

    early = decide_after(59.8, stuck, patient)
    late = decide_after(60, stuck, patient)

    assert of_kind(early, FindingKind.ATTACHMENT_STUCK) == []
    assert only(late, FindingKind.ATTACHMENT_STUCK).due == NOW + 3600


def test_what_somebody_made_by_hand_is_left_to_people() -> None:
    by_hand = one(node("a"), va=va(name="by-hand"))

    finding = only(decide_after(RULES.unused, by_hand), FindingKind.ATTACHMENT_UNUSED)

    assert finding.state is FindingState.FOR_PEOPLE


@pytest.mark.parametrize(
    ("silent", "words"),
    [(USING, "not Ready and reported it in use last."), (AWAY, "does not report it in use.")],
)
def test_people_hear_whether_a_silent_node_reported_the_volume(silent: object, words: str) -> None:
    finding = only(decide_after(0, one(silent)), FindingKind.NODE_NOT_READY)  # type: ignore[arg-type]

    assert finding.reason.endswith(words)


def test_people_hear_which_finalizers_keep_an_attachment() -> None:
    kept = one(node("a"), va=va(deleting_since=NOW, finalizers=("y/z", "b/c")))

    finding = only(decide_after(RULES.stuck, kept), FindingKind.ATTACHMENT_STUCK)

    assert "attacher's: b/c, y/z." in finding.next


@pytest.mark.parametrize(
    "unknown",
    [
        one(node("a"), va=STUCK, view=view(volume_id(5))),
        replace(one(node("a"), va=STUCK), views=replace(listed([view()]), complete=False)),
    ],
)
def test_what_is_stuck_stays_while_the_controller_does_not_say_how_it_stands(
    unknown: Seen,
) -> None:
    decision = decide_after(RULES.stuck, unknown)

    assert decision.actions == ()
    assert only(decision, FindingKind.ATTACHMENT_STUCK).state is FindingState.HELD_BACK


@pytest.mark.parametrize(
    ("rules", "told", "states"),
    [
        (FENCED, view(), [FindingState.FOR_PEOPLE]),
        (FENCED, ADMITTED, []),
        (FENCED, SHUT_OUT, []),
        (ALWAYS, view(), []),
        (RULES, SHUT_OUT, [FindingState.FOR_PEOPLE]),
    ],
)
def test_people_hear_of_what_is_stuck_and_in_use_only_where_nothing_else_ends_it(
    rules: Rules, told: object, states: list[FindingState]
) -> None:
    decision = decide_after(RULES.stuck, one(USING, va=STUCK, view=told), rules)

    assert [one.state for one in of_kind(decision, FindingKind.ATTACHMENT_STUCK)] == states
    assert decision.actions == ()


@pytest.mark.parametrize("used", [{}, in_use(V1)])
def test_what_is_stuck_on_a_node_out_of_service_is_detached_once(used: dict[str, object]) -> None:
    off = node("a", Ready.NO, out_of_service=True, **used)

    decision = decide_after(RULES.stuck, one(off, va=STUCK))

    assert kinds(decision) == [DETACH]
    assert of_kind(decision, FindingKind.ATTACHMENT_STUCK) == []


@pytest.mark.parametrize(("rules", "told"), [(RULES, view()), (RULES, SHUT_OUT), (FENCED, view())])
def test_what_is_never_taken_from_a_silent_node_is_left_to_people(
    rules: Rules, told: object
) -> None:
    finding = only(decide_after(1e4, one(USING, view=told), rules), FindingKind.NODE_NOT_READY)

    assert finding.state is FindingState.FOR_PEOPLE
    assert "kubectl taint nodes a node.kubernetes.io/out-of-service" in finding.next
