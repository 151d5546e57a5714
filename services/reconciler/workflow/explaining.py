"""All that is known of one volume, from its PersistentVolume to the device."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol

from libs.core.errors import InvalidRequest, NotFound
from libs.core.ids import VolumeId
from libs.kube.attachments import slot_of
from protos.gen.rdscsi.controller import v1 as admin
from services.reconciler.findings import reports
from services.reconciler.model import Node, PersistentVolume, Ready, VolumeAttachment
from services.reconciler.ports import Cluster, ClusterView
from services.reconciler.workflow.board import Board, Entry


@dataclass(frozen=True, slots=True)
class VolumeOnDevice:
    """All that the controller knows of one volume, in its own messages.

    Attributes:
        device: the name of the device that it is, or would be, on.
        volume: the disk item; None where there is none, or it is not known.
        attachments: who has it.
        snapshots: those that were taken of it.
        leftovers: files and subvolumes that are named for it.
        unknown: what could not be known, and why.
    """

    device: str = ""
    volume: admin.Volume | None = None
    attachments: tuple[admin.Attachment, ...] = ()
    snapshots: tuple[admin.Snapshot, ...] = ()
    leftovers: tuple[admin.Leftover, ...] = ()
    unknown: tuple[str, ...] = ()


class Explainer(Protocol):
    """Tells of one volume what the controller knows."""

    async def explain(self, volume_id: str) -> VolumeOnDevice:
        """Return all that is known of a volume. It raises nothing."""


@dataclass(frozen=True, slots=True)
class Explained:
    """All that is known of one volume; `nodes` has None for those that there are not."""

    volume_id: str
    volume: PersistentVolume | None
    attachments: tuple[VolumeAttachment, ...]
    nodes: Mapping[str, Node | None]
    on_device: VolumeOnDevice
    entries: tuple[Entry, ...]
    unknown: tuple[str, ...]

    def sentences(self) -> Iterator[str]:
        """Yield all of it in plain words, the most important first."""
        for entry in self.entries:
            yield entry.finding.reason
            if entry.finding.next:
                yield entry.finding.next
        yield self._about_volume()
        yield self._about_device()
        for attachment in self.attachments:
            yield self._about_attachment(attachment)
        if not self.attachments:
            yield "There is no VolumeAttachment for it."
        yield from (f"It is not known {why}." for why in self.unknown)

    def _about_volume(self) -> str:
        volume = self.volume
        if volume is None:
            return f"No PersistentVolume of this driver refers to volume {self.volume_id}."
        claim = f", for claim {volume.claim}" if volume.claim else ""
        going = "; it is being deleted" if volume.deleting_since is not None else ""
        return f"PersistentVolume {volume.name} is {volume.phase or 'of no phase'}{claim}{going}."

    def _about_device(self) -> str:
        found = self.on_device
        if found.volume is None:
            if found.unknown:
                return "What the device has of it is not known."
            return f"Device {found.device} has no disk item for it."
        exported = "exports it" if found.volume.exported else "does not export it"
        letting = "lets in everybody"
        if found.volume.fenced:
            letting = "lets in " + (", ".join(found.volume.allowed_hosts) or "nobody")
        return f"Device {found.device} has it at {found.volume.path}, {exported}, and {letting}."

    def _about_attachment(self, attachment: VolumeAttachment) -> str:
        node = self.nodes.get(attachment.node)
        state = "is attached" if attachment.attached else "is to be attached"
        if attachment.deleting_since is not None:
            state = "is being detached"
        words = f"VolumeAttachment {attachment.name}: it {state} to node {attachment.node}"
        if node is None:
            return f"{words}, which does not exist."
        ready = "Ready" if node.ready is Ready.YES else "not Ready"
        used = "reports" if reports(node, self.volume_id) else "does not report"
        return f"{words}, which is {ready} and {used} it in use."


async def explain(name: str, cluster: Cluster, explainer: Explainer, board: Board) -> Explained:
    """Return all that is known of a volume.

    Args:
        name: a volume ID, the name of a PersistentVolume, or "namespace/name" of a claim.
        cluster: the cluster.
        explainer: the controller.
        board: what is wrong.

    Raises:
        InvalidRequest: it is none of these.
        NotFound: nothing is known of it.
    """
    view = await cluster.view(0.0)
    volume = _find(name, view.volumes.items)
    if volume is None and "/" in name:
        raise NotFound(f"no PersistentVolume is bound to claim {name}")
    volume_id = volume.handle if volume else VolumeId.parse(name, "volume").text
    on_device = await explainer.explain(volume_id)
    attachments = tuple(_attachments(volume_id, volume, view))
    entries = tuple(e for e in board.all() if e.finding.subject.volume_id == volume_id)
    unknown = (*on_device.unknown, *unknown_of(view))
    if not (volume or attachments or on_device.volume or on_device.leftovers or unknown):
        raise NotFound(f"nothing is known of {name}: there is no such volume")
    by_name = {node.name: node for node in view.nodes.items}
    names = [a.node for a in attachments] + [a.node_id for a in on_device.attachments]
    names += [node.name for node in view.nodes.items if reports(node, volume_id)]
    nodes = {one: by_name.get(one) for one in dict.fromkeys(names) if one}
    return Explained(volume_id, volume, attachments, nodes, on_device, entries, unknown)


def _find(name: str, volumes: Iterable[PersistentVolume]) -> PersistentVolume | None:
    if not name:
        raise InvalidRequest("volume must not be empty")
    own = [volume for volume in volumes if volume.handle]
    for field in ("handle", "name", "claim"):
        found = next((volume for volume in own if getattr(volume, field) == name), None)
        if found is not None:
            return found
    return None


def _attachments(
    volume_id: str, volume: PersistentVolume | None, view: ClusterView
) -> Iterator[VolumeAttachment]:
    slot = volume_id.partition("@")[0]
    for attachment in view.attachments.items:
        is_known = volume is not None and attachment.volume == volume.name
        is_named = volume is None and attachment.volume and slot_of(attachment.volume) == slot
        if is_known or is_named or attachment.handle == volume_id:
            yield attachment


def unknown_of(view: ClusterView) -> Iterator[str]:
    """Yield what of the cluster is not known, and why."""
    for what, listing in (
        ("which Nodes there are", view.nodes),
        ("which VolumeAttachments there are", view.attachments),
        ("which PersistentVolumes there are", view.volumes),
    ):
        if not listing.complete:
            yield f"{what}: {listing.error}"
