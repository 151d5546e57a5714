"""The rows of a benchmark as a table for people. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from rich.table import Table

from bench.growth import Growth, fit_growths
from bench.measure import Row, empty_row
from bench.targets import MET, MISSED

_NUMBERS = (
    "callers",
    "device ms",
    "ops/s",
    "p50",
    "p95",
    "p99 ms",
    "round trips/op",
    "CPU ms/op",
    "all in s",
    "RSS MiB",
)


def growth_rows(rows: Iterable[Row]) -> list[Row]:
    """Return a row for each series that was measured at several sizes."""
    points = [row.point for row in rows if row.point is not None]
    return [_growth_row(growth) for growth in fit_growths(points)]


def _growth_row(growth: Growth) -> Row:
    sizes = ", ".join(f"{size:,}" for size in growth.sizes)
    note = (
        f"over {sizes}: CPU as n^{growth.cpu:.2f}, n^{growth.steepest:.2f} between the two "
        f"largest; time as n^{growth.time:.2f}"
    )
    word = MET if growth.is_linear else MISSED
    target = f"target {word}: no worse than linear"
    return replace(empty_row(f"growth of {growth.series}"), note=note, target=target, growth=growth)


def missed(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that do not keep to what was promised."""
    return [row for row in rows if f"target {MISSED}" in row.target]


def cells(row: Row) -> tuple[str, ...]:
    """Return a row in words; what was not measured stays empty."""
    remark = "; ".join(text for text in (row.target, row.note) if text)
    if row.growth is not None:
        return (row.name, *("" for _ in _NUMBERS), remark)
    numbers = (
        row.callers,
        row.latency_ms,
        row.ops_per_s,
        row.p50_ms,
        row.p95_ms,
        row.p99_ms,
        row.round_trips_per_op,
        round(row.cpu_s_per_op * 1000, 3),
        row.total_s,
        row.rss_mib,
    )
    return (row.name, *(f"{number:g}" for number in numbers), remark)


def show_table(rows: Sequence[Row]) -> Table:
    """Return the table of the rows."""
    table = Table(title="Benchmark", header_style="bold")
    table.add_column("what")
    for column in _NUMBERS:
        table.add_column(column, justify="right")
    table.add_column("target and note")
    for row in rows:
        table.add_row(*cells(row))
    return table
