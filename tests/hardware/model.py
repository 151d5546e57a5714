"""What is asked of a device, and what came of it, as values."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Generic, TypeVar

K = TypeVar("K")


class Verdict(StrEnum):
    CONFIRMED = "confirmed"
    DIFFERENT = "different"
    UNKNOWN = "could not tell"
    SKIPPED = "not asked"


class Half(StrEnum):
    """What asking takes."""

    LOOKING = "looking"
    """Nothing is changed."""
    MAKING = "making"
    """Disks and files of a unique prefix are made and removed."""
    CONNECTING = "connecting"
    """The same, and this host connects to them."""


@dataclass(frozen=True)
class Answer:
    """What a probe found, in a sentence of ours; names of the device are not in it."""

    verdict: Verdict
    found: str


def confirmed(found: str) -> Answer:
    return Answer(Verdict.CONFIRMED, found)


def different(found: str) -> Answer:
    return Answer(Verdict.DIFFERENT, found)


def unknown(found: str) -> Answer:
    return Answer(Verdict.UNKNOWN, found)


def skipped(found: str) -> Answer:
    return Answer(Verdict.SKIPPED, found)


def settle(found: str, *, otherwise: str, holds: bool) -> Answer:
    return confirmed(found) if holds else different(otherwise)


@dataclass(frozen=True)
class Question(Generic[K]):
    """One thing that nobody has confirmed.

    Attributes:
        name: short, for the table and for `--only`.
        asks: what is expected of the device, as a statement that is true or false.
        why: what leans on it.
        otherwise: what to choose where it is not so.
        probe: finds out.
        half: what that takes.
    """

    name: str
    asks: str
    why: str
    otherwise: str
    probe: Callable[[K], Awaitable[Answer]]
    half: Half = Half.LOOKING


@dataclass(frozen=True)
class Exchange:
    """A line as it was sent and what came back, with secrets masked.

    Attributes:
        question: what it was sent for.
        line: what was sent.
        answer: what was printed; empty where nothing came.
        status: the exit status; None where there was none.
        seconds: how long it took.
        failure: why there is no answer.
    """

    question: str
    line: str
    answer: str
    status: int | None
    seconds: float
    failure: str = ""


@dataclass(frozen=True)
class Result:
    """A question with its answer, and the device's own words."""

    name: str
    asks: str
    why: str
    otherwise: str
    half: Half
    answer: Answer
    exchanges: tuple[Exchange, ...] = ()


@dataclass(frozen=True)
class Report:
    """All that was found.

    Attributes:
        device: what answered: board and release.
        prefix: what the names of everything that was made begin with; empty where nothing was.
        results: in the order in which they were asked.
        left: what could not be removed, each with the line that removes it.
        swept: whether it was looked for afterwards what is left.
        interrupted: whether it was ended before all was asked.
    """

    device: dict[str, str] = field(default_factory=dict)
    prefix: str = ""
    results: tuple[Result, ...] = ()
    left: tuple[str, ...] = ()
    swept: bool = False
    interrupted: bool = False

    def of(self, verdict: Verdict) -> tuple[Result, ...]:
        return tuple(result for result in self.results if result.answer.verdict is verdict)
