"""When memory and open files count as flat."""

import pytest

from tests.chaos.usage import Sample, trend_of


def life(kib_each: float, files_each: float) -> list[Sample]:
    """Return a life of two minutes, with a rise in each second."""
    return [
        Sample(float(at), round(90_000 + at * kib_each), round(20 + at * files_each))
        for at in range(120)
    ]


def test_a_process_that_stays_as_it_is_is_flat() -> None:
    trend = trend_of(life(0, 0))

    assert trend is not None
    assert trend.is_flat


@pytest.mark.parametrize(("kib_each", "files_each"), [(400, 0), (0, 0.5)])
def test_a_process_that_grows_all_the_time_is_not_flat(kib_each: float, files_each: float) -> None:
    trend = trend_of(life(kib_each, files_each))

    assert trend is not None
    assert not trend.is_flat


def test_of_a_process_that_was_killed_soon_nothing_is_said() -> None:
    trend = trend_of(life(400, 1)[:20])

    assert trend is None
