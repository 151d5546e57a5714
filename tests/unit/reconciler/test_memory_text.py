"""The memory's text, which other versions of this program read, and what does not fit into it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from libs.core.errors import Exhausted, InvalidRequest
from services.reconciler.findings import FindingKind
from services.reconciler.memory import (
    DecisionKind,
    Memory,
    OrphanDecision,
    Pause,
    mark,
    parse_memory,
    render_memory,
    trace,
)
from services.reconciler.plan.notes import prefix_of
from tests.unit.reconciler.values import NOW

MOST = 900_000
PREFIX = prefix_of(FindingKind.ORPHAN_VOLUME, "rds")
APPROVED = OrphanDecision(DecisionKind.APPROVED, "print", "ann", "agreed", NOW, NOW + 1)
IGNORED = OrphanDecision(DecisionKind.IGNORED, "", "bob", "é", NOW)
MEMORY = Memory(
    first_seen={
        "node-gone-b1fe000000000002": NOW,
        "node-gone-b1fe000000000001": NOW,
        "node-gone-b1fe000000000003": NOW + 0.5,
        "orphan-file-a7ca000000000001": NOW,
    },
    decisions={"volume rds b": IGNORED, "volume rds a": APPROVED},
    paused=Pause("work", "ann", NOW, NOW + 2),
    removals=(NOW, NOW + 1),
    retained=frozenset({mark("b"), mark("a")}),
    told=frozenset({"0123456789ab", "00112233445566"[:12]}),
    saved_at=NOW + 3,
)
TEXT = (
    '{"version":2,"savedAt":1700000003.0,"firstSeen":{'
    '"node-gone":{"1700000000.0":"b1fe000000000001 b1fe000000000002",'
    '"1700000000.5":"b1fe000000000003"},'
    '"orphan-file":{"1700000000.0":"a7ca000000000001"}},'
    '"decisions":{"volume rds a":["approved","print","ann","agreed",1700000000.0,1700000001.0],'
    '"volume rds b":["ignored","","bob","\\u00e9",1700000000.0,null]},'
    '"paused":["work","ann",1700000000.0,1700000002.0],'
    '"removals":[1700000000.0,1700000001.0],'
    '"retained":"9350f68d6bf4e169f8ee",'
    '"told":"0011223344550123456789ab"}'
)


def test_a_memory_is_written_as_other_versions_read_it() -> None:
    assert render_memory(MEMORY, NOW + 3) == TEXT
    assert parse_memory(TEXT) == MEMORY


def test_nothing_is_remembered_at_first() -> None:
    assert parse_memory("") == Memory({}, {}, None, (), frozenset(), frozenset(), 0.0)


def changed(**fields: Any) -> str:
    return json.dumps(json.loads(TEXT) | fields)


@pytest.mark.parametrize(
    "text",
    [
        changed(version=1),
        changed(version=3),
        changed(savedAt=10**400),
        changed(firstSeen=[]),
        changed(decisions={"a": ["approved"]}),
        changed(decisions={"a": ["other", "", "", "", 0, None]}),
        changed(paused=["why"]),
        changed(removals=None),
        "[" * 100_000,
        TEXT[:-1],
    ],
)
def test_a_memory_that_is_damaged_or_of_another_version_is_refused(text: str) -> None:
    with pytest.raises(
        InvalidRequest, match=r"the memory (cannot be read|is of version [13], not)"
    ):
        parse_memory(text)


def sized(size: int, **fields: Any) -> Memory:
    """Return a memory whose text has that many bytes."""
    empty = Memory(decisions={"a": IGNORED}, **fields)
    words = "x" * (size - len(render_memory(empty, NOW)) + len("\\u00e9"))
    return replace(empty, decisions={"a": replace(IGNORED, reason=words)})


TOLD = {"told": frozenset({"0" * 12})}
SEEN = {"first_seen": {f"{PREFIX}000000000001": NOW, f"{PREFIX}000000000002": NOW + 1}}


def test_a_memory_just_small_enough_is_kept_whole() -> None:
    for fields in (TOLD, SEEN, {}):
        text = render_memory(sized(MOST, **fields), NOW)

        assert len(text) == MOST
        assert parse_memory(text) == replace(sized(MOST, **fields), saved_at=NOW)


def test_a_memory_one_byte_too_large_loses_what_can_be_spared_and_no_more() -> None:
    told = parse_memory(render_memory(sized(MOST + 1, **TOLD), NOW))
    first = parse_memory(render_memory(sized(MOST + 1, **SEEN), NOW))

    assert told == replace(sized(MOST + 1, **TOLD), told=frozenset(), saved_at=NOW)
    assert list(first.first_seen.items()) == list(SEEN["first_seen"].items())[:1]
    with pytest.raises(Exhausted, match="has 900001 bytes, more than 900000"):
        render_memory(sized(MOST + 1), NOW)


def test_the_latest_sights_go_first_whatever_they_are_of() -> None:
    numbers = range(60_000)
    sights = {f"{PREFIX}{n:012x}": NOW + 7 * (n % 3 == 0) for n in reversed(numbers)}

    kept = parse_memory(render_memory(Memory(first_seen=sights), NOW)).first_seen

    ordered = sorted(sights.items(), key=lambda sight: (sight[1], sight[0]))
    assert 40_000 < len(kept) < len(sights)
    assert sorted(kept.items()) == sorted(ordered[: len(kept)])


@pytest.mark.parametrize(("length", "left"), [(0, 0), (397, 397), (398, 398), (399, 359)])
def test_what_people_say_is_cut_where_it_is_too_long(length: int, left: int) -> None:
    words = replace(IGNORED, by="b" * length, reason="r" * length)

    kept = Memory().decided("a", words).decisions["a"]

    assert kept == replace(IGNORED, by="b" * left, reason="r" * left)


def test_five_hundred_decisions_are_kept_and_no_more() -> None:
    memory = Memory(decisions={str(number): IGNORED for number in range(499)})

    full = memory.decided("last", IGNORED)

    assert len(full.decisions) == 500
    with pytest.raises(Exhausted):
        full.decided("one more", IGNORED)


@pytest.mark.parametrize(
    ("now", "ahead"),
    [
        (NOW - 50, -50),
        (NOW, 0),
        (NOW + 10, 0),
        (NOW + 10.5, 0.5),
        (NOW + 500, 490),
    ],
)
def test_a_new_leader_counts_by_its_own_clock(now: float, ahead: float) -> None:
    memory = replace(MEMORY, saved_at=NOW)

    moved = memory.rebased(now, 10)

    first_seen = {key: at + ahead for key, at in memory.first_seen.items()}
    assert moved == replace(
        memory,
        first_seen=first_seen,
        removals=(NOW + ahead, NOW + 1 + ahead),
        saved_at=now if ahead else NOW,
    )


@pytest.mark.parametrize(
    ("kind", "until", "fingerprint", "holds"),
    [
        (DecisionKind.APPROVED, None, "f", True),
        (DecisionKind.APPROVED, None, "other", False),
        (DecisionKind.IGNORED, None, "other", True),
        (DecisionKind.IGNORED, NOW + 0.1, "other", True),
        (DecisionKind.IGNORED, NOW, "other", False),
        (DecisionKind.APPROVED, NOW + 0.1, "f", True),
        (DecisionKind.APPROVED, NOW, "f", False),
        (DecisionKind.APPROVED, NOW - 1, "f", False),
    ],
)
def test_a_decision_holds_until_it_ends_and_an_approval_for_one_state_only(
    kind: DecisionKind,
    until: float | None,
    fingerprint: str,
    holds: bool,  # noqa: FBT001 (an expectation)
) -> None:
    decision = OrphanDecision(kind, "f", "ann", "why", NOW - 5, until)

    assert decision.holds(fingerprint, NOW) is holds


@pytest.mark.parametrize(("until", "holds"), [(None, True), (NOW + 0.1, True), (NOW, False)])
def test_a_pause_holds_until_it_ends(
    until: float | None,
    holds: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert Pause("why", "ann", NOW - 5, until).holds(NOW) is holds


def test_what_is_remembered_by_a_part_of_it_keeps_that_part() -> None:
    assert (mark("a"), trace("orphan-file-a7ca637b00c71670")) == ("f4e169f8ee", "637b00c71670")
