"""`python -m bench.page`: what build/bench.json says, into the tables of docs/performance.md."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs/performance.md"
FILE = ROOT / "build/bench.json"

Measured = Mapping[str, Any]
"""A row of the file: `bench.measure.Row` as JSON."""

_TABLE = re.compile(r"(<!-- measured: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
_BARE = re.compile(r"([\d.]+) times the bare tools \([\d.]+ ms\); (\d+) child processes")
_VERDICT = re.compile(r"target (\w+): [a-z ]+ ([\d.]+), at most ([\d.]+) (\w+)")
_LATENCY_MS = 200
_SERVICES = ("controller", "node", "reconciler")


def fill(page: str, rows: Sequence[Measured]) -> str:
    """Return the page with what the rows say in all of its tables.

    Raises:
        KeyError: a table is not known, or a row that it needs was not measured.
    """
    return _TABLE.sub(lambda found: found[1] + _table(found[2], rows) + found[3], page)


class _Verdict(NamedTuple):
    """What `bench.targets.Target.judge` said of a row."""

    word: str
    measured: float
    limit: str
    unit: str

    @classmethod
    def of(cls, row: Measured) -> "_Verdict":
        found = _VERDICT.match(row["target"])
        if found is None:
            raise KeyError(f"the target of {row['name']}")
        return cls(found[1], float(found[2]), found[3], found[4])


def _table(name: str, rows: Sequence[Measured]) -> str:
    head, cells = _TABLES[name]
    lines = ["|" + "|".join(f" {title} " for title in head) + "|", "|" + "---|" * len(head)]
    lines += [f"| {' | '.join(row)} |" for row in cells(rows)]
    return "\n".join(lines) + "\n"


def _index(rows: Sequence[Measured]) -> dict[tuple[str, int, int], Measured]:
    return {(row["name"], row["callers"], int(row["latency_ms"])): row for row in rows}


def _ms(row: Measured, digits: int = 3) -> str:
    milliseconds = row["cpu_s_per_op"] * 1000
    return f"{milliseconds:.{digits}g} ms"


def _promised(rows: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    found = _index(rows)
    for service in _SERVICES:
        yield f"{service}, resident when idle", *_verdict(found[f"{service}: idle", 1, 0])
    for service in _SERVICES:
        row = found[f"{service}: start until ready", 1, 0]
        limit, measured = _verdict(row)
        cpu = f"with {row['cpu_s_per_op']:.2f} s of CPU"
        yield f"{service}, from its start to `ready`, the slowest", limit, f"{measured}, {cpu}"
    stages = [row for row in rows if row["name"].startswith("NodeStageVolume") and row["target"]]
    worst = max(stages, key=lambda row: _Verdict.of(row).measured)
    yield "NodeStageVolume, beyond the same tools by hand, at most", *_verdict(worst)
    grown = [row["growth"]["cpu"] for row in rows if row["growth"]]
    bad = [row["name"] for row in rows if row["growth"] and "MISSED" in row["target"]]
    verdict = f"MISSED: {', '.join(bad)}" if bad else "met"
    limit = "an exponent of 1, with tolerance 1.2"
    between = f"{min(grown):.2f} to {max(grown):.2f}"
    yield "nothing worse than linear in volumes", limit, f"{between}: {verdict}"


def _verdict(row: Measured) -> tuple[str, str]:
    """Return the limit of a row, and what was measured beside it."""
    said = _Verdict.of(row)
    return f"{said.limit} {said.unit}", f"{said.measured:.3g} {said.unit}: {said.word}"


def _calls(rows: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    found = _index(rows)
    for name, callers, latency in found:
        if (callers, latency) != (1, 0) or (name, 50, _LATENCY_MS) not in found:
            continue
        if name.startswith("device "):
            continue
        alone, slow = found[name, 1, 0], found[name, 1, _LATENCY_MS]
        many = found[name, 50, _LATENCY_MS]
        rates = " / ".join(f"{found[name, n, 0]['ops_per_s']:,.0f}" for n in (1, 10, 50))
        yield (
            name,
            f"{alone['round_trips_per_op']:g}",
            f"{slow['p50_ms'] / _LATENCY_MS:.2f}",
            f"{many['round_trips_per_op']:.2f}",
            f"{many['ops_per_s']:,.0f}",
            rates,
            _ms(alone, 2),
        )


def _device(rows: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    found = _index(rows)
    verbs = dict.fromkeys(name for name, _, _ in found if name.startswith("device "))
    for name in verbs:
        for callers in (1, 10, 50, 100):
            at_once, slow = found[name, callers, 0], found[name, callers, _LATENCY_MS]
            yield (
                name.removeprefix("device "),
                str(callers),
                f"{at_once['round_trips_per_op']:.2f}",
                f"{at_once['ops_per_s']:,.0f}",
                f"{slow['ops_per_s']:.3g}",
                _ms(at_once),
            )


def _node(rows: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        if bare := _BARE.match(row["note"]):
            beyond = row["p50_ms"] * (1 - 1 / float(bare[1]))
            yield (
                row["name"],
                bare[1],
                f"{beyond:.0f} ms",
                bare[2],
                f"{row['p50_ms']:.0f} ms",
                _ms(row, 2),
            )


def _growth(rows: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    points: dict[str, dict[int, float]] = {}
    for row in rows:
        if point := row["point"]:
            points.setdefault(point["series"], {})[point["size"]] = point["cpu_seconds"]
    for row in rows:
        if growth := row["growth"]:
            costs = [points[growth["series"]][size] for size in growth["sizes"]]
            yield (
                growth["series"],
                f"{growth['cpu']:.2f}, {growth['steepest']:.2f}",
                f"{growth['time']:.2f}",
                *(f"{1000 * cost:.3g} ms" if cost < 1 else f"{cost:.3g} s" for cost in costs),
            )


def _starts(rows: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    found = _index(rows)
    for service in _SERVICES:
        start = found[f"{service}: start until ready", 1, 0]
        idle = found[f"{service}: idle", 1, 0]
        own, busy = idle["note"].split("; ")
        yield (
            service,
            f"{start['p50_ms'] / 1000:.2f} s",
            f"{start['cpu_s_per_op']:.2f} s",
            f"{idle['rss_mib']:.0f} MiB",
            f"{float(own.split()[0]):.0f} MiB",
            busy.split()[0],
        )


def _all(rows: Sequence[Measured]) -> Iterator[tuple[str, ...]]:
    for row in rows:
        if row["growth"]:
            continue
        numbers = ("callers", "latency_ms", "ops_per_s", "p50_ms", "p95_ms", "p99_ms")
        yield (
            row["name"],
            *(f"{row[number]:g}" for number in numbers),
            f"{row['round_trips_per_op']:g}",
            f"{row['cpu_s_per_op'] * 1000:.3g}",
            f"{row['rss_mib']:g}",
            _Verdict.of(row).word if row["target"] else "",
        )


_Cells = Callable[[Sequence[Measured]], Iterator[tuple[str, ...]]]

_TABLES: Mapping[str, tuple[tuple[str, ...], _Cells]] = {
    "promised": (("", "promised, at most", "measured"), _promised),
    "controller": (
        (
            *("call", "round trips, 1 caller", "p50 in execs of 200 ms, 1 caller"),
            *("round trips a call, 50 callers", "a second, 50 callers, 200 ms"),
            *("a second, 1 / 10 / 50 callers, 0 ms", "CPU, 1 caller"),
        ),
        _calls,
    ),
    "device": (
        (
            *("verb of the device client", "callers", "round trips each", "a second, 0 ms"),
            *("a second, 200 ms", "CPU at 0 ms"),
        ),
        _device,
    ),
    "node": (
        (
            *("call", "times the bare tools", "beyond them", "child processes", "p50"),
            "CPU of the plugin",
        ),
        _node,
    ),
    "growth": (
        ("", "exponent of CPU: fit, steepest", "of time", "CPU at 100", "at 1,000", "at 10,000"),
        _growth,
    ),
    "starts": (
        (
            *("service", "ready after", "CPU until then", "resident when idle"),
            *("its own of that", "CPU when idle"),
        ),
        _starts,
    ),
    "all": (
        (
            *("what", "callers", "device ms", "a second", "p50 ms", "p95 ms", "p99 ms"),
            *("round trips", "CPU ms", "RSS MiB", "target"),
        ),
        _all,
    ),
}
"""For each table of the page its titles, and what makes its rows."""


def main() -> int:
    """Write the page; return the exit code."""
    try:
        rows = json.loads(FILE.read_text())
    except FileNotFoundError:
        sys.stderr.write(f"{FILE.relative_to(ROOT)} is not there: ./dev bench writes it\n")
        return 2
    PAGE.write_text(fill(PAGE.read_text(), rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
