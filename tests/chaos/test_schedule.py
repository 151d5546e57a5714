"""The schedule of what goes wrong."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from tests.chaos.schedule import DECK, Kind, draw_schedule


@given(seed=st.integers(0, 10**6), seconds=st.floats(1, 100))
def test_a_seed_gives_the_same_faults_each_time(seed: int, seconds: float) -> None:
    first = draw_schedule(seed, seconds)

    again = draw_schedule(seed, seconds)

    assert again == first


def test_another_seed_gives_other_faults() -> None:
    first = draw_schedule(1, 60)

    other = draw_schedule(2, 60)

    assert other != first


@given(seed=st.integers(0, 10**6), seconds=st.floats(1, 100), intensity=st.floats(0.1, 3))
def test_faults_come_in_order_and_within_the_time(
    seed: int, seconds: float, intensity: float
) -> None:
    times = [fault.at for fault in draw_schedule(seed, seconds, intensity)]

    assert times == sorted(times)
    assert all(0 <= at <= seconds for at in times)


def test_three_minutes_have_two_hundred_faults_of_every_kind() -> None:
    faults = draw_schedule(1, 180)

    kinds = Counter(fault.kind for fault in faults)
    assert len(faults) >= 200
    assert set(kinds) == set(Kind) == set(DECK)


def test_twice_the_intensity_is_twice_as_many() -> None:
    once = draw_schedule(1, 100, 1.0)

    twice = draw_schedule(1, 100, 2.0)

    assert len(twice) == 2 * len(once)
