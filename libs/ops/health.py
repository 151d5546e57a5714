"""Whether the process can serve: with reasons, for probes and for people."""

from collections.abc import Callable
from dataclasses import dataclass

import structlog

log = structlog.get_logger(__name__)

Problem = Callable[[], str]
"""Says in one line what is wrong; nothing while all is well. Never waits."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a probe is told.

    Attributes:
        good: whether all is well.
        lines: each part with what is wrong, or `ok`.
    """

    good: bool
    lines: tuple[str, ...]


class Health:
    """The conditions under which one process can serve, each under a name.

    One that is not ready gets no calls, and is left alone: a restart mends none of these. Whether
    it lives it says by answering at all.
    """

    def __init__(self) -> None:
        self._conditions: dict[str, Problem] = {}

    def add_readiness(self, name: str, problem: Problem) -> None:
        """Have the process left alone while there is such a problem."""
        self._conditions[name] = problem

    def readiness(self) -> Verdict:
        """Say whether the process can serve, with a line for each condition."""
        problems = {name: _ask(name, problem) for name, problem in self._conditions.items()}
        lines = tuple(f"{name}: {problem or 'ok'}" for name, problem in problems.items())
        return Verdict(not any(problems.values()), lines)

    def is_ready(self) -> bool:
        """Say whether the process can serve, in one word."""
        return self.readiness().good


class Progress:
    """The condition that the start is done."""

    def __init__(self) -> None:
        self._is_done = False

    def done(self) -> None:
        """Say that it is."""
        self._is_done = True

    def __call__(self) -> str:
        """Say what is wrong; nothing once it is done."""
        return "" if self._is_done else "it is still starting"


def _ask(name: str, problem: Problem) -> str:
    try:
        return problem()
    except Exception:
        log.exception("condition not read", condition=name)
        return "this condition could not be read; the log says why"
