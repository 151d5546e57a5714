"""After a scale-down most nodes may be gone: people are told what to do then, and it helps."""

from dataclasses import replace

import pytest

from services.reconciler.findings import ActionKind, Decision, FindingKind, FindingState
from services.reconciler.model import VolumeAttachment
from services.reconciler.rules import Rules
from tests.unit.reconciler.values import (
    ACTIVE,
    NOW,
    decide_after,
    node,
    of_kind,
    pv,
    seen,
    va,
    view,
    volume_id,
)

HANDLES = [volume_id(number) for number in range(1, 4)]


def scaled_down(*vas: VolumeAttachment, rules: Rules = ACTIVE) -> Decision:
    """Return what becomes of attachments to nodes that are gone; two nodes are left."""
    found = seen(
        nodes=[node("up1"), node("up2")],
        vas=vas,
        pvs=[pv(handle) for handle in HANDLES],
        views=[view(held.volume, held.node) for held in vas],
    )
    return decide_after(rules.node_gone, found, rules)


GONE = [va(handle, f"gone{handle[-1]}") for handle in HANDLES]


def test_of_a_node_that_does_not_exist_nobody_is_asked_to_taint_it() -> None:
    decision = scaled_down(*GONE)

    first, *others = of_kind(decision, FindingKind.NODE_GONE)
    told = {finding.subject.volume_attachment: finding.next for finding in (first, *others)}
    assert decision.actions == ()
    assert told == {
        held.name: "3 of 5 nodes do not exist any more, so it is rather the cluster that is ill, "
        "and nothing is taken from them. Where all these machines are certainly off, delete the "
        "VolumeAttachment, and external-attacher detaches it: kubectl delete volumeattachment "
        f"{held.name}."
        for held in GONE
    }


def test_of_one_that_is_being_deleted_people_hear_who_detaches_it() -> None:
    going = [replace(held, deleting_since=NOW) for held in GONE]

    for finding in of_kind(scaled_down(*going), FindingKind.NODE_GONE):
        assert finding.state is FindingState.HELD_BACK
        assert finding.next.endswith(
            "from them. The VolumeAttachment is being deleted, and external-attacher has to detach "
            "it: see that it runs."
        )


@pytest.mark.parametrize(
    ("left", "rules"), [(GONE[:2], ACTIVE), (GONE, replace(ACTIVE, max_lost_percent=100))]
)
def test_once_one_is_deleted_or_the_limit_is_lifted_the_rest_happens_by_itself(
    left: list[VolumeAttachment], rules: Rules
) -> None:
    decision = scaled_down(*left, rules=rules)

    assert [action.kind for action in decision.actions] == [ActionKind.DETACH] * len(left)
