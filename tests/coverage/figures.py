"""What a report of coverage says, as numbers."""

import configparser
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

_CONTRACT = "importlinter:contract:pure"


@dataclass(frozen=True)
class Figure:
    """How much there is, and how much of it ran.

    Attributes:
        lines: statements that could run.
        lines_run: those that did.
        branches: ways on from where there is more than one.
        branches_taken: those that were taken.
    """

    lines: int = 0
    lines_run: int = 0
    branches: int = 0
    branches_taken: int = 0

    def __add__(self, other: "Figure") -> "Figure":
        return Figure(
            self.lines + other.lines,
            self.lines_run + other.lines_run,
            self.branches + other.branches,
            self.branches_taken + other.branches_taken,
        )

    @property
    def percent(self) -> float:
        """Lines and branches together, as coverage.py counts them; of nothing, all ran."""
        return _share(self.lines_run + self.branches_taken, self.lines + self.branches)

    @property
    def percent_lines(self) -> float:
        return _share(self.lines_run, self.lines)

    @property
    def percent_branches(self) -> float:
        return _share(self.branches_taken, self.branches)


@dataclass(frozen=True)
class File:
    """What ran of a file, and where it did not."""

    path: str
    figure: Figure
    lines: tuple[int, ...] = ()
    branches: tuple[tuple[int, int], ...] = ()

    @property
    def gaps(self) -> str:
        """Where: lines, and branches as from->to, unless the line itself never ran."""
        never = set(self.lines)
        # What leads out of a function has the negated line of its start.
        ways = [
            f"{start}->{end if end > 0 else 'exit'}"
            for start, end in self.branches
            if start not in never
        ]
        return ", ".join([*_runs(self.lines), *ways])


Report = Mapping[str, File]
"""By path."""


def read_report(text: str) -> Report:
    """Read what `coverage json` wrote."""
    return {path: _file(path, entry) for path, entry in json.loads(text)["files"].items()}


def total(files: Iterable[File]) -> Figure:
    """Add up."""
    return sum((file.figure for file in files), Figure())


def pure_modules(text: str) -> tuple[str, ...]:
    """Return the modules that have to be pure, from the layers' file: there is one list of them."""
    layers = configparser.ConfigParser()
    layers.read_string(text)
    return tuple(layers[_CONTRACT]["source_modules"].split())


def pure_files(report: Report, modules: Iterable[str]) -> tuple[File, ...]:
    """Return the files of these modules, and of what lies below those that are packages."""
    names = tuple(modules)
    return tuple(file for path, file in report.items() if _is_below(_module(path), names))


def _is_below(module: str, names: Iterable[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in names)


def _module(path: str) -> str:
    return ".".join(PurePosixPath(path).with_suffix("").parts).removesuffix(".__init__")


def _file(path: str, entry: Mapping[str, Any]) -> File:
    of = entry["summary"]
    figure = Figure(
        of["num_statements"], of["covered_lines"], of["num_branches"], of["covered_branches"]
    )
    branches = tuple((start, end) for start, end in entry["missing_branches"])
    return File(path, figure, tuple(entry["missing_lines"]), branches)


def _share(part: int, whole: int) -> float:
    return 100.0 * part / whole if whole else 100.0


def _runs(lines: tuple[int, ...]) -> Iterator[str]:
    """Join neighbours: 3, 4, 5 and 9 are 3-5 and 9."""
    start = last = None
    for line in lines:
        if last is not None and line != last + 1:
            yield _run(start, last)
            start = None
        start = line if start is None else start
        last = line
    if last is not None:
        yield _run(start, last)


def _run(start: int | None, end: int) -> str:
    return f"{end}" if start in {None, end} else f"{start}-{end}"
