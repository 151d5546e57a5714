import io
import json
from dataclasses import replace

import pytest
from rich.console import Console

from bench.growth import Point
from bench.measure import Load, Row, empty_row, row
from bench.report import cells, growth_rows, missed, show_table
from bench.targets import PROBE, RESIDENT, STAGE, Target

SIZES = (100, 1_000, 10_000)


def measured(name: str = "list", seconds: float = 1.0, **more: object) -> Row:
    return replace(row(name, Load(1, 0, 1), [seconds], seconds, 0), **more)  # type: ignore[arg-type]


def grown(exponent: float) -> list[Row]:
    points = [Point("listing", size, size**exponent, size**exponent) for size in SIZES]
    return [measured(point=point) for point in points]


@pytest.mark.parametrize(("value", "is_met"), [(0.2, True), (1.0, True), (1.001, False)])
def test_a_target_is_met_up_to_its_limit(value: float, *, is_met: bool) -> None:
    verdict = Target(1.0, "s", "from start to ready").judge(value)

    assert verdict.startswith("target met" if is_met else "target MISSED")
    assert verdict.endswith("at most 1 s")


def test_the_targets_are_what_was_promised() -> None:
    limits = {service: target.limit for service, target in RESIDENT.items()}

    assert (PROBE.limit, STAGE.limit) == (1.0, 150.0)
    assert limits == {"controller": 110, "node": 60, "reconciler": 110}


def test_growth_has_a_row_with_its_exponents_and_a_verdict() -> None:
    (linear,) = growth_rows([measured("other"), *grown(1.0)])

    assert linear.name == "growth of listing"
    assert "over 100, 1,000, 10,000" in linear.note
    assert "CPU as n^1.00" in linear.note
    assert linear.target == "target met: no worse than linear"


def test_what_grows_as_a_square_is_a_target_that_is_missed() -> None:
    rows = [*grown(2.0), *growth_rows(grown(2.0)), *growth_rows(grown(1.0))]

    (square,) = missed(rows)

    assert square.target == "target MISSED: no worse than linear"


def test_cpu_time_is_shown_in_milliseconds_and_the_target_before_the_note() -> None:
    shown = cells(measured(cpu_s_per_op=0.0125, target="target met: all", note="a note"))

    assert "12.5" in shown
    assert shown[-1] == "target met: all; a note"


def test_growth_shows_no_numbers_that_were_not_measured() -> None:
    (growth,) = growth_rows(grown(1.0))

    numbers = cells(growth)[1:-1]

    assert set(numbers) == {""}


def test_each_row_of_the_table_has_a_cell_for_each_column() -> None:
    rows = [measured("one"), *growth_rows(grown(1.0)), replace(empty_row("two"), note="skipped")]
    text = io.StringIO()

    Console(file=text, width=200).print(table := show_table(rows))

    assert {len(cells(one)) for one in rows} == {len(table.columns)}
    assert all(name in text.getvalue() for name in ("one", "growth of listing", "skipped"))


def test_a_row_with_its_growth_can_be_written_as_json() -> None:
    (growth,) = growth_rows(grown(1.0))

    written = json.loads(json.dumps(growth.as_json()))

    assert written["growth"]["sizes"] == list(SIZES)
    assert written["growth"]["cpu"] == pytest.approx(1.0)
