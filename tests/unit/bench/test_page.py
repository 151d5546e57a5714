"""The tables of the page about performance."""

from dataclasses import replace

import pytest

from bench.growth import Point
from bench.measure import empty_row
from bench.page import Measured, fill
from bench.report import growth_rows
from bench.targets import PROBE, RESIDENT, STAGE

PAGE = """Before.

<!-- measured: {} -->
| old |
<!-- end -->

After, as it was.
"""

_IDLE = "36.5 MiB of it its own; 0.10% of a CPU"


def row(name: str, **values: object) -> Measured:
    return replace(empty_row(name), **values).as_json()  # type: ignore[arg-type]


def services(slowest: float) -> list[Measured]:
    rows = []
    for service in ("controller", "node", "reconciler"):
        start = {"cpu_s_per_op": 0.4, "target": PROBE.judge(slowest)}
        rows.append(row(f"{service}: start until ready", callers=1, **start))
        idle = {"target": RESIDENT[service].judge(51.3), "note": _IDLE}
        rows.append(row(f"{service}: idle", callers=1, **idle))
    return rows


def growth() -> list[Measured]:
    grown = [
        replace(empty_row(f"pass over {n}"), point=Point("pass", n, n / 100, n / 100))
        for n in (100, 1000, 10_000)
    ]
    return [one.as_json() for one in (*grown, *growth_rows(grown))]


def test_a_table_is_written_anew_and_all_else_stays() -> None:
    rows = [row("NodeStageVolume ext4", p50_ms=30.0, cpu_s_per_op=0.0123)]
    rows[0] = {**rows[0], "note": "3.0 times the bare tools (10.0 ms); 5 child processes"}

    page = fill(PAGE.format("node"), rows)

    assert page.startswith("Before.\n\n<!-- measured: node -->\n| call |")
    assert "| NodeStageVolume ext4 | 3.0 | 20 ms | 5 | 30 ms | 12 ms |\n<!-- end -->" in page
    assert page.endswith("<!-- end -->\n\nAfter, as it was.\n")
    assert "| old |" not in page


def test_growth_has_its_exponents_and_costs() -> None:
    page = fill(PAGE.format("growth"), growth())

    assert "| pass | 1.00, 1.00 | 1.00 | 1 s | 10 s | 100 s |" in page


def test_what_was_promised_and_not_kept_is_said() -> None:
    stage = row("NodeStageVolume xfs", target=STAGE.judge(50.4))

    page = fill(PAGE.format("promised"), [*services(2.253), stage, *growth()])

    assert "| node, resident when idle | 60 MiB | 51.3 MiB: met |" in page
    assert "| node, from its start to `ready`, the slowest | 1 s | 2.25 s: MISSED, with" in page
    assert "| 150 ms | 50.4 ms: met |" in page
    assert "| 1.00 to 1.00: met |" in page


def test_what_was_not_measured_leaves_no_gap_in_the_page() -> None:
    with pytest.raises(KeyError, match="node: idle"):
        fill(PAGE.format("starts"), services(0.5)[:3])
