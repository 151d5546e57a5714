"""What has to be reached, whether it was, and that it is never less than before."""

import math
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from tests.coverage.figures import Figure, File

ALL, PURE, PURE_UNIT = "all", "pure", "pure-unit"

_SLACK = 0.3
"""Between what was measured and its floor: races, and what hypothesis draws, differ each time."""

_EXACT = {PURE}
"""What has no races: all of it runs or it does not."""

_TITLES = {
    ALL: "all tiers together",
    PURE: "the pure modules, by all tiers",
    PURE_UNIT: "the pure modules, by unit tests alone",
}


@dataclass(frozen=True)
class Floors:
    """The file of floors.

    Attributes:
        tiers: which folders are run together.
        floors: per cent that have to be reached, by tier and for what is made of several.
    """

    tiers: Mapping[str, tuple[str, ...]]
    floors: Mapping[str, float]


def read_floors(text: str) -> Floors:
    """Read the file.

    Raises:
        ValueError: when a tier has no floor, or a floor belongs to nothing.
    """
    found = tomllib.loads(text)
    tiers = {name: tuple(paths) for name, paths in found["tiers"].items()}
    wanted = {*tiers, *_TITLES}
    if wanted != set(found["floors"]):
        odd = ", ".join(sorted(wanted ^ set(found["floors"])))
        raise ValueError(f"each tier needs one floor, and each floor a tier: look at {odd}")
    return Floors(tiers, found["floors"])


def title(name: str) -> str:
    """Return what people call it."""
    return _TITLES.get(name, f"the {name} tests")


def below(figures: Mapping[str, Figure], floors: Mapping[str, float]) -> Iterator[str]:
    """Say what was measured and is less than its floor."""
    for name, figure in figures.items():
        if figure.percent < floors[name]:
            yield (
                f"{name}: the floor is {floors[name]:.1f} %, and {_shown(figure.percent)} % was "
                f"measured for {title(name)}"
            )


def incomplete(files: Iterable[File]) -> Iterator[str]:
    """Say where pure modules have something that never ran."""
    for file in files:
        if file.figure.percent < 100:
            yield f"{file.path}: {_shown(file.figure.percent)} %, not {file.gaps}"


def highest(versions: Iterable[Mapping[str, float]]) -> Mapping[str, float]:
    """Return the highest that each floor ever was."""
    found: dict[str, float] = {}
    for floors in versions:
        for name, floor in floors.items():
            found[name] = max(floor, found.get(name, floor))
    return found


def lowered(now: Mapping[str, float], before: Mapping[str, float]) -> Iterator[str]:
    """Say which floors are lower than they were, or are gone."""
    for name, floor in before.items():
        if name not in now:
            yield f"{name}: its floor of {floor:.1f} % is gone, and floors only rise"
        elif now[name] < floor:
            yield f"{name}: the floor is {now[name]:.1f} %, was {floor:.1f} %, and floors only rise"


def raised(text: str, figures: Mapping[str, Figure]) -> str:
    """Return the file with the floors that what was measured allows; none gets lower."""
    head, mark, tail = text.partition("[floors]\n")
    for name, figure in figures.items():
        pattern = re.compile(rf"^{re.escape(name)} = ([\d.]+)$", re.MULTILINE)
        floor = _floor_for(name, figure)
        tail = pattern.sub(lambda old: _line(name, max(floor, float(old[1]))), tail)  # noqa: B023
    return head + mark + tail


def table(figures: Mapping[str, Figure], floors: Mapping[str, float]) -> str:
    """Return all that was measured, for people."""
    lines = [
        "| what ran | % | floor | % of lines | % of branches | lines | branches |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, of in figures.items():
        lines.append(
            f"| {title(name)} | {_shown(of.percent)} | {floors[name]:.1f} "
            f"| {_shown(of.percent_lines)} | {_shown(of.percent_branches)} "
            f"| {of.lines_run} of {of.lines} | {of.branches_taken} of {of.branches} |"
        )
    return "\n".join(lines) + "\n"


def _line(name: str, floor: float) -> str:
    return f"{name} = {floor:.1f}"


def _floor_for(name: str, figure: Figure) -> float:
    percent = figure.percent if name in _EXACT else figure.percent - _SLACK
    return math.floor(max(percent, 0.0) * 10) / 10


def _shown(percent: float) -> str:
    """Two places, rounded down: what is not all must not look like it."""
    return f"{math.floor(percent * 100) / 100:.2f}"
