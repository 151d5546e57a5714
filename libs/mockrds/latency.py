"""How long the simulated device takes."""

import random
import re
from dataclasses import dataclass

_SIZE = re.compile(r"/disk[ /]+add [^}]*?file-size=\"?(\d+)([KMGT]?)")
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_GIB = 2**30


@dataclass(slots=True)
class Latency:
    """Seconds for one exec: between `least` and `most`, and more for every GiB that is added."""

    least: float = 0.0
    most: float = 0.0
    per_gib: float = 0.0

    def of(self, line: str) -> float:
        """Return how long a line takes this time."""
        added = sum(int(size) * _UNITS[unit] for size, unit in _SIZE.findall(line)) / _GIB
        spread = self.most - self.least
        return self.least + random.random() * spread + added * self.per_gib  # noqa: S311 (no secret)


REALISTIC = Latency(0.15, 0.25, 0.035)
"""As people report of hardware: 150 to 250 ms, and 2 to 5 s for adding 100 GB."""


def fixed(seconds: float) -> Latency:
    """Return a latency that is always the same."""
    return Latency(seconds, seconds)
