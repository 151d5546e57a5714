"""Who wants to know what goes on between this client and its device: counts and times, no texts."""

import re
from typing import Protocol

from libs.core import errors
from libs.core.errors import RdsCsiError

_FAMILIES = {
    family: re.sub(r"(?<=[a-z])(?=[A-Z])", "_", family.__name__).lower()
    for family in vars(errors).values()
    if isinstance(family, type) and family is not RdsCsiError
}

OK = "ok"
CANCELLED = "cancelled"
FAULT = "fault"

RESULTS = (OK, *sorted(_FAMILIES.values()), CANCELLED, FAULT)
"""How a command can end: `ok`, a family of errors, given up by its caller, or a fault of ours."""


def result_of(error: BaseException | None) -> str:
    """Return which of `RESULTS` an error is; None is none."""
    if error is None:
        return OK
    if not isinstance(error, Exception):
        return CANCELLED
    found = (_FAMILIES[kind] for kind in type(error).__mro__ if kind in _FAMILIES)
    return next(found, FAULT)


class Observer(Protocol):
    """Is told of what happens, on the event loop, and must neither wait nor raise."""

    def connection_changed(self, *, is_up: bool) -> None:
        """The connection came up, or is gone."""

    def reconnected(self, seconds: float) -> None:
        """A connection that was lost is there again, so many seconds later."""

    def command_ended(self, command: str, result: str, seconds: float) -> None:
        """A command has ended.

        Args:
            command: the name of the verb, of which there are few; never the line.
            result: one of `RESULTS`.
            seconds: how long its caller waited, for a free channel too.
        """

    def command_sent(self, waited: float) -> None:
        """A command was sent, after waiting so many seconds for a free channel."""

    def round_trip_begun(self) -> None:
        """An exec was sent, with one command or several."""

    def channels_changed(self, count: int) -> None:
        """So many execs are under way now."""


class NoObserver:
    """Does not want to know."""

    def connection_changed(self, *, is_up: bool) -> None:
        """Do nothing."""

    def reconnected(self, seconds: float) -> None:
        """Do nothing."""

    def command_ended(self, command: str, result: str, seconds: float) -> None:
        """Do nothing."""

    def command_sent(self, waited: float) -> None:
        """Do nothing."""

    def round_trip_begun(self) -> None:
        """Do nothing."""

    def channels_changed(self, count: int) -> None:
        """Do nothing."""
