"""What people said about orphans, and how many may go at once."""

from dataclasses import replace

import pytest

from services.reconciler.findings import FindingKind, FindingState, orphan_key
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision, Pause
from services.reconciler.model import ItemKind
from services.reconciler.plan.decide import decide
from services.reconciler.rules import Rules
from tests.unit.reconciler.fleet import APPROVED, KEY, LIVE, fleet, removed, said
from tests.unit.reconciler.values import (
    ACTIVE,
    DEVICE,
    NOW,
    RULES,
    V1,
    at,
    decide_after,
    of_kind,
    only,
    pv,
    volume,
    volume_id,
)


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


def test_what_a_deleted_object_said_to_retain_is_left_to_people() -> None:
    kept = fleet(volume(), pvs=[*LIVE, pv(V1, reclaim_policy="Retain")])
    memory = decide(kept, Memory(), ACTIVE, NOW).memory

    decision = decide_after(1e9, fleet(volume()), ACTIVE, memory)
    gone = decide(fleet(), memory, ACTIVE, NOW)

    assert removed(decision) == []
    assert only(decision, FindingKind.ORPHAN_VOLUME).state is FindingState.FOR_PEOPLE
    assert gone.memory.retained == frozenset()


def test_while_paused_findings_are_held_back_and_nothing_is_done() -> None:
    paused = replace(APPROVED, paused=Pause("maintenance", "anna", NOW))

    decision = decide(fleet(volume()), paused, RULES, NOW)
    ended = replace(APPROVED, paused=Pause("maintenance", "anna", NOW, until=NOW))

    assert decision.actions == ()
    assert only(decision, FindingKind.ORPHAN_VOLUME).state is FindingState.HELD_BACK
    assert removed(decide(fleet(volume()), ended, RULES, NOW)) == [V1]
