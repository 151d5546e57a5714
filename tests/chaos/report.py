"""What a run came to: for machines in build/chaos.json, and as tables for people."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.chaos.house import House
from tests.chaos.trouble import Trouble
from tests.chaos.usage import trend_of

FILE = Path("build/chaos.json")

_COUNTS = ("volumes", "snapshots", "writes", "reads", "checks")


def gather(house: House, trouble: Trouble, facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return all of it."""
    calls: dict[str, Counter[str]] = {}
    for (method, outcome), count in sorted(house.calls.counts.items()):
        calls.setdefault(method, Counter())[outcome] = count
    return {
        **facts,
        "operations": house.operations,
        "attempts": sum(house.calls.counts.values()),
        "faults": sum(trouble.done.values()),
        "faults_by_kind": dict(sorted(trouble.done.items())),
        "faults_skipped": dict(sorted(trouble.skipped.items())),
        "calls": {method: dict(counts) for method, counts in calls.items()},
        "slowest_call_seconds": {k: round(v, 2) for k, v in sorted(house.calls.slowest.items())},
        "last_words": dict(sorted(house.calls.said.items())),
        "volumes": len(house.promises.volumes),
        "snapshots": len(house.promises.snapshots),
        "writes": house.writes,
        "reads": house.reads,
        "checks": house.promises.checks,
        "visits_cut_short": house.lost_visits,
        "happened": trouble.log,
        "broken": house.broken,
    }


def write(found: Mapping[str, Any]) -> None:
    """Write it to a file."""
    FILE.parent.mkdir(exist_ok=True)
    FILE.write_text(json.dumps(found, indent=1) + "\n")


def show(found: Mapping[str, Any]) -> str:
    """Return the tables."""
    names = [
        "operations",
        "attempts",
        "faults",
        "volumes",
        "snapshots",
        "writes",
        "reads",
        "checks",
    ]
    lines = ["", *(f"{name:<20}{found[name]:>8}" for name in names)]
    lines += [f"{'rest after':<20}{found['rest_seconds']:>8.1f} s", ""]
    lines += [f"{kind:<40}{count:>6}" for kind, count in found["faults_by_kind"].items()]
    lines += ["", *_calls(found["calls"]), "", *_usage(found["usage"])]
    if found["broken"]:
        lines += ["", "NOT KEPT:", *(f"- {sentence}" for sentence in found["broken"])]
    return "\n".join(lines)


def _calls(calls: Mapping[str, Mapping[str, int]]) -> list[str]:
    lines = []
    for method, counts in calls.items():
        others = ", ".join(f"{name} {count}" for name, count in counts.items() if name != "OK")
        lines.append(f"{method:<26}{counts.get('OK', 0):>6}  {others}")
    return lines


def compare_usage(house: House) -> list[dict[str, Any]]:
    """Return what processes used, those that lived longest; complain of those that grew."""
    rows = []
    for program in house.programs:
        trends = [found for life in program.lives if (found := trend_of(life))]
        for trend in trends:
            if not trend.is_flat and not program.remembers:
                house.complain(f"{program.name} grew: {trend}")
        row: dict[str, Any] = {"process": program.name, "starts": program.starts}
        if trends:
            longest = max(trends, key=lambda trend: trend.seconds)
            row |= {"longest": asdict(longest), "text": str(longest)}
        rows.append(row)
    return rows


def _usage(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines = [f"{'process':<16}{'starts':>7}  first and last third of the longest life"]
    for row in rows:
        text = row.get("text", "killed too soon to say")
        lines.append(f"{row['process']:<16}{row['starts']:>7}  {text}")
    return lines
