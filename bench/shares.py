"""Whose code CPU time goes to, by what a profiler counted. Pure."""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

_OURS = re.compile(r"/((?:libs|services)/\w+|protos/gen)/")
_PACKAGE = re.compile(r"/site-packages/(\w+)")
_STANDARD = re.compile(r"/python3\.\d+/(\w+)")
_BUILT_IN = "~"
"""Where the profiler says that functions written in C are."""

Function = tuple[str, int, str]
"""A function, as `pstats` names it: its file, its line, its name."""
Callers = Mapping[Function, tuple[int, int, float, float]]
Entry = tuple[int, int, float, float, Callers]
"""Calls without recursion, calls, own time, time with what it called, and the same by caller."""


@dataclass(frozen=True)
class Spent:
    """What a function spent by itself, without what it called.

    Attributes:
        file: where it is.
        function: its name.
        calls: how often it was called.
        seconds: the CPU time.
    """

    file: str
    function: str
    calls: int
    seconds: float


def read_entries(entries: Mapping[Function, Entry]) -> Iterator[Spent]:
    """Yield what each function spent; what is written in C counts for whoever calls it."""
    for (file, _, name), (_, calls, seconds, _, callers) in entries.items():
        if file != _BUILT_IN or not callers:
            yield Spent(file, name, calls, seconds)
            continue
        for (caller, _, _), (_, times, own, _) in callers.items():
            yield Spent(caller, name, times, own)


def part_of(file: str) -> str:
    """Return what a function belongs to: a library of ours, a package, or a module of Python's."""
    for pattern in (_OURS, _PACKAGE, _STANDARD):
        if found := pattern.search(file):
            return found[1]
    return file


def shares(spent: Iterable[Spent], smallest: float = 0.02) -> list[tuple[str, float]]:
    """Return what share of all each part spent, from the largest down to the smallest wanted."""
    parts: dict[str, float] = defaultdict(float)
    for one in spent:
        parts[part_of(one.file)] += one.seconds
    whole = sum(parts.values())
    if not whole:
        return []
    ordered = sorted(parts.items(), key=lambda part: part[1], reverse=True)
    return [(name, cost / whole) for name, cost in ordered if cost / whole >= smallest]
