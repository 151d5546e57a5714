import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.growth import LINEAR, Point, fit_exponent, fit_growths

SIZES = (100, 1_000, 10_000)


def points(series: str, exponent: float, fixed: float = 0.0) -> list[Point]:
    costs = [(size, fixed + 1e-6 * size**exponent) for size in SIZES]
    return [Point(series, size, 2 * cost, cost) for size, cost in costs]


@given(
    exponent=st.floats(-1, 3),
    factor=st.floats(1e-6, 1e6),
    sizes=st.lists(st.integers(1, 10**6), min_size=2, max_size=6, unique=True),
)
def test_the_exponent_of_a_power_is_found_whatever_its_factor(
    exponent: float, factor: float, sizes: list[int]
) -> None:
    costs = [(float(size), factor * size**exponent) for size in sizes]

    fitted = fit_exponent(costs)

    assert fitted == pytest.approx(exponent, abs=1e-6)


def test_costs_that_are_off_on_both_sides_of_a_line_are_fitted_between_them() -> None:
    costs = [(1.0, 1.0), (10.0, 20.0), (100.0, 50.0), (1000.0, 1000.0)]

    fitted = fit_exponent(costs)

    assert 0.9 < fitted < 1.0


def test_one_size_has_no_exponent() -> None:
    with pytest.raises(ValueError, match="two sizes"):
        fit_exponent([(100, 1.0), (100, 2.0)])


def test_a_cost_of_nothing_has_no_exponent() -> None:
    with pytest.raises(ValueError, match="math domain"):
        fit_exponent([(100, 1.0), (1000, 0.0)])


def test_each_series_has_a_growth_of_its_own_and_a_lone_size_has_none() -> None:
    lone = Point("once", 100, 1.0, 1.0)

    growths = fit_growths([*points("list", 1.0), lone, *points("scrape", 0.0)])

    assert [(growth.series, growth.sizes) for growth in growths] == [
        ("list", SIZES),
        ("scrape", SIZES),
    ]
    assert [growth.cpu for growth in growths] == [pytest.approx(1.0), pytest.approx(0.0)]


def test_the_order_in_which_sizes_were_measured_does_not_matter() -> None:
    measured = points("list", 1.5, fixed=0.01)

    (there,), (back,) = fit_growths(measured), fit_growths(reversed(measured))

    assert there.sizes == back.sizes
    assert there.steepest == back.steepest


def test_a_square_is_not_hidden_by_what_each_call_costs_anyway() -> None:
    (growth,) = fit_growths(points("list", 2.0, fixed=1.0))

    assert growth.cpu < LINEAR
    assert not growth.is_linear


def test_a_line_with_what_each_call_costs_counts_as_linear() -> None:
    (growth,) = fit_growths(points("list", 1.0, fixed=0.001))

    assert growth.is_linear


def test_a_volume_that_costs_twice_as_much_beyond_the_cache_counts_as_linear() -> None:
    costs = {100: 1.0, 1_000: 10.0, 10_000: 180.0}

    (growth,) = fit_growths(Point("pass", size, cost, cost) for size, cost in costs.items())

    assert growth.is_linear
