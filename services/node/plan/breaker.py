"""A circuit breaker for each volume: what fails again and again is left alone for a while. Pure."""

from dataclasses import dataclass, replace

from libs.core.errors import Unreachable

FAILURES = 3
"""Failures in a row that open it."""

FIRST_SECONDS = 60.0
LONGEST_SECONDS = 600.0


class BreakerOpen(Unreachable):
    """A volume is left alone for now, because it failed several times in a row."""


@dataclass(frozen=True, slots=True)
class Breaker:
    """How a volume has done. Times are in seconds of one clock that never goes back.

    Attributes:
        failures: in a row.
        opened: when it opened last; None while it is closed.
        reason: of the last failure.
        reset: what the volume's annotation said when it opened.
    """

    failures: int = 0
    opened: float | None = None
    reason: str = ""
    reset: str = ""

    @property
    def is_open(self) -> bool:
        """Whether it keeps calls away, or lets one through to try."""
        return self.opened is not None

    @property
    def pause(self) -> float:
        """Seconds from when it opened until one call is let through; doubles with each failure."""
        doublings = min(max(self.failures - FAILURES, 0), 10)
        return min(FIRST_SECONDS * float(1 << doublings), LONGEST_SECONDS)

    def remaining(self, now: float) -> float:
        """Return the seconds until a call is let through; 0 if one is."""
        return 0.0 if self.opened is None else max(self.opened + self.pause - now, 0.0)

    def check(self, now: float, annotation: str) -> None:
        """Let a call through, or not.

        Raises:
            BreakerOpen: it is open, its time has not come, and nobody has reset it.
        """
        remaining = self.remaining(now)
        if remaining and self.reset == annotation:
            raise BreakerOpen(
                f"the volume failed {self.failures} times in a row and is left alone for "
                f"{remaining:.0f} s more; the last reason was: {self.reason}"
            )

    def failed(self, now: float, reason: str, reset: str = "") -> "Breaker":
        """Return it after a failure.

        Args:
            now: the time.
            reason: of the failure, in words.
            reset: what the volume's annotation says now.
        """
        failures = self.failures + 1
        opened = now if failures >= FAILURES else None
        return replace(self, failures=failures, opened=opened, reason=reason, reset=reset)
