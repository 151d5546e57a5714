"""Measure, print a table, and write `build/bench.json`."""

import argparse
import asyncio
import json
import logging
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from time import perf_counter

import structlog
from rich.console import Console

from bench.client import bench_verbs
from bench.controller import bench_calls, bench_listing
from bench.hottest import show_hottest
from bench.measure import Load, Row
from bench.node import bench_node
from bench.parsing import bench_parsing
from bench.reconciler import bench_pass
from bench.reconciler_process import bench_process
from bench.report import growth_rows, missed, show_table
from bench.scrape import bench_scrape
from bench.startup import bench_startup

RESULTS = Path("build/bench.json")

CALLERS = (1, 10, 50, 100)
SIZES = (100, 1_000, 10_000)
"""Numbers of volumes at which growth is looked at."""
QUICK_SIZES = (100, 300, 1_000)
PARTS = ("client", "controller", "node", "reconciler", "scrape", "start")
WIDTH = 200


def _loads(*, quick: bool) -> list[Load]:
    fast, slow = (150, 4) if quick else (500, 10)
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


def _part(part: str, sizes: Sequence[int], *, quick: bool) -> list[AsyncIterator[Row]]:
    largest = sizes[-1]
    if part == "start":
        return [bench_startup(2 if quick else 5, 2 if quick else 10)]
    if part == "client":
        return [bench_verbs(_loads(quick=quick)), bench_parsing(10_000)]
    if part == "controller":
        listings = [bench_listing(size, 0) for size in sizes]
        return [bench_calls(_calls(quick=quick)), *listings, bench_listing(largest, 200)]
    if part == "node":
        return [bench_node(2 if quick else 10)]
    if part == "reconciler":
        return [bench(size) for bench in (bench_pass, bench_process) for size in sizes]
    return [bench_scrape(size) for size in sizes]


async def _rows(parts: Sequence[str], *, quick: bool) -> list[Row]:
    rows: list[Row] = []
    for part in parts:
        began = perf_counter()
        for measuring in _part(part, QUICK_SIZES if quick else SIZES, quick=quick):
            rows += [row async for row in measuring]
        _save(rows)
        sys.stderr.write(f"{part}: {perf_counter() - began:.0f} s\n")
    rows += growth_rows(rows)
    _save(rows)
    return rows


def _save(rows: Sequence[Row]) -> None:
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps([row.as_json() for row in rows], indent=1) + "\n")


def main() -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser("bench", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer operations")
    parser.add_argument("--part", choices=("all", *PARTS), default="all", help="what to measure")
    parser.add_argument(
        "--profile", action="store_true", help="show where CPU time goes, and measure nothing"
    )
    options = parser.parse_args()
    quiet = structlog.make_filtering_bound_logger(logging.WARNING)
    structlog.configure(
        wrapper_class=quiet, logger_factory=structlog.PrintLoggerFactory(sys.stderr)
    )
    if options.profile:
        asyncio.run(show_hottest(quick=options.quick))
        return 0
    parts = PARTS if options.part == "all" else (options.part,)
    rows = asyncio.run(_rows(parts, quick=options.quick))
    console = Console(width=None if sys.stdout.isatty() else WIDTH)
    console.print(show_table(rows))
    console.print(f"{len(missed(rows))} of {sum(bool(row.target) for row in rows)} targets missed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
