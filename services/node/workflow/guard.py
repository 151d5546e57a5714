"""Circuit breakers: a volume that fails again and again is left alone, and people are told."""

import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog

from libs.core.errors import Busy, Conflict, InvalidRequest, NotFound, RdsCsiError
from libs.core.ids import VolumeId
from libs.nvmeof.errors import DeviceInUse
from services.node.plan.breaker import Breaker
from services.node.ports import Cluster, ClusterAway, Reason

log = structlog.get_logger(__name__)

T = TypeVar("T")

_NO_FAILURE = (InvalidRequest, Conflict, NotFound, Busy, DeviceInUse, ClusterAway)
"""What says something about a request, pods or the cluster, and nothing about a volume."""


class Guard:
    """Keeps a breaker for each volume of this node.

    Args:
        cluster: knows the annotation that resets one.
        now: the time in seconds, of a clock that never goes back.
    """

    def __init__(self, cluster: Cluster, now: Callable[[], float] = time.monotonic) -> None:
        self._cluster = cluster
        self._now = now
        self._breakers: dict[VolumeId, Breaker] = {}

    def why_open(self, volume: VolumeId) -> str:
        """Return the reason of the last failure where the breaker is open; nothing otherwise."""
        breaker = self._breakers.get(volume)
        return breaker.reason if breaker and breaker.is_open else ""

    def forget(self, volume: VolumeId) -> None:
        """Forget a volume that is not here any more."""
        self._breakers.pop(volume, None)

    async def run(self, volume: VolumeId, work: Callable[[], Awaitable[T]]) -> T:
        """Do something for a volume, unless it is left alone.

        Raises:
            BreakerOpen: it is; nothing was done.
        """
        await self._check(volume)
        try:
            result = await work()
        except _NO_FAILURE:
            raise
        except Exception as error:
            await self._failed(volume, error)
            raise
        self._breakers.pop(volume, None)
        return result

    async def watch(self, volume: VolumeId, work: Callable[[], Awaitable[T]]) -> T:
        """Do something for one user of a volume: its failure says nothing about the others.

        Raises:
            BreakerOpen: the volume is left alone; nothing was done.
        """
        await self._check(volume)
        return await work()

    async def _check(self, volume: VolumeId) -> None:
        breaker = self._breakers.get(volume, Breaker())
        if breaker.remaining(self._now()):
            breaker.check(self._now(), await self._annotation(volume, breaker.reset))

    async def _failed(self, volume: VolumeId, error: Exception) -> None:
        reason = error.message if isinstance(error, RdsCsiError) else type(error).__name__
        was = self._breakers.get(volume, Breaker())
        annotation = await self._annotation(volume, was.reset)
        breaker = was.failed(self._now(), reason, annotation)
        self._breakers[volume] = breaker
        if breaker.is_open:
            log.error("left alone", volume=volume.text, seconds=breaker.pause, why=reason)
            self._cluster.tell(
                volume,
                Reason.BREAKER_OPEN,
                f"{breaker.failures} failures in a row; left alone for {breaker.pause:.0f} s. The "
                f"last one: {reason}",
            )

    async def _annotation(self, volume: VolumeId, otherwise: str) -> str:
        try:
            marks = await self._cluster.read_marks(volume)
        except RdsCsiError:
            return otherwise
        return marks.reset if marks else otherwise
