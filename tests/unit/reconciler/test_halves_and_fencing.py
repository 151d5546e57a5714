"""Volumes that are half there, fencing that does not match, and migrations past their time."""

from dataclasses import replace
from typing import Any

import pytest

from services.reconciler.findings import ActionKind, FindingKind, FindingState
from services.reconciler.inventory import Seen
from services.reconciler.model import Admission, HalfState, Ready, SnapshotContent
from services.reconciler.plan.fencing import NO_ATTACHMENT
from tests.unit.reconciler.values import (
    DRIVER,
    RULES,
    V1,
    decide_after,
    device,
    in_use,
    leftover,
    listed,
    node,
    of_kind,
    only,
    pv,
    seen,
    snapshot_id,
    va,
    view,
    volume,
)

NQN = "nqn.2014-08.org.nvmexpress:uuid:"
S1 = snapshot_id(1)


@pytest.mark.parametrize(
    ("there", "kind"),
    [
        (device(), FindingKind.VOLUME_MISSING),
        (device(leftovers=[leftover(V1)]), FindingKind.DISK_MISSING),
        (device(volume(half_state=HalfState.NO_FILE)), FindingKind.FILE_MISSING),
        (device(volume(half_state=HalfState.NOT_EXPORTED)), FindingKind.NOT_EXPORTED),
        (device(device="other", is_default=False), FindingKind.VOLUME_MISSING),
    ],
)
def test_people_are_told_of_a_volume_that_is_half_there(there: object, kind: FindingKind) -> None:
    broken = seen(pvs=[pv()], devices=[there])

    early = decide_after(RULES.half_state - 1, broken)
    late = decide_after(RULES.half_state, broken)

    assert only(early, kind).state is FindingState.WAITING
    assert only(late, kind).state is FindingState.FOR_PEOPLE
    assert only(late, kind).next
    assert late.actions == ()


@pytest.mark.parametrize(
    "fine",
    [
        seen(pvs=[pv()], devices=[device(volume())]),
        seen(pvs=[pv(deleting_since=1.0)], devices=[device()]),
        seen(pvs=[pv("by-hand")], devices=[device()]),
        seen(pvs=[pv(driver="other.csi")], devices=[device()]),
        seen(pvs=[pv()], devices=[device(complete=False)]),
        seen(pvs=[pv()], devices=[device(), device(device="other")]),
        replace(
            seen(pvs=[pv()], devices=[device(volume())]),
            devices=replace(listed([]), complete=False),
        ),
    ],
)
def test_nobody_is_told_of_a_volume_that_is_whole_foreign_going_or_unknown(fine: Seen) -> None:
    decision = decide_after(1e6, fine)

    assert {finding.kind for finding in decision.findings} <= {FindingKind.UNREADABLE}


def test_people_are_told_of_a_snapshot_that_is_gone() -> None:
    content = SnapshotContent("c", "u", DRIVER, handles=(S1,))

    decision = decide_after(RULES.half_state, seen(contents=[content], devices=[device()]))

    assert only(decision, FindingKind.SNAPSHOT_MISSING).state is FindingState.FOR_PEOPLE


def fenced(*hosts: str, admission: Admission = Admission.ADMITTED, **given: object) -> Seen:
    """Return a fenced volume that is attached to node a and in use there, beside node b."""
    nodes = [node("a", host_nqn=f"{NQN}a", **in_use(V1)), node("b", host_nqn=f"{NQN}b")]
    base = {"nodes": nodes, "vas": [va()], "pvs": [pv()], "views": [view(admission=admission)]}
    disk = volume(fenced=True, allowed_hosts=hosts)
    return seen(**(base | given), devices=[device(disk)])  # type: ignore[arg-type]


def test_a_ready_node_that_is_shut_out_of_its_volume_is_let_in_again() -> None:
    shut_out = fenced(admission=Admission.SHUT_OUT)

    early = decide_after(RULES.fencing - 1, shut_out)
    late = decide_after(RULES.fencing, shut_out)

    assert early.actions == ()
    assert [action.kind for action in late.actions] == [ActionKind.UNFENCE]
    assert late.actions[0].uid == va().uid


@pytest.mark.parametrize(
    "left",
    [
        fenced(
            admission=Admission.SHUT_OUT,
            nodes=[node("a", Ready.NO, host_nqn=f"{NQN}a", **in_use(V1)), node("b")],
        ),
        fenced(admission=Admission.SHUT_OUT, vas=[va(), va(on="b", attached=False)]),
        fenced(admission=Admission.SHUT_OUT, vas=[va(deleting_since=1.0)]),
        fenced(admission=Admission.UNKNOWN),
    ],
)
def test_nobody_is_let_in_who_is_away_migrating_leaving_or_unknown(left: Seen) -> None:
    decision = decide_after(1e6, left)

    assert ActionKind.UNFENCE not in {action.kind for action in decision.actions}


def test_a_node_that_is_let_in_without_an_attachment_is_shut_out_while_it_has_none() -> None:
    intruder = fenced(f"{NQN}a", f"{NQN}b")

    decision = decide_after(RULES.fencing, intruder)

    (action,) = decision.actions
    assert action.kind is ActionKind.FENCE
    assert (action.subject.node, action.uid) == ("b", NO_ATTACHMENT)
    assert action.guard is not None
    assert not action.guard.holds(node("b", **in_use(V1)))


@pytest.mark.parametrize(
    "left",
    [
        fenced(f"{NQN}a", f"{NQN}unknown"),
        fenced(
            f"{NQN}b",
            nodes=[node("a", host_nqn=f"{NQN}a"), node("b", host_nqn=f"{NQN}b", **in_use(V1))],
        ),
        fenced(
            f"{NQN}b",
            nodes=[node(name, host_nqn=f"{NQN}b", **in_use(V1)) for name in "bc"],
            vas=[],
            views=[],
        ),
    ],
)
def test_a_host_that_is_nobodys_shared_or_in_use_is_left_to_people(left: Seen) -> None:
    decision = decide_after(RULES.fencing, left)

    assert ActionKind.FENCE not in {action.kind for action in decision.actions}
    assert only(decision, FindingKind.FENCING_MISMATCH).state is FindingState.FOR_PEOPLE


def test_two_nodes_that_say_the_same_host_do_not_shut_each_other_out() -> None:
    twins = [node(name, host_nqn=f"{NQN}a", **in_use(V1)) for name in "ab"]

    decision = decide_after(1e6, fenced(f"{NQN}a", nodes=twins))

    assert of_kind(decision, FindingKind.FENCING_MISMATCH) == []


def migrating(**fields: Any) -> Seen:
    nodes = [node(name, **in_use(V1)) for name in "ab"]
    return seen(
        nodes=nodes,
        vas=[va(on="a"), va(on="b")],
        pvs=[pv(**fields)],
        devices=[device(volume())],
        views=[view(on="a"), view(on="b")],
    )


def test_people_are_told_of_a_migration_past_its_time() -> None:
    early = decide_after(499, migrating(migration_timeout=500.0))
    late = decide_after(500, migrating(migration_timeout=500.0))
    default = decide_after(RULES.migration, migrating())

    assert only(early, FindingKind.MIGRATION_OVERDUE).state is FindingState.WAITING
    assert only(late, FindingKind.MIGRATION_OVERDUE).state is FindingState.FOR_PEOPLE
    assert only(default, FindingKind.MIGRATION_OVERDUE).state is FindingState.FOR_PEOPLE
    assert late.actions == ()


def test_a_volume_that_many_nodes_only_read_is_no_migration() -> None:
    decision = decide_after(1e6, migrating(read_only=True))

    assert of_kind(decision, FindingKind.MIGRATION_OVERDUE) == []
