"""What the controller counts, for graphs and alerts."""

from typing import Protocol

from libs.ops.metrics import Metrics
from services.controller.happenings import (
    Attached,
    Detached,
    Happening,
    Migration,
    NotAttached,
    NotDetached,
)

_MIGRATION_SECONDS = (1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)


class Holdings(Protocol):
    """What is known of attachments without asking anybody."""

    def count_attached(self) -> int:
        """Return how many volumes are attached somewhere."""

    def count_shared(self) -> int:
        """Return how many are attached to two nodes that may write."""

    @property
    def handovers(self) -> int:
        """How often a claim that was taken back a moment ago was passed over."""


class ControllerCounts:
    """Metrics of attachments; a `services.controller.ports.Witness`.

    Args:
        metrics: where they are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._attach = metrics.counter(
            "attachment_attach_total", "Publications to nodes by result", ("status",)
        )
        self._detach = metrics.counter(
            "attachment_detach_total", "Volumes taken from nodes by result", ("status",)
        )
        self._conflicts = metrics.counter(
            "attachment_conflicts_total", "Publications refused because other nodes have the volume"
        )
        self._seconds = metrics.histogram(
            "attachment_operation_duration_seconds",
            "How long attaching and detaching took",
            ("operation",),
        )
        self._migrations = metrics.counter(
            "migration_migrations_total", "Live migrations that ended, by result", ("result",)
        )
        self._migration_seconds = metrics.histogram(
            "migration_duration_seconds",
            "How long both ends of a live migration had the volume",
            buckets=_MIGRATION_SECONDS,
        )

    def saw(self, what: Happening) -> None:
        """Count what happened."""
        match what:
            case Attached():
                self._attach.add("success")
                self._seconds.observe("attach", value=what.seconds)
            case NotAttached():
                self._attach.add("failure")
                self._seconds.observe("attach", value=what.seconds)
                if what.is_conflict:
                    self._conflicts.add()
                if what.timed_out:
                    self._migrations.add("timeout")
            case Detached():
                self._detach.add("success")
                self._seconds.observe("detach", value=what.seconds)
                if what.migration:
                    self._migrations.add(what.migration.value)
                if what.migration is Migration.COMPLETED:
                    self._migration_seconds.observe(value=what.migration_seconds)
            case NotDetached():
                self._detach.add("failure")
                self._seconds.observe("detach", value=what.seconds)
            case _:
                pass

    def show(self, holdings: Holdings) -> None:
        """Have it shown what is attached, whenever somebody looks."""
        self._metrics.read_gauge(
            "nvme_connections_active",
            "Volumes that are attached to a node, each once",
            (),
            lambda: {(): float(holdings.count_attached())},
        )
        self._metrics.read_gauge(
            "migration_active_migrations",
            "Volumes that two nodes have, as in a live migration",
            (),
            lambda: {(): float(holdings.count_shared())},
        )
        self._metrics.read_counter(
            "attachment_grace_period_used_total",
            "Publications for which a claim did not count that was taken back a moment ago",
            (),
            lambda: {(): float(holdings.handovers)},
        )
