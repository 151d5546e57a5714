"""What nothing refers to: when it is chosen, and all that keeps it from being."""

from dataclasses import replace

import pytest

from services.reconciler.findings import ActionKind, Decision, FindingKind, FindingState, orphan_key
from services.reconciler.inventory import Seen
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision, Pause
from services.reconciler.model import HalfState, ItemKind, SnapshotContent
from services.reconciler.plan.decide import decide
from services.reconciler.rules import Rules
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
    of_kind,
    only,
    pv,
    seen,
    snapshot,
    snapshot_id,
    va,
    view,
    volume,
    volume_id,
)

FORMER = volume_id(1)
LIVE = [pv(volume_id(100 + number)) for number in range(40)]
STOCK = [volume(one.handle) for one in LIVE]
CONTENT = SnapshotContent("snapcontent-x", "uid-x", DRIVER, handles=(snapshot_id(50),))
S1 = snapshot_id(1)


def fleet(*orphans: object, **given: object) -> Seen:
    """Return forty live volumes, and what nothing refers to."""
    volumes = [one for one in orphans if type(one) is type(STOCK[0])]
    snapshots = [one for one in orphans if type(one) is type(snapshot(S1))]
    leftovers = [one for one in orphans if type(one) is type(leftover(V1))]
    whole = device(
        *STOCK,
        *volumes,
        snapshots=[snapshot(snapshot_id(50)), *snapshots],
        leftovers=leftovers,
    )
    base = {"pvs": LIVE, "contents": [CONTENT], "devices": [whole], "nodes": [node()]}
    return seen(**(base | given))  # type: ignore[arg-type]


def removed(decision: Decision) -> list[str]:
    return [a.item_id for a in decision.actions if a.kind is ActionKind.DELETE_ORPHAN]


def said(kind: DecisionKind, key: str, fingerprint: str, until: float | None = None) -> Memory:
    decision = OrphanDecision(kind, fingerprint, "anna", "old test", NOW, until)
    return Memory().decided(key, decision)


KEY = orphan_key(ItemKind.VOLUME, DEVICE, V1)
APPROVED = said(DecisionKind.APPROVED, KEY, volume().fingerprint)


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


def test_what_a_person_approved_goes_without_waiting_even_in_a_dry_run() -> None:
    decision = decide(fleet(volume()), APPROVED, RULES, NOW)

    assert removed(decision) == [V1]
    assert "anna" in decision.actions[0].reason


def test_an_approval_holds_only_for_what_was_approved() -> None:
    changed = decide(fleet(volume(fingerprint="changed")), APPROVED, RULES, NOW)
    expired = said(DecisionKind.APPROVED, KEY, volume().fingerprint, until=NOW)

    assert removed(changed) == []
    assert removed(decide(fleet(volume()), expired, RULES, NOW)) == []


def test_what_a_person_said_to_leave_is_left_whatever_becomes_of_it() -> None:
    memory = said(DecisionKind.IGNORED, KEY, "an older fingerprint")

    decision = decide_after(1e9, fleet(volume()), ACTIVE, memory)

    assert removed(decision) == []
    assert only(decision, FindingKind.ORPHAN_VOLUME).state is FindingState.IGNORED


@pytest.mark.parametrize(
    ("count", "rules", "words"),
    [
        (3, replace(ACTIVE, max_orphans=2), "more than 2 in a pass"),
        (7, ACTIVE, "more than 10 %"),
    ],
)
def test_a_pass_that_would_remove_too_much_removes_none_and_says_so(
    count: int, rules: Rules, words: str
) -> None:
    many = fleet(*[volume(volume_id(number)) for number in range(1, count + 1)])

    decision = decide_after(rules.orphan, many, rules)

    assert removed(decision) == []
    assert words in decision.stopped
    assert len(of_kind(decision, FindingKind.ORPHAN_VOLUME)) == count


def test_what_was_approved_goes_as_far_as_the_limit_though_the_rest_is_stopped() -> None:
    many = fleet(*[volume(volume_id(number)) for number in range(1, 9)])
    memory = Memory()
    for number in range(1, 4):
        key = orphan_key(ItemKind.VOLUME, DEVICE, volume_id(number))
        wanted = OrphanDecision(
            DecisionKind.APPROVED, volume(volume_id(number)).fingerprint, "anna", "", NOW + number
        )
        memory = memory.decided(key, wanted)
    rules = replace(ACTIVE, max_orphans=2)

    decision = decide_after(rules.orphan, many, rules, memory)

    assert sorted(removed(decision)) == [volume_id(1), volume_id(2)]
    assert decision.stopped


def test_an_hour_has_room_for_so_many_removals() -> None:
    first = decide(fleet(volume()), Memory(), ACTIVE, NOW).memory
    then = NOW + ACTIVE.orphan + 1
    times = [then - number for number in range(ACTIVE.max_orphans_hourly)]

    full = decide(at(fleet(volume()), then), replace(first, removals=tuple(times)), ACTIVE, then)
    room = decide(
        at(fleet(volume()), then), replace(first, removals=tuple(times[1:])), ACTIVE, then
    )

    assert removed(full) == []
    assert removed(room) == [V1]


def test_without_one_object_of_ours_in_the_cluster_nothing_is_removed() -> None:
    wrong_cluster = fleet(volume(), snapshot(S1), pvs=[], contents=[])
    no_such_resource = fleet(snapshot(S1), contents=None)
    rules = replace(ACTIVE, max_orphans=100, max_orphans_percent=100)

    assert removed(decide_after(1e9, wrong_cluster, rules)) == []
    assert removed(decide_after(1e9, no_such_resource, rules)) == []
    assert removed(decide(wrong_cluster, APPROVED, rules, NOW)) == [V1]


def test_what_a_deleted_object_said_to_retain_is_left_to_people() -> None:
    kept = fleet(volume(), pvs=[*LIVE, pv(V1, reclaim_policy="Retain")])
    memory = decide(kept, Memory(), ACTIVE, NOW).memory

    decision = decide_after(1e9, fleet(volume()), ACTIVE, memory)
    gone = decide(fleet(), memory, ACTIVE, NOW)

    assert removed(decision) == []
    assert only(decision, FindingKind.ORPHAN_VOLUME).state is FindingState.FOR_PEOPLE
    assert gone.memory.retained == frozenset()


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


def test_while_paused_findings_are_held_back_and_nothing_is_done() -> None:
    paused = replace(APPROVED, paused=Pause("maintenance", "anna", NOW))

    decision = decide(fleet(volume()), paused, RULES, NOW)
    ended = replace(APPROVED, paused=Pause("maintenance", "anna", NOW, until=NOW))

    assert decision.actions == ()
    assert only(decision, FindingKind.ORPHAN_VOLUME).state is FindingState.HELD_BACK
    assert removed(decide(fleet(volume()), ended, RULES, NOW)) == [V1]
