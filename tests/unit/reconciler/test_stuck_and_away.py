"""An attachment that is being deleted is taken from a node that is away no sooner than another."""

from dataclasses import replace

import pytest

from services.reconciler.findings import ActionKind, FindingKind, FindingState
from services.reconciler.inventory import Seen
from services.reconciler.model import AttachmentState, Node, Ready
from services.reconciler.rules import Rules
from tests.unit.reconciler.values import (
    NOW,
    RULES,
    V1,
    decide_after,
    device,
    in_use,
    kinds,
    node,
    of_kind,
    one,
    only,
    pv,
    seen,
    va,
    view,
    volume,
)

STUCK = va(deleting_since=NOW)
AWAY = node("a", Ready.UNKNOWN)
OFF = node("a", Ready.NO, out_of_service=True)
USING_OFF = node("a", Ready.NO, out_of_service=True, **in_use(V1))
PATIENT = replace(RULES, node_gone=600.0, not_ready=600.0, out_of_service=600.0)


@pytest.mark.parametrize(
    ("there", "kind"),
    [
        (None, FindingKind.NODE_GONE),
        (AWAY, FindingKind.NODE_NOT_READY),
        (OFF, FindingKind.NODE_OUT_OF_SERVICE),
        (USING_OFF, FindingKind.NODE_OUT_OF_SERVICE),
    ],
)
def test_what_is_stuck_waits_as_long_as_its_node_must_have_been_away(
    there: Node | None, kind: FindingKind
) -> None:
    stuck = one(there, va=STUCK)

    early = decide_after(599, stuck, PATIENT)
    late = decide_after(600, stuck, PATIENT)

    (finding,) = early.findings
    assert (finding.kind, finding.state, finding.due) == (kind, FindingState.WAITING, NOW + 600)
    assert kinds(late) == [ActionKind.DETACH]
    assert of_kind(late, FindingKind.ATTACHMENT_STUCK) == []


def lost(*nodes: Node, state: AttachmentState = AttachmentState.ATTACHED) -> Seen:
    """Return a cluster with these nodes, and an attachment to node a that is stuck."""
    return seen(
        nodes=nodes,
        vas=[STUCK],
        pvs=[pv()],
        devices=[device(volume())],
        views=[view(state=state)],
    )


MOST_AWAY = [node(name, Ready.UNKNOWN) for name in "acd"] + [node("b")]


@pytest.mark.parametrize(
    ("nodes", "kind"),
    [([], FindingKind.NODE_GONE), (MOST_AWAY, FindingKind.NODE_NOT_READY)],
)
def test_when_it_is_the_cluster_that_is_ill_nothing_is_taken_for_being_stuck(
    nodes: list[Node], kind: FindingKind
) -> None:
    decision = decide_after(1e4, lost(*nodes))

    assert decision.actions == ()
    assert only(decision, kind).state is FindingState.HELD_BACK


@pytest.mark.parametrize("nodes", [[], MOST_AWAY])
def test_what_is_detached_loses_its_finalizer_all_the_same(nodes: list[Node]) -> None:
    detached = lost(*nodes, state=AttachmentState.DETACHED)

    decision = decide_after(1e4, detached)

    assert kinds(decision) == [ActionKind.REMOVE_FINALIZER]


@pytest.mark.parametrize("rules", [RULES, PATIENT])
def test_a_ready_node_that_uses_nothing_loses_what_is_stuck_there(rules: Rules) -> None:
    idle = one(node("a"), va=STUCK)

    decision = decide_after(RULES.stuck, idle, rules)

    assert kinds(decision) == [ActionKind.DETACH]
