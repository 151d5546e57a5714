"""What the node counts, for graphs."""

from libs.ops.metrics import Metrics


class NodeCounts:
    """Metrics of the node plugin.

    Args:
        metrics: where they are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._connects = metrics.counter(
            "nvme_connects_total", "NVMe/TCP connects by result", ("result",)
        )
        self._connect_seconds = metrics.histogram(
            "nvme_connect_duration_seconds", "Time until a connected device was there"
        )
        self._mounts = metrics.counter(
            "mount_operations_total", "Mounts and unmounts by result", ("operation", "result")
        )
        self._stale = metrics.counter("stale_mounts_detected_total", "Stale mounts that were found")
        self._recoveries = metrics.counter(
            "stale_recoveries_total", "Attempts to repair a stale mount by result", ("result",)
        )

    def connected(self, seconds: float, *, ok: bool) -> None:
        """Count a connect."""
        self._connects.add(_result(ok=ok))
        if ok:
            self._connect_seconds.observe(value=seconds)

    def mounted(self, operation: str, *, ok: bool) -> None:
        """Count a mount or unmount."""
        self._mounts.add(operation, _result(ok=ok))

    def stale(self) -> None:
        """Count a stale mount that was found."""
        self._stale.add()

    def recovered(self, *, ok: bool) -> None:
        """Count an attempt to repair one."""
        self._recoveries.add(_result(ok=ok))


def _result(*, ok: bool) -> str:
    return "success" if ok else "failure"
