"""Which orphans people hear of, and that they hear of each once."""

from dataclasses import replace

import pytest

from services.reconciler.findings import FindingKind, FindingState
from services.reconciler.memory import DecisionKind, Memory, OrphanDecision, Pause
from services.reconciler.model import DeviceListing, Listing
from services.reconciler.plan.decide import decide
from tests.unit.reconciler.fleet import KEY, fleet
from tests.unit.reconciler.values import ACTIVE, NOW, RULES, V1, V2, at, only, volume

LATER = NOW + ACTIVE.orphan + 1


def test_an_orphan_is_news_when_it_has_waited_and_not_again() -> None:
    first = decide(at(fleet(volume()), NOW), Memory(), RULES, NOW)
    due = decide(at(fleet(volume()), LATER), first.memory, RULES, LATER)
    again = decide(at(fleet(volume()), LATER + 1), due.memory, RULES, LATER + 1)

    assert first.found == ()
    assert due.found == (only(due, FindingKind.ORPHAN_VOLUME),)
    assert again.found == ()


def test_an_orphan_that_is_gone_and_comes_back_is_news_again() -> None:
    told = decide(at(fleet(volume()), NOW), Memory(), replace(RULES, orphan=0.0), NOW)
    gone = decide(at(fleet(), NOW), told.memory, replace(RULES, orphan=0.0), NOW)
    back = decide(at(fleet(volume()), NOW), gone.memory, replace(RULES, orphan=0.0), NOW)

    assert gone.memory.told == frozenset()
    assert len(back.found) == 1


def test_a_device_that_was_not_listed_makes_nothing_news_that_was_told() -> None:
    eager = replace(RULES, orphan=0.0)
    told = decide(at(fleet(volume()), NOW), Memory(), eager, NOW)
    nothing: Listing[DeviceListing] = Listing((), complete=False, read_at=NOW, error="away")
    away = decide(at(fleet(devices=[]), NOW), told.memory, eager, NOW)
    blind = replace(at(fleet(volume()), NOW), devices=nothing)
    unknown = decide(blind, told.memory, eager, NOW)
    back = decide(at(fleet(volume()), NOW), unknown.memory, eager, NOW)

    assert away.memory.told == frozenset()  # the controller has no such device any more
    assert unknown.memory.told == told.memory.told
    assert back.found == ()


@pytest.mark.parametrize("other", [volume(V2), volume(fingerprint="another")])
def test_another_orphan_is_news_of_its_own(other: object) -> None:
    eager = replace(RULES, orphan=0.0)
    told = decide(at(fleet(volume()), NOW), Memory(), eager, NOW)

    decision = decide(at(fleet(other), NOW), told.memory, eager, NOW)

    assert len(decision.found) == 1


def test_what_a_person_said_to_leave_is_no_news() -> None:
    left = OrphanDecision(DecisionKind.IGNORED, volume().fingerprint, "anna", "kept", NOW)
    memory = Memory().decided(KEY, left)

    decision = decide(at(fleet(volume()), NOW), memory, replace(RULES, orphan=0.0), NOW)

    assert only(decision, FindingKind.ORPHAN_VOLUME).state is FindingState.IGNORED
    assert decision.found == ()


def test_a_pause_keeps_no_news_back() -> None:
    memory = Memory(paused=Pause("work", "anna", NOW))

    decision = decide(at(fleet(volume()), NOW), memory, replace(ACTIVE, orphan=0.0), NOW)

    assert [finding.subject.volume_id for finding in decision.found] == [V1]
