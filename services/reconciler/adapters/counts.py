"""What the reconciler counts, for graphs and alerts."""

from collections import Counter as Tally
from collections.abc import Callable

from libs.ops.calls import EventsPosted
from libs.ops.metrics import Metrics
from services.reconciler.findings import ActionKind
from services.reconciler.model import ItemKind
from services.reconciler.ports import Clock
from services.reconciler.workflow.board import Board
from services.reconciler.workflow.records import Outcome, OutcomeState, PassRecord
from services.reconciler.workflow.state import WatchState

_PASS_SECONDS = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0)
_REACTION_SECONDS = (0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)


class ReconcilerCounts:
    """Metrics of the reconciler.

    Args:
        metrics: where they are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._passes = metrics.counter(
            "reconciler_passes_total",
            "Passes by what they were for and how they ended",
            ("trigger", "result"),
        )
        self._pass_seconds = metrics.histogram(
            "reconciler_pass_duration_seconds", "How long passes took", buckets=_PASS_SECONDS
        )
        self._last = metrics.gauge(
            "reconciler_last_pass_timestamp_seconds",
            "When the last pass ended, by its result",
            ("result",),
        )
        self._actions = metrics.counter(
            "reconciler_actions_total", "Actions by kind and what came of them", ("kind", "result")
        )
        self._complete = metrics.gauge(
            "reconciler_last_successful_pass_timestamp_seconds",
            "When the last full pass ended in which all was known and nothing failed or had before",
        )
        self._attachment_actions = metrics.counter(
            "attachment_reconcile_total",
            "Actions on attachments by what they were and what came of them",
            ("action", "result"),
        )
        self._cleared = metrics.counter(
            "attachment_stale_cleared_total",
            "Stale attachments that are gone after they were seen to",
        )
        self._found = metrics.counter(
            "orphans_found_total", "Orphans that were reported, each once", ("kind",)
        )
        self._cleaned = metrics.counter(
            "orphans_cleaned_total", "Orphans that were removed", ("kind",)
        )
        for action in ActionKind:
            for state in OutcomeState:
                self._actions.add(action.value, state.value, by=0)
        for kind in ItemKind:  # so that the first one shows as a rise
            self._found.add(kind.value, by=0)
            self._cleaned.add(kind.value, by=0)
        self.posted = EventsPosted(metrics)
        self._reaction = metrics.histogram(
            "reconciler_reaction_duration_seconds",
            "Time from an event until the pass for it began",
            buckets=_REACTION_SECONDS,
        )

    def passed(self, record: PassRecord, seconds: float) -> None:
        """Take note of a pass that ended."""
        if record.dry_run:
            return
        self._passes.add(record.trigger.value, record.result.value)
        self._pass_seconds.observe(value=seconds)
        self._last.set(record.result.value, to=record.ended_at or 0.0)
        if record.is_full and record.is_sound:
            self._complete.set(to=record.ended_at or 0.0)

    def acted(self, outcome: Outcome) -> None:
        """Take note of an action that ended."""
        state = outcome.state.value if outcome.state else "planned"
        action = outcome.action
        self._actions.add(action.kind.value, state)
        if action.kind is not ActionKind.DELETE_ORPHAN:
            self._attachment_actions.add(action.kind.value, state)
        elif outcome.state is OutcomeState.DONE and action.item is not None:
            self._cleaned.add(action.item.value)

    def found(self, kind: ItemKind) -> None:
        """Take note of an orphan that was found."""
        self._found.add(kind.value)

    def cleared(self) -> None:
        """Take note of a stale attachment that is not there any more."""
        self._cleared.add()

    def reacted(self, seconds: float) -> None:
        """Take note of how long after an event the pass for it began."""
        self._reaction.observe(value=max(seconds, 0.0))

    def show_board(self, board: Board) -> None:
        """Have findings counted whenever somebody looks."""

        def read() -> dict[tuple[str, ...], float]:
            tally = Tally(
                (e.finding.kind.value, e.finding.state.value) for e in board.entries.values()
            )
            return {key: float(count) for key, count in tally.items()}

        self._metrics.read_gauge(
            "reconciler_findings", "What is wrong, by kind and state", ("kind", "state"), read
        )

    def show_leading(self, holds: Callable[[], bool]) -> None:
        """Have it shown whether this replica leads."""
        text = "Whether this replica leads"
        self.show_state("leader", text, holds)
        self.show_state("reconciler_leading", text, holds)

    def show_state(self, name: str, text: str, holds: Callable[[], bool]) -> None:
        """Have something shown as 1 while it holds, and as 0 otherwise."""
        self._metrics.read_gauge(name, text, (), lambda: {(): float(holds())})

    def show_watches(self, states: Callable[[], tuple[WatchState, ...]], clock: Clock) -> None:
        """Have it shown how long the API server has said nothing about what is watched."""

        def read() -> dict[tuple[str, ...], float]:
            now = clock.now()
            return {(s.resource,): now - s.heard_at for s in states() if s.heard_at is not None}

        self._metrics.read_gauge(
            "reconciler_watch_silence_seconds",
            "How long the API server has said nothing about what is watched",
            ("resource",),
            read,
        )
