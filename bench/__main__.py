"""Measure, print a table, and write `build/bench.json`."""

import argparse
import asyncio
import json
import logging
import sys
from pathlib import Path

import structlog
from rich.console import Console
from rich.table import Table

from bench.client import bench_verbs
from bench.controller import bench_calls, bench_listing
from bench.measure import Load, Row
from bench.node import bench_node
from bench.parsing import bench_parsing
from bench.reconciler import bench_pass
from bench.reconciler_process import bench_process
from bench.scrape import bench_scrape

RESULTS = Path("build/bench.json")

CALLERS = (1, 10, 50, 100)
PARTS = ("all", "client", "controller", "node", "reconciler", "scrape")


def _loads(*, quick: bool) -> list[Load]:
    fast, slow = (150, 4) if quick else (2000, 10)
    at_once = [Load(callers, 0, max(callers, fast)) for callers in CALLERS]
    # At 200 ms a lone caller is given few operations: each costs what it costs.
    waiting = [Load(callers, 200, callers if callers > 1 else slow) for callers in CALLERS]
    return [*at_once, *waiting]


def _calls(*, quick: bool) -> list[Load]:
    per_caller = 2 if quick else 6
    return [
        Load(callers, latency, max(callers * per_caller, 10))
        for latency in (0, 200)
        for callers in ((1, 50) if quick else (1, 10, 50))
    ]


async def _rows(parts: str, *, quick: bool) -> list[Row]:
    rows: list[Row] = []
    if parts in ("all", "client"):
        rows += [row async for row in bench_verbs(_loads(quick=quick))]
        rows += [row async for row in bench_parsing(10_000)]
    if parts in ("all", "controller"):
        rows += [row async for row in bench_calls(_calls(quick=quick))]
        rows += [row async for row in bench_listing(1_000 if quick else 10_000)]
    if parts in ("all", "node"):
        rows += [row async for row in bench_node(2 if quick else 10)]
    if parts in ("all", "reconciler"):
        rows += [row async for row in bench_pass(1_000 if quick else 10_000)]
        rows += [row async for row in bench_process(1_000 if quick else 10_000)]
    if parts in ("all", "scrape"):
        rows += [row async for row in bench_scrape(1_000 if quick else 10_000)]
    return rows


def _table(rows: list[Row]) -> Table:
    table = Table(title="Benchmark", header_style="bold")
    for column in ("what", "callers", "device ms", "ops/s", "p50", "p95", "p99 ms"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for column in ("round trips/op", "all in s", "RSS MiB", "note"):
        table.add_column(column, justify="left" if column == "note" else "right")
    for row in rows:
        numbers = (row.callers, row.latency_ms, row.ops_per_s, row.p50_ms, row.p95_ms, row.p99_ms)
        costs = (row.round_trips_per_op, row.total_s, row.rss_mib)
        table.add_row(row.name, *(f"{number:g}" for number in (*numbers, *costs)), row.note)
    return table


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer operations")
    parser.add_argument("--part", choices=PARTS, default="all", help="what to measure")
    options = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(
        wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    rows = asyncio.run(_rows(options.part, quick=options.quick))
    Console(width=None if sys.stdout.isatty() else 160).print(_table(rows))
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
