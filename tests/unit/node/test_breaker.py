import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.node.plan.breaker import FAILURES, Breaker, BreakerOpen

times = st.floats(0, 1e9)


def failed(times: int, at: float = 0.0, reset: str = "") -> Breaker:
    breaker = Breaker()
    for _ in range(times):
        breaker = breaker.failed(at, "the peer refused", reset)
    return breaker


@given(st.integers(0, FAILURES - 1), times)
def test_a_few_failures_leave_it_closed(count: int, now: float) -> None:
    breaker = failed(count)

    breaker.check(now, "")
    assert not breaker.is_open


def test_three_failures_in_a_row_open_it_and_it_says_why() -> None:
    breaker = failed(FAILURES, at=100.0)

    assert breaker.is_open
    with pytest.raises(BreakerOpen, match=r"failed 3 times .* for 50 s more.*the peer refused"):
        breaker.check(110.0, "")


def test_after_its_time_one_call_is_let_through_and_its_failure_opens_it_for_twice_as_long() -> (
    None
):
    breaker = failed(FAILURES)

    breaker.check(60.0, "")
    again = breaker.failed(60.0, "still")

    assert again.remaining(60.0) == 120.0
    with pytest.raises(BreakerOpen):
        again.check(179.0, "")
    again.check(180.0, "")


@given(st.integers(FAILURES, 10_000), times)
def test_it_is_never_open_for_more_than_ten_minutes(count: int, now: float) -> None:
    breaker = Breaker(failures=count - 1).failed(now, "x")

    assert 60.0 <= breaker.pause <= 600.0
    assert breaker.remaining(now + 600.0) <= 1e-6


def test_the_pauses_double() -> None:
    pauses = [failed(count).pause for count in range(FAILURES, FAILURES + 6)]

    assert pauses == [60.0, 120.0, 240.0, 480.0, 600.0, 600.0]


@given(st.text(), st.text())
def test_only_an_annotation_that_has_changed_lets_a_call_through(before: str, now: str) -> None:
    breaker = failed(FAILURES, reset=before)

    if before == now:
        with pytest.raises(BreakerOpen):
            breaker.check(1.0, now)
    else:
        breaker.check(1.0, now)


def test_an_annotation_closes_it_once_and_not_for_ever() -> None:
    breaker = failed(FAILURES, reset="").failed(1.0, "again", "please")

    with pytest.raises(BreakerOpen):
        breaker.check(2.0, "please")
