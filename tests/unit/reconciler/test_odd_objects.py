"""Objects that are not as most are, and collections that are larger."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import pytest

from libs.core.errors import Exhausted
from services.reconciler.adapters.objects import (
    OUT_OF_SERVICE,
    read_attachment,
    read_content,
    read_node,
    read_volume,
)
from services.reconciler.findings import FindingKind, FindingState
from services.reconciler.inventory import PIECE
from services.reconciler.memory import MAX_BYTES, Memory, OrphanDecision, render_memory
from services.reconciler.memory import DecisionKind as Kind
from services.reconciler.model import Admission, Ready, SnapshotContent
from services.reconciler.plan.decide import decide, decide_steps
from services.reconciler.rules import InUse
from tests.unit.reconciler.values import (
    ACTIVE,
    DRIVER,
    NOW,
    RULES,
    V1,
    at,
    decide_after,
    device,
    in_use,
    leftover,
    node,
    of_kind,
    one,
    only,
    pv,
    seen,
    va,
    view,
    volume,
    volume_id,
)

FOR_PEOPLE = FindingState.FOR_PEOPLE
MANY = range(1, 2 * PIECE + 1)


def test_an_attachment_of_another_driver_is_passed_over() -> None:
    item = {"metadata": {"name": "a"}, "spec": {"attacher": "other"}}

    assert read_attachment(item, DRIVER) is None


def test_an_attachment_of_a_volume_without_an_object_has_its_handle() -> None:
    inline = {"inlineVolumeSpec": {"csi": {"volumeHandle": V1}}}
    item = {"metadata": {"name": "a"}, "spec": {"attacher": DRIVER, "source": inline}}

    found = read_attachment(item, DRIVER)

    assert found is not None
    assert (found.handle, found.volume, found.attached) == (V1, "", False)


def test_a_content_has_each_handle_once_and_is_deleted_unless_it_says_otherwise() -> None:
    item = {
        "metadata": {"name": "c"},
        "spec": {"driver": DRIVER, "source": {"snapshotHandle": "s"}},
        "status": {"snapshotHandle": "s"},
    }

    content = read_content(item)

    assert (content.handles, content.deletion_policy) == (("s",), "Delete")


@pytest.mark.parametrize(("text", "seconds"), [("60", 60.0), ("soon", 0.0), ("", 0.0)])
def test_a_time_that_is_none_is_as_if_it_were_not_said(text: str, seconds: float) -> None:
    attributes = {"migrationTimeoutSeconds": text}
    csi = {"driver": DRIVER, "volumeHandle": V1, "volumeAttributes": attributes}

    assert read_volume(
        {"metadata": {"name": "a"}, "spec": {"csi": csi}}, DRIVER
    ).migration_timeout == (seconds)


def test_an_attachment_to_no_node_is_nobodys_trouble() -> None:
    decision = decide_after(RULES.node_gone, one(None, va=va(on="")))

    assert of_kind(decision, FindingKind.NODE_GONE) == []


@pytest.mark.parametrize("policy", [InUse.FENCED, InUse.ALWAYS])
@pytest.mark.parametrize("admission", [Admission.EVERYBODY, Admission.ADMITTED, Admission.SHUT_OUT])
def test_a_node_that_was_ready_a_moment_ago_keeps_what_is_stuck_there_and_in_use(
    policy: InUse, admission: Admission
) -> None:
    rules, later = replace(RULES, in_use=policy), NOW + RULES.force_detach + 1
    stuck, told = va(deleting_since=NOW), view(admission=admission)
    ready = one(node("a", **in_use(V1)), va=stuck, view=told)
    silent = one(node("a", Ready.UNKNOWN, ready_since=later, **in_use(V1)), va=stuck, view=told)
    memory = decide(
        at(ready, later), decide(ready, Memory(), rules, NOW).memory, rules, later
    ).memory

    decision = decide(at(silent, later + 1), memory, rules, later + 1)

    assert decision.actions == ()
    assert only(decision, FindingKind.NODE_NOT_READY).state is FindingState.WAITING


def test_people_are_told_of_what_is_stuck_where_the_rules_leave_it_to_them() -> None:
    away = one(node("a", Ready.UNKNOWN, **in_use(V1)), va=va(deleting_since=NOW))

    for policy, state in (
        (InUse.NEVER, [FOR_PEOPLE]),
        (InUse.FENCED, [FOR_PEOPLE]),
        (InUse.ALWAYS, []),
    ):
        decision = decide_after(RULES.stuck, away, replace(RULES, in_use=policy))
        stuck = of_kind(decision, FindingKind.ATTACHMENT_STUCK)
        assert [finding.state for finding in stuck] == state


def test_an_attachment_that_nothing_keeps_is_not_stuck() -> None:
    leaving = one(node("a"), va=va(deleting_since=NOW, finalizers=()))

    assert of_kind(decide_after(RULES.stuck, leaving), FindingKind.ATTACHMENT_STUCK) == []


def test_a_node_is_read_with_its_taints_its_readiness_and_what_it_uses() -> None:
    item = {
        "metadata": {"name": "a", "uid": "u", "annotations": {f"{DRIVER}/host-nqn": "nqn.h"}},
        "spec": {"taints": [{"key": OUT_OF_SERVICE}]},
        "status": {
            "conditions": [{"type": "Ready", "status": "False"}],
            "volumesInUse": [f"kubernetes.io/csi/{DRIVER}^{V1}", "kubernetes.io/csi/other^x"],
        },
    }

    found = read_node(item, DRIVER)

    assert (found.ready, found.out_of_service, found.host_nqn) == (Ready.NO, True, "nqn.h")
    assert found.volumes_in_use == {V1}
    assert read_node({"metadata": {"name": "b"}}, DRIVER).ready is Ready.UNKNOWN


def test_a_view_without_a_claim_is_of_no_attachment() -> None:
    orphaned = one(None, view=replace(view(), uid=""))

    finding = only(decide_after(RULES.node_gone, orphaned), FindingKind.NODE_GONE)

    assert finding.state is FindingState.HELD_BACK


def test_what_is_referred_to_by_no_id_is_neither_half_there_nor_lost() -> None:
    content = SnapshotContent("c", "uid-c", DRIVER, handles=("/etc",))
    leaving = SnapshotContent("d", "uid-d", DRIVER, handles=("snap-x",), deleting_since=NOW)
    odd = seen(pvs=[pv("/etc", name="odd")], contents=[content, leaving], devices=[device()])

    decision = decide_after(RULES.half_state, odd)

    assert [finding.kind for finding in decision.findings] == []


def test_a_file_that_no_id_could_name_is_never_an_orphan_of_this_driver() -> None:
    strange = leftover("x y", path="/raid10/volumes/x y.img")

    decision = decide_after(ACTIVE.orphan, seen(devices=[device(leftovers=[strange])]), ACTIVE)

    assert decision.actions == ()


def test_two_views_of_one_claim_that_differ_are_none() -> None:
    gone = one(None)
    views = [view(), view(admission=Admission.SHUT_OUT)]
    torn = replace(gone, views=replace(gone.views, items=tuple(views)))

    decision = decide_after(RULES.node_gone, torn)

    assert only(decision, FindingKind.NODE_GONE).state is FindingState.HELD_BACK


def test_a_large_cluster_is_decided_about_in_pieces_with_the_same_result() -> None:
    volumes = [volume(volume_id(n)) for n in MANY]
    large = seen(
        nodes=[node("b")],
        vas=[va(volume_id(n)) for n in MANY],
        pvs=[pv(volume_id(n)) for n in MANY],
        devices=[device(*volumes)],
        views=[view(volume_id(n)) for n in MANY],
    )

    steps = list(decide_steps(large, Memory(), RULES, NOW))

    assert [step for step in steps if step is not None] == [decide(large, Memory(), RULES, NOW)]
    assert len(steps) > 3 * len(MANY) // PIECE


def test_many_orphans_are_ended_in_pieces_and_none_is_forgotten() -> None:
    left = seen(devices=[device(*(volume(volume_id(n)) for n in MANY))], nodes=[node("b")])

    decision = decide_after(ACTIVE.orphan, left, ACTIVE)

    assert len(of_kind(decision, FindingKind.ORPHAN_VOLUME)) == len(MANY)


def decisions(count: int) -> Iterator[tuple[str, OrphanDecision]]:
    for number in range(count):
        yield f"file rds /pool/{number}", OrphanDecision(Kind.IGNORED, "f", "ann", "x" * 200, NOW)


def test_a_memory_of_decisions_alone_can_be_too_much() -> None:
    too_many = Memory(decisions=dict(decisions(MAX_BYTES // 200)))

    with pytest.raises(Exhausted, match=f"more than {MAX_BYTES}"):
        render_memory(too_many, NOW)


def test_removals_are_remembered_in_order() -> None:
    memory = Memory().removed(NOW).removed(NOW + 1)

    assert memory.removals == (NOW, NOW + 1)
    assert all(one < other for one, other in pairwise(memory.removals))
