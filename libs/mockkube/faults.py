"""What is to go wrong."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Faults:
    """What is to go wrong, until it is taken back.

    Attributes:
        broken: a status and body that are answered instead of everything else.
        elsewhere: a URL that every request is sent on to.
        frozen: paths of collections whose watches tell nothing, as when they lag behind.
        refusals: statuses that are answered to what begins with such a method and path.
        lost: how many of the next changes are made, and their answers lost.
        slow: seconds before each answer that is no watch's.
        hanging: beginnings of method and path that get no answer at all.
        before_change: happens once, just before the next change is made.
        gone_as_status: whether a watch that is too old is refused with 410 as the HTTP status; as
            an ERROR event where it is not, as servers with a watch cache do.
    """

    broken: tuple[int, str] | None = None
    elsewhere: str = ""
    frozen: set[str] = field(default_factory=set)
    refusals: dict[str, int] = field(default_factory=dict)
    lost: int = 0
    slow: float = 0.0
    hanging: set[str] = field(default_factory=set)
    before_change: Callable[[], Awaitable[None]] | None = None
    gone_as_status: bool = False

    def update(self, changes: Mapping[str, object]) -> None:
        """Set faults by their names, from JSON.

        Raises:
            ValueError: one of them is not known, or makes no sense.
        """
        for name, value in changes.items():
            if name not in _READERS:
                raise ValueError(f"unknown: {name}")
            try:
                setattr(self, name, _READERS[name](value))
            except (TypeError, ValueError, AttributeError) as error:
                raise ValueError(f"{name} makes no sense: {value}") from error

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        fresh = Faults()
        for name in _READERS:
            setattr(self, name, getattr(fresh, name))

    def refusal(self, asked: str) -> int:
        """Return the status that is to be answered to a method and path; 0 for none."""
        return next((s for begin, s in self.refusals.items() if asked.startswith(begin)), 0)

    def hangs(self, asked: str) -> bool:
        """Whether a method and path get no answer."""
        return any(asked.startswith(begin) for begin in self.hanging)


def _answer(value: Any) -> tuple[int, str] | None:  # noqa: ANN401 (from JSON)
    return None if value is None else (int(value[0]), str(value[1]))


def _statuses(value: Any) -> dict[str, int]:  # noqa: ANN401 (from JSON)
    return {str(begin): int(status) for begin, status in value.items()}


def _words(value: Any) -> set[str]:  # noqa: ANN401 (from JSON)
    if not isinstance(value, list):
        raise TypeError
    return {str(one) for one in value}


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "broken": _answer,
    "elsewhere": str,
    "frozen": _words,
    "gone_as_status": bool,
    "hanging": _words,
    "lost": int,
    "refusals": _statuses,
    "slow": float,
}
