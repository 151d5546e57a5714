"""When there is to be another pass without any event, of either kind."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass

from services.reconciler.findings import ATTACHMENT_KINDS, Decision, Finding, FindingState
from services.reconciler.workflow.backoff import Backoff
from services.reconciler.workflow.records import Outcome, OutcomeState

AGAIN_SECONDS = 5.0
"""When it is looked again where not all was known, or something is held back or was dropped."""


@dataclass(frozen=True, slots=True)
class Next:
    """When something is to be done without any event.

    Attributes:
        due: when what waits falls due; None where nothing does.
        retry: when what failed is tried again, likewise.
    """

    due: float | None = None
    retry: float | None = None

    @property
    def at(self) -> float | None:
        """The earlier of the two."""
        return earliest(self.due, self.retry)


def earliest(*moments: float | None) -> float | None:
    """Return the first of several moments; None where there is none."""
    return min((at for at in moments if at is not None), default=None)


def rests_on_devices(finding: Finding) -> bool:
    """Whether a finding cannot be judged by a quick look, which lists no devices."""
    return finding.kind not in ATTACHMENT_KINDS or bool(finding.subject.device)


class Outlook:
    """Knows when the next pass of each kind is to be. What only a full pass can judge is its own.

    Attributes:
        quick: of what a quick look at the cluster is enough for.
        full: of what takes a listing of the devices.

    Args:
        backoff: what failed lately.
        acting: objects to which something is being done, as they come and go.
    """

    def __init__(self, backoff: Backoff, acting: Collection[str]) -> None:
        self._backoff = backoff
        self._acting = acting
        self._on_devices: frozenset[str] = frozenset()
        """Objects that the last full look had something done to on account of what it listed."""
        self.quick = Next()
        self.full = Next()

    def forget(self) -> None:
        """Forget both: another one may have led meanwhile."""
        self.quick = self.full = Next()

    def decided(self, decision: Decision, *, is_full: bool) -> None:
        """Take note of what is about to be done, and forget other failures, as far as it tells."""
        if is_full:
            on_devices = {f.id for f in decision.findings if rests_on_devices(f)}
            self._on_devices = frozenset(
                action.key for action in decision.actions if action.finding_id in on_devices
            )
        self._backoff.keep({action.key for action in decision.actions} | self._on_devices)

    def acted(
        self, decision: Decision, outcomes: Iterable[Outcome], now: float, *, is_full: bool
    ) -> None:
        """Take note of what came of a look."""
        again = now + AGAIN_SECONDS
        dropped = {o.action.key for o in outcomes if o.state is OutcomeState.DROPPED}
        ends = decision.memory.paused.until if decision.memory.paused else None
        paused = decision.memory.paused is not None
        quick = ends if paused else self._retry(decision, again, dropped)
        # Of what a full look knows this may be about devices: then a quick one changes nothing.
        self.quick = Next(decision.next_due, quick)
        late = self._retry_on_devices()
        if is_full:
            due = (f.due for f in decision.findings if _waits(f) and rests_on_devices(f))
            retry = earliest(late, again if dropped & self._on_devices else None)
            self.full = Next(earliest(*due), ends if paused else retry)
        elif late is not None and late > now:
            # It went on after the full pass, and failed.
            self.full = Next(self.full.due, earliest(self.full.retry, late))

    def failed(self, now: float, *, is_full: bool) -> None:
        """Take note of a pass that could not be carried out."""
        self.quick = Next(retry=now + AGAIN_SECONDS)
        if is_full:
            self.full = Next(retry=now + AGAIN_SECONDS)

    def _retry(self, decision: Decision, again: float, dropped: set[str]) -> float | None:
        """Return when to look again though nothing may happen until then."""
        at = self._backoff.next_try({*self._acting, *self._on_devices})
        is_held = any(
            f.state is FindingState.HELD_BACK and not rests_on_devices(f) for f in decision.findings
        )
        is_soon = decision.incomplete or is_held or dropped - self._on_devices
        return earliest(at, again if is_soon else None)

    def _retry_on_devices(self) -> float | None:
        keys = self._on_devices - set(self._acting)
        return earliest(*(f.next_try for key in keys if (f := self._backoff.of(key)) is not None))


def _waits(finding: Finding) -> bool:
    return finding.state is FindingState.WAITING
