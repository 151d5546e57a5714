"""VolumeAttachments of a CSI driver, joined with the volumes that they are about. Pure."""

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from libs.core.errors import InvalidRequest
from libs.core.ids import PVC_PREFIX, VolumeId
from libs.core.volumes import AUTH_DHCHAP, AUTH_KEY
from libs.kube.answers import Object
from libs.kube.correlate import Reference

_READ_ONLY_MODES = ["ReadOnlyMany"]


@dataclass(frozen=True, slots=True)
class VolumeAttachment:
    """What is kept of a VolumeAttachment.

    Attributes:
        name: its name.
        uid: tells it from an earlier one of the same name.
        node: the name of the node.
        volume: the name of the PersistentVolume; empty for an inline volume.
        handle: the volume handle of an inline volume.
        attached: what its status says.
        created: its creationTimestamp (RFC 3339, so it sorts as text).
    """

    name: str
    uid: str
    node: str
    volume: str
    handle: str
    attached: bool
    created: str

    @property
    def slot(self) -> str:
        """The slot of a volume of that name, or the handle of an inline one."""
        return slot_of(self.volume) if self.volume else self.handle


@dataclass(frozen=True, slots=True)
class PersistentVolume:
    """What is kept of a PersistentVolume.

    Attributes:
        name: its name.
        handle: the volume handle, which is the CSI volume ID.
        read_only: whether nobody may write to it.
        claim: namespace and name of its PersistentVolumeClaim, if it is bound.
        attributes_class: the name of its VolumeAttributesClass, if it has one.
        uid: tells it from another one of the same name.
        claim_uid: the same of its claim.
        authenticated: whether it tells nodes to authenticate themselves.
    """

    name: str
    handle: str
    read_only: bool
    claim: tuple[str, str] | None
    attributes_class: str
    uid: str
    claim_uid: str
    authenticated: bool = False


@dataclass(frozen=True, slots=True)
class Claim:
    """One VolumeAttachment, joined with its volume.

    Attributes:
        volume: the volume handle, which is the CSI volume ID.
        node: the name of the node.
        attached: what its status says.
        created: its creationTimestamp; `name` breaks ties.
        name: the name of the VolumeAttachment.
        uid: tells it from an earlier one of the same name.
        read_only: whether nobody may write to the volume.
        is_orphan: whether its PersistentVolume is not known.
    """

    volume: str
    node: str
    attached: bool
    created: str
    name: str
    uid: str
    read_only: bool
    is_orphan: bool

    @property
    def identity(self) -> str:
        """What tells a claim from a later one of the same node."""
        return self.uid or f"{self.name} {self.created}"

    @property
    def since(self) -> float:
        """When the claim was made, in seconds since 1970; 0 where that is not known."""
        try:
            return datetime.fromisoformat(self.created).timestamp()
        except ValueError:
            return 0.0


def read_attachment(item: Object, driver: str) -> VolumeAttachment | None:
    """Read a VolumeAttachment; None for another driver's."""
    spec = item.get("spec") or {}
    if spec.get("attacher") != driver:
        return None
    source = spec.get("source") or {}
    metadata = item["metadata"]
    return VolumeAttachment(
        name=metadata["name"],
        uid=metadata.get("uid") or "",
        node=spec.get("nodeName") or "",
        volume=source.get("persistentVolumeName") or "",
        handle=_handle(source.get("inlineVolumeSpec")),
        attached=bool((item.get("status") or {}).get("attached")),
        created=metadata.get("creationTimestamp") or "",
    )


def read_volume(item: Object, driver: str) -> PersistentVolume | None:
    """Read a PersistentVolume; None for another driver's."""
    csi = (item.get("spec") or {}).get("csi") or {}
    return _kept_of(item) if csi.get("driver") == driver else None


def _kept_of(item: Object) -> PersistentVolume:
    spec = item.get("spec") or {}
    claim = spec.get("claimRef") or {}
    return PersistentVolume(
        name=item["metadata"]["name"],
        handle=_handle(spec),
        # Not `readOnly`: a node may still replay a journal when it mounts such a volume.
        read_only=spec.get("accessModes") == _READ_ONLY_MODES,
        claim=(claim.get("namespace") or "", claim["name"]) if claim.get("name") else None,
        attributes_class=spec.get("volumeAttributesClassName") or "",
        uid=item["metadata"].get("uid") or "",
        claim_uid=claim.get("uid") or "",
        authenticated=_is_authenticated(spec),
    )


def references(volume: PersistentVolume) -> tuple[Reference, ...]:
    """Return a PersistentVolume and its claim, for events about them."""
    own = Reference("v1", "PersistentVolume", volume.name, uid=volume.uid)
    if volume.claim is None:
        return (own,)
    namespace, name = volume.claim
    return own, Reference("v1", "PersistentVolumeClaim", name, namespace, volume.claim_uid)


def references_of(item: Object) -> tuple[Reference, ...]:
    """Return the same of a PersistentVolume as the API has it, whichever driver's it is."""
    return references(_kept_of(item))


def join(attachment: VolumeAttachment, volume: PersistentVolume | None) -> Claim:
    """Return what an attachment claims.

    One whose PersistentVolume is gone counts for the handle that a volume of that name has: a claim
    too many only delays, one too few loses data.
    """
    handle = volume.handle if volume else attachment.handle
    return Claim(
        volume=handle or slot_of(attachment.volume),
        node=attachment.node,
        attached=attachment.attached,
        created=attachment.created,
        name=attachment.name,
        uid=attachment.uid,
        read_only=volume.read_only if volume else False,
        is_orphan=volume is None,
    )


def slot_of(volume: str) -> str:
    """Return the slot that the PersistentVolume of this name has, if the driver made it."""
    if volume.startswith(PVC_PREFIX):
        return volume
    try:
        return VolumeId.from_name(volume).slot.text
    except InvalidRequest:
        return volume


def join_all(
    attachments: Iterable[VolumeAttachment], volumes: Iterable[PersistentVolume]
) -> dict[str, tuple[Claim, ...]]:
    """Return the claims of many attachments, by volume handle."""
    by_name = {volume.name: volume for volume in volumes}
    claims: defaultdict[str, list[Claim]] = defaultdict(list)
    for attachment in attachments:
        claim = join(attachment, by_name.get(attachment.volume))
        claims[claim.volume].append(claim)
    return {handle: tuple(held) for handle, held in claims.items()}


def claims_of(claims: Mapping[str, tuple[Claim, ...]], volume: VolumeId) -> tuple[Claim, ...]:
    """Return the claims to a volume, out of all."""
    held = claims.get(volume.text, ())
    if volume.device:
        # The name of a volume that is gone does not say on which device it was.
        held += tuple(c for c in claims.get(volume.slot.text, ()) if c.is_orphan)
    return held


def _handle(spec: Mapping[str, object] | None) -> str:
    csi = (spec or {}).get("csi")
    return str(csi.get("volumeHandle") or "") if isinstance(csi, Mapping) else ""


def _is_authenticated(spec: Mapping[str, object]) -> bool:
    csi = spec.get("csi")
    attributes = csi.get("volumeAttributes") if isinstance(csi, Mapping) else None
    return isinstance(attributes, Mapping) and attributes.get(AUTH_KEY) == AUTH_DHCHAP


def attachment_name(volume: str, driver: str, node: str) -> str:
    """Return the name of a VolumeAttachment, as the attach/detach controller makes it.

    Args:
        volume: the volume handle.
        driver: the CSI driver's name.
        node: the node's name.
    """
    return "csi-" + hashlib.sha256(f"{volume}{driver}{node}".encode()).hexdigest()
