"""What is remembered of passes and of actions, for people."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from services.reconciler.findings import Action
from services.reconciler.model import ItemKind


class Trigger(Enum):
    """What a pass is run for; rdscsi.reconciler.v1.Trigger."""

    START = "start"
    TIMER = "timer"
    NODE = "node"
    ATTACHMENT = "attachment"
    RECONNECT = "reconnect"
    REQUEST = "request"


class PassResult(Enum):
    """How a pass ended; rdscsi.reconciler.v1.PassResult."""

    RUNNING = "running"
    DONE = "done"
    INCOMPLETE = "incomplete"
    STOPPED = "stopped"
    FAILED_ACTIONS = "failed-actions"
    FAILED = "failed"


class OutcomeState(Enum):
    """What came of an action."""

    DONE = "done"
    FAILED = "failed"
    DROPPED = "dropped"
    """It was not done, since what it was for is not so any more: it is decided anew."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an action.

    Attributes:
        action: the action.
        state: what came of it; None of one that is only rehearsed.
        error: why it was not done.
    """

    action: Action
    state: OutcomeState | None
    error: str = ""


@dataclass(slots=True)
class PassRecord:
    """A pass; see rdscsi.reconciler.v1.Pass."""

    number: int
    trigger: Trigger
    started_at: float
    dry_run: bool = False
    ended_at: float | None = None
    result: PassResult = PassResult.RUNNING
    message: str = ""
    findings: int = 0
    planned: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    is_full: bool = False
    """Whether the devices were listed, too, as for an event they are not."""
    is_sound: bool = False
    """Whether all was known, and no action failed or is left alone since it failed before."""

    @property
    def done(self) -> int:
        """How many actions succeeded."""
        return sum(outcome.state is OutcomeState.DONE for outcome in self.outcomes)

    @property
    def failed(self) -> int:
        """How many actions failed."""
        return sum(outcome.state is OutcomeState.FAILED for outcome in self.outcomes)


class Observer(Protocol):
    """Told of what happens, for metrics."""

    def passed(self, record: PassRecord, seconds: float) -> None:
        """Take note of a pass that ended."""

    def acted(self, outcome: Outcome) -> None:
        """Take note of an action that ended."""

    def found(self, kind: ItemKind) -> None:
        """Take note of an orphan that was found."""

    def cleared(self) -> None:
        """Take note of a stale attachment that is not there any more."""

    def reacted(self, seconds: float) -> None:
        """Take note of how long after an event the pass for it began."""
