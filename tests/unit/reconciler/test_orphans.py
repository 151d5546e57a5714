"""What nothing refers to: when it is chosen, and what keeps it from being."""

from dataclasses import replace

import pytest

from services.reconciler.findings import FindingKind, FindingState
from services.reconciler.inventory import Seen
from services.reconciler.memory import Memory
from services.reconciler.model import HalfState, ItemKind, SnapshotContent
from services.reconciler.plan.decide import decide
from tests.unit.reconciler.fleet import APPROVED, CONTENT, LIVE, S1, fleet, removed
from tests.unit.reconciler.values import (
    ACTIVE,
    BASE,
    DEVICE,
    DRIVER,
    NOW,
    RULES,
    V1,
    V2,
    at,
    decide_after,
    device,
    in_use,
    leftover,
    listed,
    node,
    only,
    pv,
    seen,
    snapshot,
    va,
    view,
    volume,
)


@pytest.mark.parametrize(
    ("orphan", "item_id"),
    [
        (volume(), V1),
        (snapshot(S1), S1),
        (leftover(V1), f"{BASE}/{V1}.img"),
        (leftover(V1, ItemKind.SUBVOLUME, path=f"{BASE}/{V1}"), f"{BASE}/{V1}"),
        (volume(half_state=HalfState.NO_FILE), V1),
    ],
)
def test_an_orphan_is_removed_after_the_grace_period_as_it_was_listed(
    orphan: object, item_id: str
) -> None:
    early = decide_after(ACTIVE.orphan - 1, fleet(orphan), ACTIVE)
    late = decide_after(ACTIVE.orphan, fleet(orphan), ACTIVE)

    assert removed(early) == []
    assert removed(late) == [item_id]
    assert late.actions[0].fingerprint


def test_a_dry_run_reports_orphans_and_removes_none() -> None:
    decision = decide_after(1e9, fleet(volume()), RULES)

    assert removed(decision) == []
    assert only(decision, FindingKind.ORPHAN_VOLUME).state is FindingState.HELD_BACK


@pytest.mark.parametrize(
    "needed",
    [
        fleet(volume(), pvs=[*LIVE, pv(V1)]),
        fleet(volume(), pvs=[*LIVE, pv(V1, phase="Released", deleting_since=1.0)]),
        fleet(volume(), pvs=[*LIVE, pv(V1, name="static")]),
        fleet(volume(), pvs=[*LIVE, pv(V1, name="x", driver="other.csi")]),
        fleet(volume(), pvs=[*LIVE, pv("legacy-id", name=V1, driver="other.csi")]),
        fleet(volume(), pvs=[*LIVE, pv("", name=V1, driver="")]),
        fleet(volume(), pvs=[*LIVE, pv(f"{V1}@{DEVICE}", name="spelled-out")]),
        fleet(volume(), vas=[va(V1)]),
        fleet(volume(), views=[view(V1)]),
        fleet(volume(), nodes=[node("a", **in_use(V1))]),
        fleet(volume(), contents=[CONTENT, SnapshotContent("c", "u", DRIVER, source=V1)]),
        fleet(leftover(V1), pvs=[*LIVE, pv(V1)]),
        fleet(snapshot(S1), contents=[CONTENT, SnapshotContent("c", "u", "other", handles=(S1,))]),
        fleet(
            snapshot(S1),
            contents=[CONTENT, SnapshotContent(f"snapcontent-{S1[5:]}", "u", DRIVER, source=V2)],
        ),
    ],
)
def test_what_anything_in_the_cluster_needs_is_never_an_orphan(needed: Seen) -> None:
    decision = decide_after(1e9, needed, ACTIVE, Memory(decisions=APPROVED.decisions))

    assert removed(decision) == []
    assert [f for f in decision.findings if f.orphan is not None] == []


@pytest.mark.parametrize(
    "foreign",
    [
        volume("disk1", fingerprint="f"),
        volume(V1, path="/raid10/other/x.img"),
        volume(V1, path=f"{BASE}/../other/x.img"),
        volume(V1, path=f"{BASE}x/{V1}.img"),
        volume(V1, fingerprint=""),
        volume(f"{V1}@elsewhere", path=f"{BASE}/{V1}.img"),
        volume(V1, half_state=HalfState.ELSEWHERE),
        volume(V1, copying_to=(V2,)),
        leftover(V1, managed=False),
        snapshot("snap.odd"),
    ],
)
def test_what_is_not_this_drivers_or_is_being_copied_is_never_removed(foreign: object) -> None:
    decision = decide_after(1e9, fleet(foreign), ACTIVE)

    assert removed(decision) == []


def test_what_a_node_is_let_in_to_is_not_removed() -> None:
    nqn = "nqn.2014-08.org.nvmexpress:uuid:a"
    fenced = volume(fenced=True, allowed_hosts=(nqn,))

    decision = decide_after(1e9, fleet(fenced, nodes=[node(host_nqn=nqn)]), ACTIVE)

    assert removed(decision) == []


@pytest.mark.parametrize("part", ["nodes", "attachments", "volumes", "contents", "views"])
@pytest.mark.parametrize("fault", ["partial", "stale", "in the future"])
def test_no_orphan_is_removed_on_a_listing_that_is_not_sound(part: str, fault: str) -> None:
    orphan = fleet(volume(), snapshot(S1))
    sighted = decide(orphan, Memory(), ACTIVE, NOW).memory
    then = NOW + ACTIVE.orphan + 1
    later = at(orphan, then)
    good = getattr(later, part)
    bad = {
        "partial": replace(good, complete=False),
        "stale": replace(good, read_at=then - ACTIVE.max_age - 1),
        "in the future": replace(good, read_at=then + 1),
    }

    decision = decide(replace(later, **{part: bad[fault]}), sighted, ACTIVE, then)
    mended = decide(later, decision.memory, ACTIVE, then)

    assert removed(decision) == []
    assert decision.incomplete
    assert len(removed(mended)) == 2, "waiting goes on over a listing that failed"


@pytest.mark.parametrize(
    "listing", [device(volume(), complete=False, error="cut off"), device(volume(), read_at=1.0)]
)
def test_no_orphan_is_removed_from_a_device_that_was_not_listed_whole(listing: object) -> None:
    decision = decide_after(1e9, seen(pvs=LIVE, devices=[listing]), ACTIVE, APPROVED)

    assert removed(decision) == []
    assert only(decision, FindingKind.UNREADABLE).subject.device == DEVICE


def test_a_volume_listed_after_the_cluster_was_read_is_not_judged() -> None:
    orphan = fleet(volume())
    raced = replace(orphan, volumes=replace(orphan.volumes, read_at=NOW - 5))

    decision = decide(raced, APPROVED, ACTIVE, NOW)

    assert removed(decision) == []
    assert any("read before the device" in line for line in decision.incomplete)


def test_without_one_object_of_ours_in_the_cluster_nothing_is_removed() -> None:
    wrong_cluster = fleet(volume(), snapshot(S1), pvs=[], contents=[])
    no_such_resource = fleet(snapshot(S1), contents=None)
    rules = replace(ACTIVE, max_orphans=100, max_orphans_percent=100)

    assert removed(decide_after(1e9, wrong_cluster, rules)) == []
    assert removed(decide_after(1e9, no_such_resource, rules)) == []
    assert removed(decide(wrong_cluster, APPROVED, rules, NOW)) == [V1]


def test_an_orphan_that_was_needed_for_a_moment_waits_anew() -> None:
    first = decide(fleet(volume()), Memory(), ACTIVE, NOW)
    needed = decide(fleet(volume(), pvs=[*LIVE, pv(V1)]), first.memory, ACTIVE, NOW)

    again = decide_after(ACTIVE.orphan - 1, fleet(volume()), ACTIVE, needed.memory)

    assert removed(again) == []


def test_a_volume_of_the_same_name_on_another_device_protects_nothing() -> None:
    other = device(device="b", is_default=False)
    moved = fleet(volume(), pvs=[*LIVE, pv(f"{V1}@b")])
    both = replace(moved, devices=listed([*moved.devices.items, other]))

    decision = decide_after(ACTIVE.orphan, both, ACTIVE)

    assert removed(decision) == [V1]
