"""What a pass comes to as a whole: its order, its memory, its news, and the pieces it comes in."""

from dataclasses import replace
from typing import Any

import pytest

from services.reconciler.findings import ActionKind, FindingKind, FindingState
from services.reconciler.inventory import PIECE, Seen
from services.reconciler.memory import (
    DecisionKind,
    Memory,
    OrphanDecision,
    Pause,
    mark,
    trace,
)
from services.reconciler.model import Admission, AttachmentState, Ready, SnapshotContent
from services.reconciler.plan.decide import decide, decide_steps
from tests.unit.reconciler.fleet import APPROVED, fleet
from tests.unit.reconciler.values import (
    ACTIVE,
    BASE,
    DRIVER,
    NOW,
    RULES,
    V1,
    V2,
    decide_after,
    device,
    in_use,
    kinds,
    leftover,
    listed,
    node,
    one,
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

NQN = "nqn.2014-08.org.nvmexpress:uuid:"
S1 = snapshot_id(1)
PARTS = 9
"""How often a pass over next to nothing gives way, and its decision."""
KEPT = Memory(retained=frozenset({mark(V1), mark(S1)}))


def disorder() -> Seen:
    """Return a cluster where each kind of action is due twice."""
    ids = [volume_id(number) for number in range(1, 13)]
    on = ["gone", "gone", "away", "away", "gone", "gone", "idle", "idle", "up", "up"]
    deleting = {"deleting_since": NOW}
    states = [AttachmentState.ATTACHED] * 4 + [AttachmentState.DETACHED] * 2
    states += [AttachmentState.ATTACHED] * 4
    admissions = [Admission.EVERYBODY] * 2 + [Admission.ADMITTED] * 2
    admissions += [Admission.SHUT_OUT] * 6
    rows = list(zip(ids, on, states, admissions, strict=False))
    stuck = {volume_id(5), volume_id(6)}
    return seen(
        nodes=[
            node("away", Ready.NO),
            node("idle"),
            *[node(name, **in_use(*ids)) for name in ("up", "b", "c", "d")],
        ],
        vas=[va(one_, name, **(deleting if one_ in stuck else {})) for one_, name, *_ in rows],
        pvs=[pv(one_) for one_ in ids[:10]],
        devices=[device(*map(volume, ids))],
        views=[view(*row) for row in rows],
    )


def test_actions_go_from_the_most_urgent_to_the_least_and_findings_by_their_ids() -> None:
    rules = replace(ACTIVE, orphan=0.0, max_orphans_percent=100)

    decision = decide_after(1e4, disorder(), rules)

    order = [
        ActionKind.FENCE,
        ActionKind.DETACH,
        ActionKind.DELETE_ATTACHMENT,
        ActionKind.REMOVE_FINALIZER,
        ActionKind.UNFENCE,
    ]
    assert kinds(decision) == [kind for kind in order for _ in range(2)]
    ids = [finding.id for finding in decision.findings]
    assert ids == sorted(ids)
    for kind in order:
        same = [action.finding_id for action in decision.actions if action.kind is kind]
        assert same == sorted(same)


def test_an_orphan_goes_last() -> None:
    rules = replace(ACTIVE, orphan=0.0)
    gone = replace(fleet(volume()), attachments=listed([va(volume_id(100), "gone")]))

    decision = decide_after(1e4, replace(gone, views=listed([view(volume_id(100), "gone")])), rules)

    assert kinds(decision) == [ActionKind.DETACH, ActionKind.DELETE_ORPHAN]


def test_findings_are_counted_and_the_first_to_fall_due_is_told() -> None:
    both = seen(nodes=[node("b")], vas=[va(), va(V2)], pvs=[pv(), pv(V2), pv(volume_id(3))])
    with_device = replace(both, devices=listed([device(volume(), volume(V2))]))

    decision = decide(with_device, Memory(), RULES, NOW)

    assert decision.counts == {FindingKind.NODE_GONE: 2, FindingKind.VOLUME_MISSING: 1}
    assert decision.next_due == NOW + RULES.node_gone
    assert decide(seen(), Memory(), RULES, NOW).next_due is None


def opinion(until: float | None) -> OrphanDecision:
    return OrphanDecision(DecisionKind.IGNORED, "f", "anna", "why", NOW, until)


def test_what_is_over_is_forgotten_and_nothing_else() -> None:
    opinions = {"never": opinion(None), "later": opinion(NOW + 0.1), "now": opinion(NOW)}
    removals = (NOW - 1, NOW - 3599.9, NOW - 3600, NOW - 5000)
    memory = Memory(
        first_seen={"node-gone-b1fe00": NOW - 9},
        decisions=opinions,
        paused=Pause("why", "anna", NOW - 5, NOW),
        removals=removals,
        told=frozenset({"0" * 12}),
        saved_at=7.0,
    )

    left = decide(seen(), memory, RULES, NOW).memory

    assert left == Memory(
        decisions={"never": opinion(None), "later": opinion(NOW + 0.1)},
        removals=(NOW - 3599.9, NOW - 1),
        saved_at=7.0,
    )


@pytest.mark.parametrize(
    ("found", "left"),
    [
        (seen(devices=[device(volume(), snapshots=[snapshot(S1)])]), {V1, S1}),
        (seen(devices=[device(leftovers=[leftover(V1)], snapshots=[snapshot(S1)])]), {V1, S1}),
        (seen(devices=[device(volume())]), {V1}),
        (seen(devices=[device()]), set()),
        (seen(), set()),
        (replace(seen(), devices=replace(listed([device()]), complete=False)), {V1, S1}),
        (seen(devices=[device(), device(device="b", complete=False)]), {V1, S1}),
        (seen(pvs=[pv()], devices=[device(volume())]), set()),
        (seen(pvs=[pv(reclaim_policy="Retain")], devices=[device()]), {V1}),
        (seen(pvs=[pv(V2, reclaim_policy="Retain")], devices=[device(volume())]), {V1, V2}),
        (
            replace(
                seen(devices=[device(volume())]),
                volumes=replace(listed([pv()]), complete=False),
            ),
            {V1},
        ),
        (
            seen(
                contents=[SnapshotContent("c", "u", DRIVER, (S1,), deletion_policy="Retain")],
                devices=[device()],
            ),
            {S1},
        ),
        (
            seen(
                contents=[SnapshotContent("c", "u", DRIVER, (S1,))],
                devices=[device(snapshots=[snapshot(S1)])],
            ),
            set(),
        ),
        (
            replace(
                seen(devices=[device(snapshots=[snapshot(S1)])]),
                contents=replace(
                    listed([SnapshotContent("c", "u", DRIVER, (S1,))]), complete=False
                ),
            ),
            {S1},
        ),
    ],
)
def test_what_is_to_be_retained_is_known_until_it_is_gone_or_said_otherwise(
    found: Seen, left: set[str]
) -> None:
    decision = decide(found, KEPT, RULES, NOW)

    assert decision.memory.retained == {mark(one_) for one_ in left}


def test_an_object_that_says_to_retain_is_remembered_the_first_time() -> None:
    retaining = SnapshotContent("c", "u", DRIVER, (S1,), deletion_policy="Retain")
    both = seen(pvs=[pv(reclaim_policy="Retain"), pv(V2)], contents=[retaining])

    decision = decide(both, Memory(), RULES, NOW)

    assert decision.memory.retained == {mark(V1), mark(S1)}


@pytest.mark.parametrize(
    ("grace", "after", "is_news"),
    [
        (0.0, 0.05, True),
        (-1.0, 0.05, True),
        (1.0, 0.05, False),
        (10.0, 9.9, False),
        (10.0, 10.0, True),
        (10.0, 10.1, True),
    ],
)
def test_an_orphan_is_news_once_it_has_waited(
    grace: float,
    after: float,
    is_news: bool,  # noqa: FBT001 (an expectation)
) -> None:
    rules = replace(RULES, orphan=grace)
    first = decide(fleet(volume()), Memory(), rules, NOW).memory if after > 1 else Memory()

    decision = decide(fleet(volume()), first, rules, NOW + after)

    finding = only(decision, FindingKind.ORPHAN_VOLUME)
    assert decision.found == ((finding,) if is_news else ())
    assert decision.memory.told == ({trace(finding.id)} if is_news else frozenset())


def test_a_pause_says_who_asked_for_it_and_changes_only_what_would_be_done() -> None:
    pause = Pause("work", "anna", NOW)
    due = decide(fleet(volume()), APPROVED, RULES, NOW)
    waiting = decide(one(None), Memory(), RULES, NOW)

    held = decide(fleet(volume()), replace(APPROVED, paused=pause), RULES, NOW)
    same = decide(one(None), Memory(paused=pause), RULES, NOW)

    (finding,) = due.findings
    words = "anna paused everything: work"
    assert held.findings == (
        replace(finding, state=FindingState.HELD_BACK, next=words, due=None, actions=()),
    )
    assert held.memory.paused == pause
    assert same.findings == waiting.findings


def many(count: int, **parts: Any) -> Seen:
    """Return a cluster that has so many of some things."""
    numbers = range(1000, 1000 + count)
    made: dict[str, Any] = {
        "nodes": [node(f"n{n}") for n in numbers],
        "vas": [va(volume_id(n), "a") for n in numbers],
        "pvs": [pv(volume_id(n), driver="other.csi") for n in numbers],
        "contents": [SnapshotContent(f"c{n}", "u", "other.csi") for n in numbers],
        "views": [view(volume_id(n), "gone") for n in numbers],
        "volumes": [volume(volume_id(n)) for n in numbers],
        "left": [leftover(volume_id(n), path=f"{BASE}/{n}") for n in numbers],
        "snapshots": [snapshot(snapshot_id(n)) for n in numbers],
        "own": [pv(volume_id(n)) for n in numbers],
    }
    given = {name: made[name] for name in parts}
    listing = device(
        *given.pop("volumes", ()),
        snapshots=given.pop("snapshots", ()),
        leftovers=given.pop("left", ()),
    )
    if "own" in given:
        given["pvs"] = given.pop("own")
    return seen(devices=[listing], **given)


@pytest.mark.parametrize(
    ("part", "pieces"),
    [
        ("nodes", 1),
        ("vas", 2),
        ("pvs", 1),
        ("contents", 1),
        ("views", 1),
        ("volumes", 2),
        ("left", 1),
        ("snapshots", 1),
        ("own", 3),
    ],
)
def test_a_pass_lets_others_go_on_after_so_many_items_of_each_kind(part: str, pieces: int) -> None:
    counts = [
        len(list(decide_steps(many(count, **{part: 1}), Memory(), RULES, NOW)))
        for count in (0, PIECE - 1, PIECE, 2 * PIECE - 1, 2 * PIECE)
    ]

    assert [count - PARTS for count in counts] == [0, 0, pieces, pieces, 2 * pieces]
