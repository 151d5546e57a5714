"""Whether memory and open files stay flat. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

FILES_SLACK = 24
MEMORY_FACTOR = 1.1
MEMORY_SLACK_KIB = 8 * 1024

_WARM = 10.0
"""Seconds after which a process has imported and read what it always has."""
_ENOUGH = 15
"""Samples of a warm process that say something."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process used at a moment."""

    at: float
    kib: int
    files: int


@dataclass(frozen=True, slots=True)
class Trend:
    """What a process used in the first and the last third of its time."""

    seconds: float
    kib: tuple[int, int]
    files: tuple[int, int]

    @property
    def is_flat(self) -> bool:
        """Whether it did not grow by more than an outage or a burst of calls explains."""
        (first, last), (few, many) = self.kib, self.files
        return last <= first * MEMORY_FACTOR + MEMORY_SLACK_KIB and many <= few + FILES_SLACK

    def __str__(self) -> str:
        (first, last), (few, many) = self.kib, self.files
        return f"{first} to {last} KiB, {few} to {many} open files in {self.seconds:.0f} s"


def trend_of(life: Sequence[Sample]) -> Trend | None:
    """Return how a process fared; None where it did not live for long enough to say so.

    Medians: while an API server or a device is away, connections to it are not there either.
    """
    warm = [sample for sample in life if sample.at - life[0].at >= _WARM]
    if len(warm) < _ENOUGH:
        return None
    third = len(warm) // 3
    first, last = warm[:third], warm[-third:]
    return Trend(
        warm[-1].at - life[0].at,
        (_middle(first, "kib"), _middle(last, "kib")),
        (_middle(first, "files"), _middle(last, "files")),
    )


def _middle(samples: Sequence[Sample], what: str) -> int:
    values: list[int] = [getattr(sample, what) for sample in samples]
    return round(median(values))
