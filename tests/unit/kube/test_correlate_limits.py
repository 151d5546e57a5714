"""How many events, for how long, and which of them are forgotten: the numbers of client-go."""

import pytest

from libs.kube.correlate import Correlator, Happening, Record, Reference, cut

START = 1_700_000_000.0


class Told:
    """A correlator, and what comes of telling it something of the only object there is."""

    def __init__(self) -> None:
        self.correlator = Correlator()

    def __call__(self, text: str = "lost", *, at: float = START, name: str = "pvc-1") -> Record:
        record = self.attempt(text, at=at, name=name)
        assert record is not None
        return record

    def attempt(
        self, text: str = "lost", *, at: float = START, name: str = "pvc-1"
    ) -> Record | None:
        about = Reference("v1", "PersistentVolume", name)
        return self.correlator.observe(Happening(about, "Lost", text, warning=True, at=at))


@pytest.fixture
def told() -> Told:
    return Told()


def test_an_object_of_the_cluster_has_no_namespace_and_may_have_no_uid() -> None:
    assert Reference("v1", "Node", "n") == Reference("v1", "Node", "n", namespace="", uid="")


@pytest.mark.parametrize(("seconds", "count"), [(600, 2), (600.5, 1)])
def test_an_event_that_comes_again_within_ten_minutes_is_the_same(
    told: Told, seconds: float, count: int
) -> None:
    told()

    assert told(at=START + seconds).count == count


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(600, "(combined from similar events): failed 99"), (600.5, "failed 99")],
)
def test_a_text_is_one_of_many_alike_until_there_was_none_for_ten_minutes(
    told: Told, seconds: float, text: str
) -> None:
    for i in range(11):
        told(f"failed {i}", at=START + i * 100)

    last = told("failed 99", at=START + 1000 + seconds)

    assert last.happening.text == text


def test_of_a_flood_25_are_written_and_then_one_in_five_minutes(told: Told) -> None:
    flood = [told.attempt() for _ in range(27)]

    later = [told.attempt(at=START + seconds) for seconds in (150, 299, 300, 301, 599, 600, 601)]

    assert [one is not None for one in flood] == [True] * 25 + [False] * 2
    assert [one is not None for one in later] == [False, False, True, False, False, True, False]


def test_an_event_is_numbered_by_the_nanosecond_and_no_two_are_alike(told: Told) -> None:
    numbers = [told(text, at=at).number for text, at in [("a", 0), ("b", 5), ("c", 5), ("d", 4)]]

    assert numbers == [1, 5_000_000_000, 5_000_000_001, 5_000_000_002]


def test_what_has_not_been_used_for_longest_is_forgotten(told: Told) -> None:
    for i in range(1000):
        told(name=f"pvc-{i}")
    told(name="pvc-0")
    told(name="pvc-1000")

    used, latest, forgotten = (told(name=name) for name in ("pvc-0", "pvc-1000", "pvc-1"))

    assert (used.count, latest.count, forgotten.count) == (3, 2, 1)


@pytest.mark.parametrize(
    ("text", "short"),
    [
        ("x" * 1024, "x" * 1024),
        ("x" * 1025, "x" * 1021 + "..."),
        ("x" + "é" * 512, "x" + "é" * 510 + "..."),
    ],
    ids=["fits", "too long", "in the middle of a character"],
)
def test_a_text_fits_into_1024_bytes(told: Told, text: str, short: str) -> None:
    assert cut(text) == short
    assert told(text).happening.text == short
