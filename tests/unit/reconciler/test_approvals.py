"""An approval is for one removal, of what it was given for."""

from dataclasses import replace
from typing import Any

import pytest

from services.reconciler.findings import Finding, FindingKind, FindingState, orphan_key
from services.reconciler.inventory import Seen
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision, Pause
from services.reconciler.model import ItemKind, SnapshotContent
from services.reconciler.plan.approvals import given_back, objection, used
from services.reconciler.plan.decide import decide
from tests.unit.reconciler.fleet import APPROVED, CONTENT, KEY, LIVE, S1, fleet, removed, said
from tests.unit.reconciler.values import (
    ACTIVE,
    BASE,
    DEVICE,
    DRIVER,
    NOW,
    RULES,
    V1,
    at,
    device,
    listed,
    node,
    only,
    pv,
    va,
    view,
    volume,
    volume_id,
)

ORPHAN = FindingKind.ORPHAN_VOLUME
ON_B = volume_id(1, "b")
LEFT = f"{BASE}/{V1}"
EMPTY = SnapshotContent("c", "u", DRIVER)


def approved(kind: ItemKind, item_id: str, name: str = DEVICE) -> Memory:
    return said(DecisionKind.APPROVED, orphan_key(kind, name, item_id), "print")


def unlisted(**given: Any) -> Seen:
    """Return what a pass sees that does not list devices."""
    seen = fleet(**given)
    return replace(seen, devices=replace(listed(()), complete=False, error="not listed"))


def chosen(memory: Memory = APPROVED, now: float = NOW) -> tuple[Memory, Finding]:
    decision = decide(at(fleet(volume()), now), memory, RULES, now)
    return decision.memory, only(decision, ORPHAN)


def test_what_is_put_back_before_anybody_looked_waits_and_is_left_in_a_dry_run() -> None:
    memory, orphan = chosen()

    put_back = decide(fleet(volume()), used(memory, orphan, NOW), RULES, NOW + 1)

    assert removed(put_back) == []
    found = only(put_back, ORPHAN)
    assert (found.state, found.first_seen) == (FindingState.WAITING, NOW)
    assert put_back.memory.decisions == {}


def test_what_has_waited_and_is_put_back_waits_anew() -> None:
    first = decide(fleet(volume()), Memory(), ACTIVE, NOW).memory
    then = NOW + ACTIVE.orphan + 1.23
    due = decide(at(fleet(volume()), then), first, ACTIVE, then)

    memory = used(due.memory, only(due, ORPHAN), then)
    again = decide(at(fleet(volume()), then), memory, ACTIVE, then)

    assert removed(due) == [V1]
    assert removed(again) == []
    assert only(again, ORPHAN).first_seen == then + 0.07


@pytest.mark.parametrize(
    "seen",
    [
        fleet(),
        fleet(volume(fingerprint="changed")),
        fleet(volume(), pvs=[*LIVE, pv(V1, reclaim_policy="Retain")]),
        fleet(volume(), nodes=[node(volumes_in_use=frozenset({V1}))]),
        fleet(volume(), vas=[va()]),
        fleet(volume(), views=[view()]),
        unlisted(pvs=[*LIVE, pv(V1)]),
        unlisted(nodes=[node(volumes_in_use=frozenset({f"{V1}@{DEVICE}"}))]),
    ],
)
def test_an_approval_ends_when_what_it_is_for_is_gone_changed_or_needed(seen: Seen) -> None:
    after = decide(seen, APPROVED, ACTIVE, NOW).memory

    assert after.decisions == {}
    assert removed(decide(fleet(volume()), after, ACTIVE, NOW + 1)) == []


@pytest.mark.parametrize(
    "seen",
    [fleet(volume()), unlisted(), fleet(devices=[device(complete=False)])],
)
def test_an_approval_stays_where_nothing_says_otherwise(seen: Seen) -> None:
    assert decide(seen, APPROVED, ACTIVE, NOW).memory.decisions == APPROVED.decisions


@pytest.mark.parametrize("part", ["nodes", "attachments", "volumes", "contents", "views"])
def test_a_listing_that_is_not_sound_ends_no_approval(part: str) -> None:
    seen = unlisted(pvs=[*LIVE, pv(V1)])
    partial = replace(seen, **{part: replace(getattr(seen, part), complete=False)})

    assert decide(partial, APPROVED, ACTIVE, NOW).memory.decisions == APPROVED.decisions


@pytest.mark.parametrize(
    ("memory", "given", "stays"),
    [
        (approved(ItemKind.FILE, f"{LEFT}.img"), {"pvs": [pv(V1)]}, False),
        (approved(ItemKind.FILE, f"{LEFT}.img"), {"pvs": [pv(volume_id(2))]}, True),
        (approved(ItemKind.FILE, f"{LEFT}.iso"), {"pvs": [pv(V1)]}, True),
        (approved(ItemKind.FILE, f"{LEFT}.img of old"), {"contents": [CONTENT, EMPTY]}, True),
        (approved(ItemKind.SUBVOLUME, LEFT), {"vas": [va()], "pvs": []}, False),
        (approved(ItemKind.VOLUME, ON_B, "b"), {"pvs": [pv(V1)]}, True),
        (approved(ItemKind.VOLUME, ON_B, "b"), {"pvs": [pv(ON_B)]}, False),
        (approved(ItemKind.FILE, f"{LEFT}.img", "b"), {"pvs": [pv(ON_B)]}, False),
        (
            approved(ItemKind.SNAPSHOT, S1),
            {"contents": [CONTENT, SnapshotContent("c", "u", DRIVER, handles=(S1,))]},
            False,
        ),
        (approved(ItemKind.SNAPSHOT, S1), {"views": [view(S1)]}, True),
    ],
)
def test_what_lies_on_a_device_that_was_not_listed_is_known_by_its_key(
    memory: Memory, given: dict[str, Any], *, stays: bool
) -> None:
    assert bool(decide(unlisted(**given), memory, ACTIVE, NOW).memory.decisions) is stays


def test_what_is_to_be_left_stays_so_until_that_ends() -> None:
    forever = said(DecisionKind.IGNORED, KEY, "print")
    until = said(DecisionKind.IGNORED, KEY, "print", until=NOW + 1)

    assert decide(fleet(), forever, ACTIVE, NOW).memory.decisions == forever.decisions
    assert decide(fleet(), until, ACTIVE, NOW).memory.decisions == until.decisions
    assert decide(fleet(), until, ACTIVE, NOW + 1).memory.decisions == {}


def test_an_approval_that_is_used_up_ends_also_where_devices_are_not_listed() -> None:
    memory, orphan = chosen()

    assert decide(unlisted(), used(memory, orphan, NOW), RULES, NOW).memory.decisions == {}


def test_nothing_is_done_once_what_it_rests_on_has_changed() -> None:
    memory, orphan = chosen()
    later = replace(memory, first_seen={orphan.id: NOW + 1})
    other = OrphanDecision(DecisionKind.IGNORED, "", "bert", "", NOW)
    paused = replace(memory, paused=Pause("why", "bert", NOW, until=NOW + 1))

    assert objection(memory, orphan, NOW) == ""
    for changed in (later, memory.withdrawn(KEY), memory.decided(KEY, other), Memory()):
        assert "has changed meanwhile" in objection(changed, orphan, NOW)
    assert "has changed meanwhile" in objection(used(memory, orphan, NOW + 1), orphan, NOW)
    assert objection(paused, orphan, NOW) == "bert paused everything"
    assert objection(paused, orphan, NOW + 1) == ""


def test_what_is_no_orphan_is_held_up_by_the_pause_alone() -> None:
    other = replace(chosen()[1], orphan=None)
    paused = Memory(paused=Pause("why", "bert", NOW))

    assert objection(Memory(), other, NOW) == ""
    assert objection(paused, other, NOW) == "bert paused everything"


def test_a_removal_that_did_not_happen_gives_back_what_it_used_up() -> None:
    memory, orphan = chosen(replace(APPROVED, removals=(NOW - 5, NOW)))
    waited = replace(orphan, orphan=orphan.orphan and replace(orphan.orphan, decision=None))

    spent = used(memory, orphan, NOW + 1.23)

    assert spent.removals == (NOW - 5, NOW, NOW + 1.23)
    assert spent.decisions[KEY].until == 0
    assert given_back(spent, orphan, NOW + 1.23) == memory
    assert given_back(used(memory, waited, NOW), waited, NOW).decisions == memory.decisions


def test_what_no_decision_is_about_uses_none_up() -> None:
    memory, orphan = chosen()
    other = replace(orphan, orphan=None)

    spent = used(memory, other, NOW + 1)

    assert spent.decisions == memory.decisions
    assert given_back(spent, other, NOW + 1) == memory


def test_what_has_changed_since_is_not_given_back() -> None:
    memory, orphan = chosen()
    spent = used(memory, orphan, NOW + 1)
    seen_gone = decide(fleet(), spent, RULES, NOW + 2).memory

    assert given_back(seen_gone, orphan, NOW + 1) == replace(seen_gone, removals=())
    withdrawn = given_back(spent.withdrawn(KEY), orphan, NOW + 1)
    assert withdrawn == memory.withdrawn(KEY)
    assert given_back(Memory(), orphan, NOW + 1) == Memory()
