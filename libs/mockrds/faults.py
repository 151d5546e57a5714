"""What can go wrong between a driver and a device, on demand."""

import enum
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field


class Action(enum.StrEnum):
    """What happens to a command line that a fault matches."""

    DROP_BEFORE = "drop-before"
    """The connection dies before the line is run."""
    DROP_AFTER = "drop-after"
    """The line is run, and the connection dies before the answer."""
    HANG = "hang"
    """The line is run, and the answer never comes."""
    ERROR = "error"
    """The line is not run; `text` is the answer."""
    TRUNCATE = "truncate"
    """The line is run; only the first `amount` characters of the answer come."""
    DELAY = "delay"
    """The line is run, and the answer comes `amount` seconds later."""
    DRIP = "drip"
    """The line is run, and the answer comes in pieces of `amount` characters."""
    GARBAGE = "garbage"
    """The line is run; the answer is noise, or `text`."""
    NO_STATUS = "no-status"
    """The line is run, and the channel ends without an exit status."""
    REFUSE = "refuse"
    """A session is not opened; it has no line yet, so `pattern` does not matter."""


@dataclass
class Fault:
    """Something to go wrong with the next `count` command lines that `pattern` is found in.

    Attributes:
        action: what goes wrong.
        pattern: a regular expression, searched for in the line.
        count: how often; it goes down, and the fault is over at 0.
        text: the answer, for `error` and `garbage`.
        amount: characters for `truncate` and `drip`, seconds for `delay`.
    """

    action: Action
    pattern: str = ""
    count: int = 1
    text: str = ""
    amount: float = 0

    def __post_init__(self) -> None:
        self.action = Action(self.action)
        re.compile(self.pattern)
        if self.count < 1 or not 0 <= self.amount < math.inf:
            raise ValueError("count must be at least 1, and amount a number that is not negative")


@dataclass
class Faults:
    """The faults that are waiting, in the order in which they were added."""

    waiting: list[Fault] = field(default_factory=list)

    def add(self, fault: Fault) -> None:
        """Let something go wrong."""
        self.waiting.append(fault)

    def clear(self) -> None:
        """Let nothing go wrong any more."""
        self.waiting.clear()

    def take(self, line: str) -> Fault | None:
        """Return the first fault for a line, and count it."""
        return self._first(
            f for f in self.waiting if f.action is not Action.REFUSE and re.search(f.pattern, line)
        )

    def take_refusal(self) -> bool:
        """Whether the next session is to be refused; count it."""
        return self._first(f for f in self.waiting if f.action is Action.REFUSE) is not None

    def _first(self, fitting: Iterator[Fault]) -> Fault | None:
        fault = next(fitting, None)
        if fault is not None:
            fault.count -= 1
            if fault.count <= 0:
                # By identity: an equal fault further on has its own turn.
                self.waiting[:] = [other for other in self.waiting if other is not fault]
        return fault


def parse_fault(given: Mapping[str, object]) -> Fault:
    """Read a fault from JSON.

    Raises:
        ValueError: a key is unknown or a value does not fit.
    """
    unknown = set(given) - {"action", "pattern", "count", "text", "amount"}
    if unknown or "action" not in given:
        raise ValueError(f"a fault has action, pattern, count, text and amount; not {unknown}")
    try:
        return Fault(
            action=Action(str(given["action"])),
            pattern=str(given.get("pattern", "")),
            count=int(str(given.get("count", 1))),
            text=str(given.get("text", "")),
            amount=float(str(given.get("amount", 0))),
        )
    except re.error as error:
        raise ValueError(f"pattern: {error}") from error
