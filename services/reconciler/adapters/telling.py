"""Events: what was done and found, told with the object that it is about."""

import asyncio

import structlog

from libs.core.errors import RdsCsiError
from libs.kube.client import KubeClient
from libs.kube.correlate import Reference
from libs.kube.events import Events
from libs.kube.paths import CSI_DRIVERS, VOLUME_ATTACHMENTS
from services.reconciler.findings import Action, ActionKind, Notice
from services.reconciler.model import PersistentVolume
from services.reconciler.ports import Clock

log = structlog.get_logger(__name__)

_REASONS = {
    ActionKind.FENCE: "NodeShutOut",
    ActionKind.UNFENCE: "NodeLetIn",
    ActionKind.DETACH: "VolumeDetached",
    ActionKind.DELETE_ATTACHMENT: "AttachmentDeleted",
    ActionKind.REMOVE_FINALIZER: "FinalizerRemoved",
    ActionKind.DELETE_ORPHAN: "OrphanRemoved",
}
"""What an event is called; where the action failed, with "Failed" behind it."""

_ATTACHMENT_API = "/".join(VOLUME_ATTACHMENTS.split("/")[2:4])
_STORAGE = "storage.k8s.io/v1"

_READ_SECONDS = 2.0
"""How long telling waits for the CSIDriver object, without which events are still written."""

_READ_AGAIN_SECONDS = 60.0


class Teller:
    """Posts events.

    Args:
        events: where they are posted.
        kube: the API.
        driver: the name of the CSI driver, whose CSIDriver object hears of what has no object.
        clock: the time.
    """

    def __init__(self, events: Events, kube: KubeClient, driver: str, clock: Clock) -> None:
        self._events = events
        self._kube = kube
        self._driver = driver
        self._clock = clock
        self._uid = ""
        self._read_at: float | None = None

    async def tell(self, action: Action, volume: PersistentVolume | None, error: str) -> None:
        """Post what was done, or why it was not."""
        reason = _REASONS[action.kind] + ("Failed" if error else "")
        text = f"{action.text}: {error or action.reason}"
        for about in await self._objects(action, volume):
            self._events.post(about, reason, text, warning=bool(error))

    async def announce(self, notice: Notice, volume: PersistentVolume | None) -> None:
        """Post a notice, on its PersistentVolume where there is one."""
        about = _of_volume(volume) if volume is not None else await self._of_driver()
        self._events.post(about, notice.reason, notice.text, warning=notice.is_warning)

    async def _objects(self, action: Action, volume: PersistentVolume | None) -> list[Reference]:
        found: list[Reference] = []
        if name := action.subject.volume_attachment:
            found.append(Reference(_ATTACHMENT_API, "VolumeAttachment", name, uid=action.uid))
        # The attachment is about to go, and its events are hard to find then. Detaching is the one
        # that people look for.
        if volume is not None and (action.kind is ActionKind.DETACH or not found):
            found.append(_of_volume(volume))
        return found or [await self._of_driver()]

    async def _of_driver(self) -> Reference:
        """Return the CSIDriver; with its UID, since kubectl describe looks for events by that."""
        now = self._clock.now()
        if self._read_at is None or now - self._read_at > _READ_AGAIN_SECONDS:
            self._read_at = now
            self._uid = await self._read_uid() or self._uid
        return Reference(_STORAGE, "CSIDriver", self._driver, uid=self._uid)

    async def _read_uid(self) -> str:
        try:
            async with asyncio.timeout(_READ_SECONDS):
                item = await self._kube.get(f"{CSI_DRIVERS}/{self._driver}")
        except (RdsCsiError, TimeoutError) as error:
            log.info("CSIDriver not read; events about it have no UID", reason=str(error))
            return ""
        return str(item["metadata"].get("uid") or "") if item else ""


def _of_volume(volume: PersistentVolume) -> Reference:
    return Reference("v1", "PersistentVolume", volume.name, uid=volume.uid)
