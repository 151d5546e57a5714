"""Requests of the admin API as checked values. Pure."""

from dataclasses import dataclass

from libs.core.errors import InvalidRequest
from libs.core.ids import NodeId, SnapshotId, VolumeId, shown
from libs.core.images import INNER_NAME, Image
from libs.core.paths import DevicePath
from protos.gen.rdscsi.controller import v1 as admin
from services.controller.plan.fingerprints import Kind
from services.controller.plan.orphans import Orphan
from services.controller.sites import Site, Sites

_MAX_REASON = 500


@dataclass(frozen=True, slots=True)
class Pair:
    """A volume and a node that something is to be done about.

    Attributes:
        volume: the volume.
        node: the node.
        claim: the ID of the claim that is meant; empty for whichever there is.
    """

    volume: VolumeId
    node: NodeId
    claim: str


def parse_pair(message: admin.DetachRequest | admin.FenceRequest | admin.UnfenceRequest) -> Pair:
    """Read what a detach, a fence or an unfence is about.

    Raises:
        InvalidRequest: something is missing, or no ID; or the volume is not one of this driver's.
    """
    volume, node = VolumeId.parse(message.volume_id), NodeId.parse(message.node_id)
    check_reason(message.reason)
    if not volume.is_managed:
        raise InvalidRequest(f"volume {volume} is not one that this driver makes")
    claim = "" if isinstance(message, admin.UnfenceRequest) else message.attachment_uid
    return Pair(volume, node, claim)


def check_reason(reason: str) -> None:
    """Check that somebody has said why.

    Raises:
        InvalidRequest: nobody has, or at too great a length.
    """
    if not reason.strip() or len(reason) > _MAX_REASON:
        raise InvalidRequest(f"reason must say why, in at most {_MAX_REASON} characters")


def parse_orphan(message: admin.DeleteOrphanRequest, sites: Sites) -> tuple[Site, Orphan]:
    """Read what is to be removed, and on which device.

    Raises:
        InvalidRequest: something is missing or no ID, or it is not this driver's: not of a name
            that it chooses, or outside the directories that it may use.
        NotFound: there is no such device.
    """
    check_reason(message.reason)
    if not message.fingerprint:
        raise InvalidRequest("fingerprint must be the one that was listed with the item")
    match message.kind:
        case admin.ItemKind.VOLUME:
            return _parse_volume(message, sites)
        case admin.ItemKind.SNAPSHOT:
            return _parse_snapshot(message, sites)
        case admin.ItemKind.FILE:
            return _parse_leftover(message, sites, Kind.FILE)
        case admin.ItemKind.SUBVOLUME:
            return _parse_leftover(message, sites, Kind.SUBVOLUME)
        case _:
            raise InvalidRequest("kind must be a volume, snapshot, file or subvolume")


def _parse_volume(message: admin.DeleteOrphanRequest, sites: Sites) -> tuple[Site, Orphan]:
    subject = VolumeId.parse(message.id, "id")
    if not subject.is_managed:
        raise InvalidRequest(f"volume {subject} is not one that this driver makes")
    site = _check_device(message, sites.of_suffix(subject.device))
    return site, Orphan(Kind.VOLUME, subject, None, message.fingerprint)


def _parse_snapshot(message: admin.DeleteOrphanRequest, sites: Sites) -> tuple[Site, Orphan]:
    subject = SnapshotId.parse(message.id, "id")
    if not subject.is_managed:
        raise InvalidRequest(f"snapshot {subject} is not one that this driver makes")
    site = _check_device(message, sites.of_suffix(subject.device))
    return site, Orphan(Kind.SNAPSHOT, subject, None, message.fingerprint)


def _check_device(message: admin.DeleteOrphanRequest, site: Site) -> Site:
    if message.device not in {"", site.name}:
        raise InvalidRequest(f"device is {shown(message.device)}, and the ID names {site.name}")
    return site


def _parse_leftover(
    message: admin.DeleteOrphanRequest, sites: Sites, kind: Kind
) -> tuple[Site, Orphan]:
    site = parse_device(message.device, sites)
    path = DevicePath.parse(message.id, "id")
    inner = f"/{INNER_NAME}" if kind is Kind.SUBVOLUME else ""
    image = Image.parse(path.text + inner)
    bases = site.settings.volume_base_paths
    if image is None or image.directory not in bases or not VolumeId(image.slot).is_managed:
        raise InvalidRequest(
            f"{path} is not what this driver makes in {', '.join(map(str, bases))}; it is never "
            "removed"
        )
    subject = VolumeId(image.slot, site.suffix)
    return site, Orphan(kind, subject, path, message.fingerprint)


def parse_device(name: str, sites: Sites) -> Site:
    """Return the device of a name.

    Raises:
        InvalidRequest: there is none.
    """
    for site in sites:
        if site.name == name:
            return site
    known = ", ".join(site.name for site in sites)
    raise InvalidRequest(f"device must be one of {known}, not {shown(name)}")
