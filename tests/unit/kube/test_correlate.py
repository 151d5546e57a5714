import pytest

from libs.kube.correlate import (
    BURST,
    MAX_SIMILAR,
    REFILL_SECONDS,
    WINDOW,
    Correlator,
    Happening,
    Record,
    Reference,
    cut,
)

VOLUME = Reference("v1", "PersistentVolume", "pvc-1", uid="u1")
OTHER = Reference("v1", "PersistentVolume", "pvc-2", uid="u2")
START = 1_700_000_000.0


class Told:
    """A correlator, and what comes of telling it something."""

    def __init__(self) -> None:
        self.correlator = Correlator()

    def __call__(
        self,
        text: str = "lost",
        *,
        after: float = 0,
        about: Reference = VOLUME,
        reason: str = "ConnectionLost",
        warning: bool = True,
    ) -> Record | None:
        return self.correlator.observe(Happening(about, reason, text, warning, START + after))

    def written(self, text: str = "lost", *, after: float = 0, about: Reference = VOLUME) -> Record:
        record = self(text, after=after, about=about)
        assert record is not None
        return record


@pytest.fixture
def told() -> Told:
    return Told()


def test_what_is_told_again_is_counted_in_the_event_that_is_there(told: Told) -> None:
    first = told.written()
    again = told.written(after=30)

    assert (first.is_new, first.count) == (True, 1)
    assert (again.is_new, again.count) == (False, 2)
    assert again.number == first.number
    assert (again.first, again.happening.at) == (START, START + 30)


def test_what_is_told_again_much_later_is_a_new_event(told: Told) -> None:
    first = told.written()
    later = told.written(after=WINDOW + 1)

    assert (later.is_new, later.count, later.first) == (True, 1, START + WINDOW + 1)
    assert later.number != first.number


def test_another_object_reason_text_or_severity_is_another_event(told: Told) -> None:
    told()

    others = [told("gone"), told(about=OTHER), told(reason="StaleMount"), told(warning=False)]

    assert all(record is not None and record.is_new for record in others)
    assert len({record.number for record in others if record}) == 4


def test_more_than_ten_texts_for_one_reason_become_one_event(told: Told) -> None:
    single = [told.written(f"failed {i}", after=i) for i in range(MAX_SIMILAR)]
    merged = [told.written(f"failed {i}", after=i) for i in range(MAX_SIMILAR, MAX_SIMILAR + 3)]

    assert all(record.is_new for record in single)
    assert [record.is_new for record in merged] == [True, False, False]
    assert merged[-1].count == 3
    assert merged[-1].happening.text == "(combined from similar events): failed 12"


def test_a_text_that_was_told_by_itself_is_not_merged_afterwards(told: Told) -> None:
    for i in range(MAX_SIMILAR + 1):
        told(f"failed {i}")

    again = told.written("failed 3")

    assert (again.count, again.happening.text) == (2, "failed 3")


def test_after_a_quiet_while_texts_are_told_by_themselves_again(told: Told) -> None:
    for i in range(MAX_SIMILAR + 1):
        told(f"failed {i}")

    later = told.written("failed 99", after=WINDOW + 1)

    assert later.happening.text == "failed 99"


def test_a_flood_about_one_object_is_cut_and_trickles_on(told: Told) -> None:
    burst = [told() for _ in range(BURST + 5)]
    early = told(after=REFILL_SECONDS - 1)
    refilled = told.written(after=REFILL_SECONDS)

    assert [record is None for record in burst] == [False] * BURST + [True] * 5
    assert early is None
    assert refilled.count == BURST + 7


def test_a_flood_about_one_object_does_not_silence_another(told: Told) -> None:
    for _ in range(BURST + 1):
        told()

    assert told(about=OTHER) is not None


def test_an_event_that_was_held_back_is_created_when_its_time_has_come(told: Told) -> None:
    for _ in range(BURST):
        told()
    held_back = told("gone", after=1)

    record = told.written("gone", after=REFILL_SECONDS + 1)

    assert held_back is None
    assert (record.is_new, record.count) == (True, 2)


def test_a_clock_that_is_set_back_stops_nothing(told: Told) -> None:
    first = told.written()
    second = told.written("gone", after=-5000)

    assert second.is_new
    assert second.number > first.number


def test_what_is_remembered_is_bounded(told: Told) -> None:
    for i in range(3000):
        told(about=Reference("v1", "PersistentVolume", f"pvc-{i}"))

    sizes = [
        len(table._items)  # noqa: SLF001
        for table in (told.correlator._known, told.correlator._similar, told.correlator._buckets)  # noqa: SLF001
    ]

    assert sizes == [1000, 1000, 1000]


@pytest.mark.parametrize(
    "text",
    ["x" * 5000, "é" * 600, "😀" * 300, "\ud800" * 2000],
    ids=["ascii", "two", "four", "bad"],
)
def test_a_long_text_is_cut_between_characters(text: str) -> None:
    short = cut(text)

    assert 1000 < len(short.encode()) <= 1024
    assert short.endswith("...")


def test_a_text_that_fits_is_kept() -> None:
    assert cut("é" * 512) == "é" * 512
