"""What is remembered from leader to leader."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import Exhausted, InvalidRequest
from services.reconciler.findings import FindingKind
from services.reconciler.memory import (
    MAX_BYTES,
    MAX_DECISIONS,
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
from tests.unit.reconciler.values import NOW, volume_id

times = st.floats(0, 4e9, allow_nan=False)
words = st.text(max_size=80)
ids = st.builds(
    lambda kind, device, number: f"{prefix_of(kind, device)}{number:012x}",
    st.sampled_from(FindingKind),
    st.sampled_from(["", "rds", "b"]),
    st.integers(0, 2**48 - 1),
)
decisions = st.builds(
    OrphanDecision, st.sampled_from(DecisionKind), words, words, words, times, st.none() | times
)
memories = st.builds(
    Memory,
    st.dictionaries(ids, times),
    st.dictionaries(words, decisions, max_size=5),
    st.none() | st.builds(Pause, words, words, times, st.none() | times),
    st.lists(times).map(tuple),
    st.frozensets(words.map(mark)),
    st.frozensets(ids.map(trace)),
)


@given(memories, times)
def test_what_was_saved_is_what_is_loaded(memory: Memory, now: float) -> None:
    text = render_memory(memory, now)

    assert parse_memory(text) == replace(memory, saved_at=now)
    assert text.isascii()


@given(st.text() | st.sampled_from(["{}", "[]", "null", '{"version":1}', '{"version":2}']))
def test_what_is_no_memory_is_refused_and_never_taken_for_an_empty_one(text: str) -> None:
    if not text:
        assert parse_memory(text) == Memory()
        return

    with pytest.raises(InvalidRequest):
        parse_memory(text)


def test_a_memory_too_large_forgets_the_latest_sights_and_no_decision() -> None:
    prefix = prefix_of(FindingKind.ORPHAN_VOLUME, "rds")
    sights = {f"{prefix}{number:012x}": NOW + number for number in range(40_000)}
    decision = OrphanDecision(DecisionKind.IGNORED, "print", "anna", "kept", NOW)
    memory = Memory(first_seen=sights).decided("volume rds pvc-1", decision)

    text = render_memory(memory, NOW)
    loaded = parse_memory(text)

    kept = loaded.first_seen
    assert len(text) <= MAX_BYTES
    assert 20_000 < len(kept) < len(sights)
    assert max(kept.values()) < min(at for key, at in sights.items() if key not in kept)
    assert loaded.decisions == memory.decisions


def test_a_memory_too_large_first_forgets_which_orphans_people_have_heard_of() -> None:
    prefix = prefix_of(FindingKind.ORPHAN_VOLUME, "rds")
    sights = {f"{prefix}{number:012x}": NOW + number for number in range(20_000)}
    told = frozenset(map(trace, sights))
    memory = Memory(first_seen=sights, told=told)

    loaded = parse_memory(render_memory(memory, NOW))

    assert len(render_memory(replace(memory, told=frozenset()), NOW)) <= MAX_BYTES
    assert loaded.first_seen == sights
    assert loaded.told == frozenset()


def test_ten_thousand_findings_and_volumes_to_retain_are_remembered_whole() -> None:
    prefix = prefix_of(FindingKind.ATTACHMENT_UNUSED)
    sights = {f"{prefix}{number:012x}": NOW + number / 10 for number in range(10_000)}
    retained = frozenset(mark(volume_id(number)) for number in range(10_000))
    memory = Memory(first_seen=sights, retained=retained)

    text = render_memory(memory, NOW)

    assert parse_memory(text) == replace(memory, saved_at=NOW)
    assert len(text) < MAX_BYTES / 2


@given(words.map(lambda text: text * 20), words)
def test_as_many_decisions_as_are_kept_always_fit(reason: str, by: str) -> None:
    decision = OrphanDecision(DecisionKind.IGNORED, "f" * 32, by, reason, NOW, NOW + 1)
    memory = Memory().decided("file device-of-the-longest-name /raid10/" + "d" * 248, decision)

    size = len(render_memory(memory, NOW)) - len(render_memory(Memory(), NOW))

    assert size * MAX_DECISIONS < MAX_BYTES


def test_one_decision_too_many_is_refused_and_an_old_one_can_be_changed() -> None:
    decision = OrphanDecision(DecisionKind.IGNORED, "", "anna", "kept", NOW)
    memory = Memory(decisions={f"volume rds {n}": decision for n in range(MAX_DECISIONS)})

    with pytest.raises(Exhausted):
        memory.decided("volume rds new", decision)

    changed = memory.decided("volume rds 1", replace(decision, kind=DecisionKind.APPROVED))
    assert changed.decisions["volume rds 1"].kind is DecisionKind.APPROVED
    assert len(memory.withdrawn("volume rds 1").decisions) == MAX_DECISIONS - 1


@given(st.integers(-(10**6), 10**6), *[st.integers(0, 10**4)] * 3)
def test_another_leaders_clock_can_make_no_more_time_pass_than_is_allowed(
    skew: int, waited: int, allowance: int, gap: int
) -> None:
    memory = Memory(first_seen={"x": NOW}, saved_at=NOW + waited)
    then = NOW + waited + gap + skew

    elapsed = then - memory.rebased(then, allowance).first_seen["x"]

    assert elapsed <= waited + allowance
    assert elapsed >= waited
    if skew == 0 and gap <= allowance:
        assert elapsed == waited + gap
