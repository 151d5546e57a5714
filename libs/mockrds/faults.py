"""What can go wrong between a driver and a device, on demand."""

import enum
import re
from collections.abc import Mapping
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


@dataclass
class Fault:
    """Something to go wrong with the next `count` command lines that `pattern` is found in.

    Attributes:
        action: what goes wrong.
        pattern: a regular expression, searched for in the line.
        count: how often; it goes down, and the fault is over at 0.
        text: the answer, for `error`.
        amount: characters for `truncate`, seconds for `delay`.
    """

    action: Action
    pattern: str = ""
    count: int = 1
    text: str = ""
    amount: float = 0

    def __post_init__(self) -> None:
        self.action = Action(self.action)
        re.compile(self.pattern)


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
        for fault in self.waiting:
            if re.search(fault.pattern, line):
                fault.count -= 1
                if fault.count <= 0:
                    self.waiting.remove(fault)
                return fault
        return None


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
