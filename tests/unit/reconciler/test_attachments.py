"""Attachments that stayed behind: each rule, and what only just does not meet it."""

from dataclasses import replace

import pytest

from services.reconciler.findings import ActionKind, FindingKind, FindingState
from services.reconciler.inventory import Seen
from services.reconciler.memory import Memory
from services.reconciler.model import Admission, AttachmentState, Ready
from services.reconciler.plan.decide import decide
from services.reconciler.rules import InUse
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
    pv,
    seen,
    the,
    va,
    view,
    volume_id,
)

NOT_READY = (Ready.NO, Ready.UNKNOWN)
DETACHED = AttachmentState.DETACHED


def test_an_attachment_to_a_node_that_is_gone_is_detached_after_the_grace_period() -> None:
    gone = one(None)

    at_once = decide(gone, Memory(), RULES, NOW)
    later = decide_after(RULES.node_gone, gone)

    assert only(at_once, FindingKind.NODE_GONE).state is FindingState.WAITING
    assert at_once.actions == ()
    assert the(later).kind is ActionKind.DETACH
    assert the(later).uid == va().uid
    assert only(later, FindingKind.NODE_GONE).id == only(at_once, FindingKind.NODE_GONE).id


def test_what_was_detached_is_deleted_as_it_was_seen() -> None:
    gone = one(None, view=view(state=DETACHED))

    action = the(decide_after(RULES.node_gone, gone))

    assert action.kind is ActionKind.DELETE_ATTACHMENT
    assert (action.uid, action.resource_version) == (va().uid, "7")


def test_a_node_that_is_missing_from_a_partial_list_is_not_gone() -> None:
    partial = replace(one(None), nodes=replace(listed([node("b")]), complete=False))

    decision = decide_after(RULES.node_gone, partial)

    assert decision.actions == ()
    assert of_kind(decision, FindingKind.NODE_GONE) == []
    assert only(decision, FindingKind.UNREADABLE).state is FindingState.HELD_BACK


def test_with_no_node_at_all_nothing_is_taken_from_any() -> None:
    empty = replace(one(None), nodes=listed([]))

    decision = decide_after(RULES.node_gone, empty)

    assert only(decision, FindingKind.NODE_GONE).state is FindingState.HELD_BACK
    assert decision.actions == ()


@pytest.mark.parametrize("ready", NOT_READY)
def test_a_node_out_of_service_loses_its_volumes_whatever_it_reported(ready: Ready) -> None:
    down = node("a", ready, out_of_service=True, **in_use(V1))

    decision = decide(one(down), Memory(), RULES, NOW)

    action = the(decision)
    assert action.kind is ActionKind.DETACH
    assert action.guard is not None
    assert action.guard.holds(down)
    assert not action.guard.holds(replace(down, ready=Ready.YES))
    assert not action.guard.holds(replace(down, out_of_service=False))
    assert not action.guard.holds(replace(down, uid="another"))


def test_a_ready_node_with_the_taint_keeps_its_volumes() -> None:
    returned = node("a", out_of_service=True, **in_use(V1))

    decision = decide_after(1e6, one(returned))

    assert decision.actions == ()
    assert only(decision, FindingKind.NODE_OUT_OF_SERVICE).state is FindingState.FOR_PEOPLE


@pytest.mark.parametrize("ready", NOT_READY)
def test_what_a_node_that_is_not_ready_does_not_report_is_detached(ready: Ready) -> None:
    silent = one(node("a", ready))

    before = decide_after(RULES.not_ready - 1, silent)
    after = decide_after(RULES.not_ready, silent)

    assert before.actions == ()
    assert kinds(after) == [ActionKind.DETACH]
    guard = the(after).guard
    assert guard is not None
    assert not guard.holds(node("a", ready, **in_use(V1)))
    assert not guard.holds(node("a"))


def test_a_fenced_volume_is_shut_out_first_and_detached_once_it_is() -> None:
    away = node("a", Ready.UNKNOWN, host_nqn="nqn.2014-08.org.nvmexpress:uuid:a")

    let_in = decide_after(RULES.not_ready, one(away, view=view(admission=Admission.ADMITTED)))
    shut_out = decide_after(RULES.not_ready, one(away, view=view(admission=Admission.SHUT_OUT)))

    assert kinds(let_in) == [ActionKind.FENCE]
    assert kinds(shut_out) == [ActionKind.DETACH]


def test_a_node_that_may_be_alive_is_not_detached_while_its_admission_is_unknown() -> None:
    away = one(node("a", Ready.UNKNOWN), view=view(admission=Admission.UNKNOWN))

    decision = decide_after(1e5, away)

    assert decision.actions == ()
    assert only(decision, FindingKind.NODE_NOT_READY).state is FindingState.HELD_BACK


@pytest.mark.parametrize(
    ("policy", "admission", "expected"),
    [
        (InUse.NEVER, Admission.EVERYBODY, []),
        (InUse.NEVER, Admission.SHUT_OUT, []),
        (InUse.FENCED, Admission.EVERYBODY, []),
        (InUse.FENCED, Admission.ADMITTED, [ActionKind.FENCE]),
        (InUse.FENCED, Admission.SHUT_OUT, [ActionKind.DETACH]),
        (InUse.ALWAYS, Admission.EVERYBODY, [ActionKind.DETACH]),
        (InUse.ALWAYS, Admission.ADMITTED, [ActionKind.FENCE]),
        (InUse.ALWAYS, Admission.UNKNOWN, []),
    ],
)
def test_what_a_node_reported_in_use_before_it_fell_silent_is_taken_as_configured(
    policy: InUse, admission: Admission, expected: list[ActionKind]
) -> None:
    away = one(node("a", Ready.UNKNOWN, **in_use(V1)), view=view(admission=admission))
    rules = replace(RULES, in_use=policy)

    early = decide_after(rules.force_detach - 1, away, rules)
    late = decide_after(rules.force_detach, away, rules)

    assert early.actions == ()
    assert kinds(late) == expected


def test_a_node_that_was_ready_in_between_is_waited_for_anew() -> None:
    first = decide(one(node("a", Ready.UNKNOWN, ready_since=1.0)), Memory(), RULES, NOW)

    flapped = one(node("a", Ready.UNKNOWN, ready_since=2.0))
    again = decide_after(RULES.not_ready - 1, flapped, memory=first.memory)

    assert again.actions == ()


def test_when_most_nodes_are_not_ready_it_is_the_cluster_that_is_ill() -> None:
    cut_off = seen(
        nodes=[node(name, Ready.UNKNOWN) for name in "acd"] + [node("b")],
        vas=[va()],
        pvs=[pv()],
        views=[view()],
    )

    decision = decide_after(1e5, cut_off)

    assert decision.actions == ()
    assert "3 of 4 nodes" in only(decision, FindingKind.NODE_NOT_READY).next


def test_what_nothing_on_a_ready_node_uses_is_deleted_for_the_attacher_to_detach() -> None:
    idle = one(node("a", **in_use(volume_id(2))))

    before = decide_after(RULES.unused - 1, idle)
    after = decide_after(RULES.unused, idle)

    assert before.actions == ()
    assert the(after).kind is ActionKind.DELETE_ATTACHMENT
    guard = the(after).guard
    assert guard is not None
    assert guard.holds(node("a"))
    assert not guard.holds(node("a", **in_use(V1)))
    assert not guard.holds(node("a", Ready.NO))


def test_a_volume_just_attached_is_no_finding() -> None:
    decision = decide(one(node("a")), Memory(), RULES, NOW)

    assert decision.findings == ()
    assert decision.next_due is not None


@pytest.mark.parametrize(
    "busy",
    [
        one(node("a", **in_use(V1))),
        one(node("a"), va=va(attached=False)),
        one(node("a"), va=va(attacher="other.csi")),
        one(node("a"), va=va(name="by-hand")),
    ],
)
def test_what_is_used_pending_foreign_or_made_by_hand_is_left_on_a_ready_node(busy: Seen) -> None:
    decision = decide_after(1e6, busy)

    assert decision.actions == ()


def test_an_attachment_that_the_controller_tells_in_two_ways_is_left() -> None:
    gone = one(None)
    for views in ([view(state=DETACHED), view()], [view(), view(state=DETACHED)]):
        decision = decide_after(RULES.node_gone, replace(gone, views=listed(views)))

        assert decision.actions == ()
        assert only(decision, FindingKind.NODE_GONE).state is FindingState.HELD_BACK
