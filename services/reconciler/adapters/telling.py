"""Events: what was done, told with the object that it was done to."""

from libs.kube.attachments import VOLUME_ATTACHMENTS
from libs.kube.correlate import Reference
from libs.kube.events import Events
from services.reconciler.findings import Action, ActionKind
from services.reconciler.model import PersistentVolume

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


class Teller:
    """Posts events about actions.

    Args:
        events: where they are posted.
        driver: the name of the CSI driver, whose CSIDriver object hears of what has no object.
    """

    def __init__(self, events: Events, driver: str) -> None:
        self._events = events
        self._driver = driver

    def tell(self, action: Action, volume: PersistentVolume | None, error: str) -> None:
        """Post what was done, or why it was not."""
        reason = _REASONS[action.kind] + ("Failed" if error else "")
        text = f"{action.text}: {error or action.reason}"
        for about in self._objects(action, volume):
            self._events.post(about, reason, text, warning=bool(error))

    def _objects(self, action: Action, volume: PersistentVolume | None) -> list[Reference]:
        found: list[Reference] = []
        if name := action.subject.volume_attachment:
            found.append(Reference(_ATTACHMENT_API, "VolumeAttachment", name, uid=action.uid))
        # The attachment is about to go, and its events are hard to find then. Detaching is the one
        # that people look for.
        if volume is not None and (action.kind is ActionKind.DETACH or not found):
            found.append(Reference("v1", "PersistentVolume", volume.name, uid=volume.uid))
        if not found:
            found.append(Reference("storage.k8s.io/v1", "CSIDriver", self._driver))
        return found
