"""How a finding is worded and timed, and what its ID is made of."""

from collections.abc import Callable

import pytest

from services.reconciler.findings import (
    Action,
    ActionKind,
    Finding,
    FindingKind,
    FindingState,
    Orphan,
    Subject,
)
from services.reconciler.inventory import Index
from services.reconciler.memory import Memory
from services.reconciler.model import ItemKind
from services.reconciler.plan.notes import Case, Note, prefix_of
from tests.unit.reconciler.values import NOW, RULES, seen

ABOUT = Subject(volume_id="v", device="rds")
KIND = FindingKind.ORPHAN_VOLUME
ID = "orphan-volume-a7ca5ccb5f677c3e"
ORPHAN = Orphan(ItemKind.VOLUME, "rds", "v", 1, "print")
ACTION = Action(ActionKind.DELETE_ORPHAN, ID, ABOUT, "Remove it now", "why")
SINCE = NOW + 0.1
"""Rounded up from the time of the pass."""


def case(first_seen: dict[str, float] | None = None, now: float = NOW + 0.05) -> Case:
    return Case(Index(seen(), RULES, now), Memory(first_seen=first_seen or {}), RULES, now)


def note(*parts: str) -> Note:
    return case().note(KIND, ABOUT, *(parts or ("a", "b")))


@pytest.mark.parametrize(
    ("end", "state", "then", "due", "actions"),
    [
        (lambda one: one.waits(60.0, "so."), FindingState.WAITING, "so.", SINCE + 60, ()),
        (lambda one: one.follows("so."), FindingState.WAITING, "so.", None, ()),
        (
            lambda one: one.acts(ACTION),
            FindingState.ACTING,
            "Remove it now.",
            NOW + 0.05,
            (ACTION,),
        ),
        (lambda one: one.is_held_back("so."), FindingState.HELD_BACK, "so.", None, ()),
        (lambda one: one.is_for_people("so."), FindingState.FOR_PEOPLE, "so.", None, ()),
        (lambda one: one.is_ignored("so."), FindingState.IGNORED, "so.", None, ()),
    ],
)
def test_a_finding_ends_in_one_of_six_ways(
    end: Callable[[Note], Finding],
    state: FindingState,
    then: str,
    due: float | None,
    actions: tuple[Action, ...],
) -> None:
    bare = end(note())
    worded = end(note().because("why", ORPHAN))

    assert bare == Finding(ID, KIND, state, ABOUT, "", then, SINCE, due, actions)
    assert worded == Finding(ID, KIND, state, ABOUT, "why", then, SINCE, due, actions, ORPHAN)


def test_what_waits_is_remembered_with_when_it_falls_due() -> None:
    pass_ = case()

    waiting = pass_.note(KIND, ABOUT, "a", "b").waits(60.0, "so.")
    pass_.note(KIND, ABOUT, "c").follows("so.")

    assert pass_.dues == [waiting.due]
    assert pass_.sights[ID] == SINCE
    assert list(pass_.sights.values()) == [SINCE, SINCE]


def test_what_was_seen_before_counts_from_then() -> None:
    known = case({ID: NOW - 7.25})

    finding = known.note(KIND, ABOUT, "a", "b").waits(60.0, "so.")

    assert (finding.first_seen, finding.due) == (NOW - 7.25, NOW + 52.75)


@pytest.mark.parametrize(
    ("grace", "waited", "is_due"),
    [
        (0.0, 0.0, True),
        (-1.0, 0.0, True),
        (0.5, 0.0, False),
        (10.0, 9.9, False),
        (10.0, 10.0, True),
        (10.0, 10.1, True),
        (1.0, -0.5, False),
        (0.0, -0.5, True),
    ],
)
def test_a_finding_is_due_once_it_has_waited(
    grace: float,
    waited: float,
    is_due: bool,  # noqa: FBT001 (an expectation)
) -> None:
    known = case({ID: NOW}, NOW + waited)

    assert known.note(KIND, ABOUT, "a", "b").is_due(grace) is is_due


@pytest.mark.parametrize(
    "other",
    [
        note("ab"),
        note("a", "b", ""),
        note("b", "a"),
        case().note(FindingKind.ORPHAN_FILE, ABOUT, "a", "b"),
        case().note(KIND, Subject(device="b"), "a", "b"),
    ],
)
def test_another_kind_device_or_part_makes_another_finding(other: Note) -> None:
    assert other.id != note("a", "b").id


def test_ids_begin_with_their_kind_and_device() -> None:
    assert prefix_of(KIND, "rds") == "orphan-volume-a7ca"
    assert prefix_of(KIND) == prefix_of(KIND, "") == "orphan-volume-b1fe"
    assert note().id.startswith(prefix_of(KIND, "rds"))


def test_a_name_that_is_no_text_has_an_id_like_any_other() -> None:
    odd = note("\udc80")

    assert len(odd.id) == len(ID)
