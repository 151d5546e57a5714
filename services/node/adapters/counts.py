"""What the node counts, for graphs."""

from collections import Counter

from libs.nvmeof.model import LinkState
from libs.ops.metrics import Metrics
from services.node.ports import Fabrics, Keep

_CACHE_SECONDS = 5.0
_RESULTS = ("success", "failure")
_OPERATIONS = ("mount", "unmount", "bind", "unbind")


class NodeCounts:
    """Metrics of the node plugin.

    Args:
        metrics: where they are kept.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._connects = metrics.counter(
            "nvme_connects_total", "NVMe/TCP connects by result", ("result",)
        )
        self._connect_seconds = metrics.histogram(
            "nvme_connect_duration_seconds", "Time until a connected device was there"
        )
        self._mounts = metrics.counter(
            "mount_operations_total", "Mounts and unmounts by result", ("operation", "result")
        )
        for result in _RESULTS:  # so that the first one shows as a rise
            self._connects.add(result, by=0)
            for operation in _OPERATIONS:
                self._mounts.add(operation, result, by=0)
        self._stale = metrics.counter("stale_mounts_detected_total", "Stale mounts that were found")
        self._recoveries = metrics.counter(
            "stale_recoveries_total", "Attempts to repair a stale mount by result", ("result",)
        )

        for result in _RESULTS:
            self._recoveries.add(result, by=0)

    def show(self, fabrics: Fabrics, records: Keep) -> None:
        """Have it shown what is connected and staged, read before a scrape."""
        states: dict[str, int] = {}

        async def collect() -> None:
            try:
                seen = Counter(one.state.value for one in await fabrics.list_connections())
            except BaseException:
                states.clear()  # what cannot be read is not shown as it was
                raise
            states.update({state.value: seen[state.value] for state in LinkState})

        self._metrics.on_scrape(collect, cache_seconds=_CACHE_SECONDS, timeout_seconds=1.0)
        self._metrics.read_gauge(
            "nvme_controllers",
            "Connections to volumes by state, as the kernel has them now",
            ("state",),
            lambda: {(state,): float(count) for state, count in states.items()},
        )
        self._metrics.read_gauge(
            "staged_volumes",
            "Volumes that this node has, or is about to have",
            (),
            lambda: {(): float(len(records.all()))},
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
