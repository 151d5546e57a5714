"""Annotations of PersistentVolumes, for people; the driver itself never reads them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime

import structlog

from libs.core.errors import Unreachable
from libs.kube.client import KubeClient
from libs.kube.paths import PERSISTENT_VOLUMES

log = structlog.get_logger(__name__)


class Annotator:
    """Writes who holds each volume; the last word on a volume replaces those not yet written.

    A failure is logged and forgotten: nothing depends on what is written here.
    """

    def __init__(self, kube: KubeClient, driver: str) -> None:
        self._kube = kube
        self._driver = driver
        self._waiting: dict[str, Sequence[str]] = {}
        self._changed = asyncio.Event()

    def put(self, volume: str, nodes: Sequence[str]) -> None:
        """Have the nodes written that hold the PersistentVolume of that name."""
        self._waiting.pop(volume, None)
        self._waiting[volume] = nodes
        self._changed.set()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write until the block ends."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            while self._waiting:
                volume = next(iter(self._waiting))
                await self._write(volume, self._waiting.pop(volume))

    async def _write(self, volume: str, nodes: Sequence[str]) -> None:
        at = datetime.now(UTC).isoformat(timespec="seconds") if nodes else None
        annotations = {
            f"{self._driver}/attached-node": ",".join(nodes) or None,
            f"{self._driver}/attached-at": at,
        }
        try:
            change = {"metadata": {"annotations": annotations}}
            await self._kube.patch(f"{PERSISTENT_VOLUMES}/{volume}", change)
        except Unreachable as error:
            log.info("volume not annotated", volume=volume, reason=error.message)
        except Exception:  # the next volume's note must not be lost with this one's
            log.exception("volume not annotated", volume=volume)
