"""Attachments that are being deleted and do not go: their finalizer, and the order of steps."""

import pytest

from services.reconciler.findings import ActionKind, FindingKind, FindingState
from services.reconciler.inventory import Seen
from services.reconciler.model import AttachmentState, Ready
from services.reconciler.plan.release import finalizer_of
from tests.unit.reconciler.values import (
    FINALIZER,
    NOW,
    RULES,
    V1,
    decide_after,
    in_use,
    kinds,
    node,
    one,
    only,
    the,
    va,
    view,
)

DETACHED = AttachmentState.DETACHED


def test_a_stuck_attachment_loses_its_finalizer_once_it_is_detached() -> None:
    stuck = va(deleting_since=NOW)

    attached = decide_after(RULES.stuck, one(node("a"), va=stuck))
    detached = decide_after(RULES.stuck, one(node("a"), va=stuck, view=view(state=DETACHED)))

    assert the(attached).kind is ActionKind.DETACH
    assert the(detached).kind is ActionKind.REMOVE_FINALIZER
    assert the(detached).finalizer == FINALIZER


@pytest.mark.parametrize(
    "kept",
    [
        one(node("a", **in_use(V1)), va=va(deleting_since=NOW), view=view(state=DETACHED)),
        one(node("a"), va=va(deleting_since=NOW, finalizers=("other/finalizer",))),
        one(node("a", Ready.NO, **in_use(V1)), va=va(deleting_since=NOW)),
    ],
)
def test_a_finalizer_stays_where_the_volume_is_in_use_or_it_is_not_the_attachers(
    kept: Seen,
) -> None:
    decision = decide_after(1e6, kept)

    assert decision.actions == ()
    assert only(decision, FindingKind.ATTACHMENT_STUCK).state is FindingState.FOR_PEOPLE


def test_a_dead_nodes_attachment_goes_step_by_step_and_never_two_at_once() -> None:
    deleting = va(deleting_since=NOW)

    steps = [
        kinds(decide_after(1000, one(None, va=attachment, view=view(state=state))))
        for attachment in (va(), deleting)
        for state in (AttachmentState.ATTACHED, DETACHED)
    ]

    assert steps == [
        [ActionKind.DETACH],
        [ActionKind.DELETE_ATTACHMENT],
        [ActionKind.DETACH],
        [ActionKind.REMOVE_FINALIZER],
    ]


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        ("rds.csi.srvlab.io", "external-attacher/rds-csi-srvlab-io"),
        ("a_b", "external-attacher/a-b"),
        ("ends.", "external-attacher/ends-X"),
    ],
)
def test_the_attachers_finalizer_is_named_after_the_driver(driver: str, expected: str) -> None:
    assert finalizer_of(driver) == expected
