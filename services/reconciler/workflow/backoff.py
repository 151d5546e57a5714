"""How long an object is left alone after a failure: longer each time, and no two alike."""

import random
from collections.abc import Container
from dataclasses import dataclass, replace

FIRST_SECONDS = 1.0
LONGEST_SECONDS = 300.0
_SPREAD = 0.2


@dataclass(frozen=True, slots=True)
class Failure:
    """What is known of an object whose last action failed."""

    count: int
    error: str
    next_try: float


class Backoff:
    """Remembers failures by object.

    Args:
        first: seconds after the first failure; twice as many after each further one.
        longest: seconds at most.
    """

    def __init__(self, first: float = FIRST_SECONDS, longest: float = LONGEST_SECONDS) -> None:
        self._first = first
        self._longest = longest
        self._failures: dict[str, Failure] = {}

    def fail(self, key: str, error: str, now: float) -> None:
        """Note a failure."""
        count = self._failures[key].count + 1 if key in self._failures else 1
        pause = min(self._first * 2 ** min(count - 1, 30), self._longest)
        pause *= random.uniform(1 - _SPREAD, 1 + _SPREAD)  # noqa: S311 (to spread load)
        self._failures[key] = Failure(count, error, now + pause)

    def succeed(self, key: str) -> None:
        """Note a success."""
        self._failures.pop(key, None)

    def of(self, key: str) -> Failure | None:
        """Return the failure of an object whose last action failed."""
        return self._failures.get(key)

    def waits(self, key: str, now: float) -> bool:
        """Whether an object is to be left alone for now."""
        failure = self._failures.get(key)
        return failure is not None and now < failure.next_try

    def next_try(self, leaving_out: Container[str] = ()) -> float | None:
        """Return when the first object is to be tried again."""
        waiting = (f.next_try for key, f in self._failures.items() if key not in leaving_out)
        return min(waiting, default=None)

    def hurry(self, now: float) -> None:
        """Have all of them tried again at once: what they failed for may be over."""
        self._failures = {key: replace(f, next_try=now) for key, f in self._failures.items()}

    def keep(self, keys: set[str]) -> None:
        """Forget all other objects: nothing is to be done to them any more."""
        self._failures = {key: f for key, f in self._failures.items() if key in keys}

    def __len__(self) -> int:
        return len(self._failures)
