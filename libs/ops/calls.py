"""What is counted of gRPC calls and of events, in every service alike."""

from collections.abc import Callable
from typing import Protocol

from libs.ops.metrics import Metrics

_OPERATION_SECONDS = (
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
    30.0,
    60.0,
    120.0,
)
_QUIET = ("Probe", "GetPluginInfo")
"""Asked every few seconds by probes: they would drown what volumes are asked for."""


class Code(Protocol):
    """A gRPC status code."""

    @property
    def name(self) -> str:
        """As in the gRPC documentation, in capitals."""


class VolumeOperations:
    """Counts the CSI calls of one service; an observer of `libs.csikit.calls.Calls`.

    Args:
        metrics: where they are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._count = metrics.counter(
            "volume_operations_total",
            "CSI calls by method, by how they ended (success or failure) and by gRPC code",
            ("operation", "status", "code"),
        )
        self._seconds = metrics.histogram(
            "volume_operation_duration_seconds",
            "How long CSI calls took",
            ("operation",),
            _OPERATION_SECONDS,
        )

    def finished(self, method: str, code: Code, seconds: float) -> None:
        """Count a call that ended."""
        operation = method.rpartition("/")[2]
        if operation in _QUIET:
            return
        status = "success" if code.name == "OK" else "failure"
        self._count.add(operation, status, code.name)
        self._seconds.observe(operation, value=seconds)

    def show_in_flight(self, read: Callable[[], int]) -> None:
        """Have it shown how many calls are in hand."""
        self._metrics.read_gauge(
            "calls_in_flight", "CSI calls in hand", (), lambda: {(): float(read())}
        )


class AdminCalls:
    """Counts the calls of an admin API; an observer of `libs.csikit.calls.Calls`.

    Args:
        metrics: where they are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._count = metrics.counter(
            "admin_calls_total",
            "Calls of the admin API by method and gRPC code",
            ("method", "code"),
        )
        self._seconds = metrics.histogram(
            "admin_call_duration_seconds", "How long calls of the admin API took", ("method",)
        )

    def finished(self, method: str, code: Code, seconds: float) -> None:
        """Count a call that ended."""
        name = method.rpartition("/")[2]
        self._count.add(name, code.name)
        if not name.startswith("Watch"):  # they last for as long as somebody looks
            self._seconds.observe(name, value=seconds)


class EventsPosted:
    """Counts the events that were written to the cluster.

    Args:
        metrics: where they are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._count = metrics.counter(
            "events_posted_total", "Events that were written to the cluster", ("reason",)
        )

    def __call__(self, reason: str) -> None:
        """Count an event that was written."""
        self._count.add(reason)
