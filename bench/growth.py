"""How costs grow with the number of volumes: the exponent that fits them. Pure."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

LINEAR = 1.2
"""The largest fitted exponent that counts as linear. Sorting is n to the power of 1.15 from a
hundred to ten thousand; a square is 2."""

STEEPEST = 1.5
"""The largest exponent between the two largest sizes. What outgrows a processor's cache there costs
up to twice as much for each volume, which is n to the power of 1.3; a square is 2 there too,
whatever each call costs besides."""


@dataclass(frozen=True)
class Point:
    """What one size cost.

    Attributes:
        series: what was done at each of the sizes.
        size: how many volumes there were.
        seconds: how long it took, all of it once.
        cpu_seconds: the CPU time for it.
    """

    series: str
    size: int
    seconds: float
    cpu_seconds: float


@dataclass(frozen=True)
class Growth:
    """How a series grows: costs are about as the size to the power of an exponent.

    Attributes:
        series: what was done.
        sizes: at which sizes, from the smallest.
        time: the exponent of the time.
        cpu: the exponent of the CPU time.
        steepest: the exponent of the CPU time between the two largest sizes. What each call costs
            whatever the size is flattens the fit over all of them, and this one the least.
    """

    series: str
    sizes: tuple[int, ...]
    time: float
    cpu: float
    steepest: float

    @property
    def is_linear(self) -> bool:
        """Whether nothing is worse. CPU time is judged: neighbours on the machine move it less."""
        return self.cpu <= LINEAR and self.steepest <= STEEPEST


def fit_exponent(points: Sequence[tuple[float, float]]) -> float:
    """Return the exponent that fits sizes and costs best: least squares through their logarithms.

    Raises:
        ValueError: there are no two sizes, or something is not positive.
    """
    if len({size for size, _ in points}) < 2:  # noqa: PLR2004 (a line has two points)
        raise ValueError("an exponent needs costs at two sizes at least")
    logs = [(math.log(size), math.log(cost)) for size, cost in points]
    middle = sum(x for x, _ in logs) / len(logs)
    level = sum(y for _, y in logs) / len(logs)
    spread = sum((x - middle) ** 2 for x, _ in logs)
    return sum((x - middle) * (y - level) for x, y in logs) / spread


def fit_growths(points: Iterable[Point]) -> list[Growth]:
    """Return how each series grows that was measured at more than one size, in their order."""
    series: dict[str, dict[int, Point]] = {}
    for point in points:
        series.setdefault(point.series, {})[point.size] = point
    return [_growth(name, sizes) for name, sizes in series.items() if len(sizes) > 1]


def _growth(name: str, points: dict[int, Point]) -> Growth:
    ordered = [points[size] for size in sorted(points)]
    cpu = [(point.size, point.cpu_seconds) for point in ordered]
    return Growth(
        series=name,
        sizes=tuple(point.size for point in ordered),
        time=fit_exponent([(point.size, point.seconds) for point in ordered]),
        cpu=fit_exponent(cpu),
        steepest=fit_exponent(cpu[-2:]),
    )
