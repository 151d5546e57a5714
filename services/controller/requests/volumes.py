"""From CSI requests to values: everything that a caller sends is checked here, once."""

from dataclasses import dataclass

from libs.core.address import parse_host
from libs.core.errors import InvalidRequest, NotFound, StaleToken
from libs.core.ids import NodeId, Nqn, Slot, SnapshotId, VolumeId, check_name
from libs.core.images import Image
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.core.size import CapacityRange
from libs.csikit.capability import (
    Capability,
    parse_capabilities,
    parse_capability,
)
from protos.gen.csi import v1 as csi
from services.controller.requests.parameters import (
    Changes,
    Parameters,
    parse_changes,
    parse_migration_timeout,
    parse_parameters,
    parse_password,
)
from services.controller.sites import Site, Sites

MAX_PAGE = 500
"""Volumes in one answer: encoding a page holds the event loop, about 20 ms at this size."""


@dataclass(frozen=True, slots=True)
class Source:
    """What a new volume begins as a copy of.

    Attributes:
        slot: of the volume or snapshot.
        is_snapshot: which of the two.
    """

    slot: Slot
    is_snapshot: bool

    def __str__(self) -> str:
        return f"{'snapshot' if self.is_snapshot else 'volume'} {self.slot}"


@dataclass(frozen=True, slots=True)
class NewVolume:
    """What CreateVolume asks for."""

    volume: VolumeId
    size: CapacityRange
    min_bytes: int
    parameters: Parameters
    nqn: Nqn
    source: Source | None = None
    password: Secret | None = None
    changes: Changes | None = None

    @property
    def image(self) -> Image:
        """Where a volume lies that is not a copy."""
        parameters = self.parameters
        return Image(parameters.directory, self.volume.slot, None, parameters.layout)

    @property
    def path(self) -> DevicePath:
        """The backing file of a volume that is not a copy."""
        return self.image.path


@dataclass(frozen=True, slots=True)
class Publication:
    """What ControllerPublishVolume asks for.

    Attributes:
        volume: the volume.
        node: the node.
        capability: how it is to be used.
        nvme_address: as the volume's context has it.
        migration_timeout: seconds within which the second end of a live migration must have been
            granted a raw block volume, counted from its claim.
    """

    volume: VolumeId
    node: NodeId
    capability: Capability
    nvme_address: str
    migration_timeout: int = 300


@dataclass(frozen=True, slots=True)
class Modification:
    """What ControllerModifyVolume asks for; the password is empty where none is needed."""

    volume: VolumeId
    changes: Changes
    password: Secret


@dataclass(frozen=True, slots=True)
class Expansion:
    """What ControllerExpandVolume asks for.

    Attributes:
        volume: the volume.
        size: the range of sizes that will do.
        node_expansion_required: False only for a volume that is known to be used as a raw block
            device: nobody but the node can grow a filesystem.
    """

    volume: VolumeId
    size: CapacityRange
    node_expansion_required: bool


def parse_range(given: csi.CapacityRange | None) -> CapacityRange:
    """Read a capacity range; none at all leaves both ends open."""
    return CapacityRange(given.required_bytes, given.limit_bytes) if given else CapacityRange()


def parse_create(request: csi.CreateVolumeRequest, sites: Sites) -> tuple[Site, NewVolume]:
    """Read a CreateVolume request, and choose the device.

    Raises:
        InvalidRequest: with the field and the rule that it breaks.
        Exhausted: no device is reached from where it must be.
        NotFound: the content source cannot exist.
    """
    check_name("name", request.name)
    source, suffix = _parse_source(request.volume_content_source)
    needs = request.accessibility_requirements or csi.TopologyRequirement()
    site = sites.choose(
        request.parameters,
        [topology.segments for topology in needs.requisite],
        [topology.segments for topology in needs.preferred],
        suffix,
    )
    changes = parse_changes(request.mutable_parameters, site.settings)
    parameters = parse_parameters(
        {**request.parameters, **request.mutable_parameters}, site.settings
    )
    capabilities = parse_capabilities(request.volume_capabilities, parameters.fs_type)
    volume = VolumeId.from_name(request.name, device=site.suffix)
    wanted = NewVolume(
        volume=volume,
        size=parse_range(request.capacity_range),
        min_bytes=max(each.min_bytes for each in capabilities),
        parameters=parameters,
        nqn=Nqn.of_volume(parameters.nqn_prefix, volume),
        source=source,
        password=parse_password(request.secrets, needed=parameters.authenticated),
        changes=changes,
    )
    return site, wanted


def _parse_source(
    content: csi.VolumeContentSource | None,
) -> tuple[Source | None, str | None]:
    if content is None:
        return None, None
    field = "volume_content_source"
    if content.snapshot is not None:
        snapshot = SnapshotId.parse(content.snapshot.snapshot_id, f"{field}.snapshot_id")
        if not snapshot.is_managed:
            raise NotFound(f"snapshot {snapshot} does not exist")
        return Source(snapshot.slot, is_snapshot=True), snapshot.device
    if content.volume is not None:
        volume = VolumeId.parse(content.volume.volume_id, f"{field}.volume_id")
        if not volume.is_managed:
            raise NotFound(f"volume {volume} does not exist")
        return Source(volume.slot, is_snapshot=False), volume.device
    raise InvalidRequest(f"{field} must have a snapshot or a volume")


def parse_publish(
    request: csi.ControllerPublishVolumeRequest, sites: Sites
) -> tuple[Site, Publication]:
    """Read a ControllerPublishVolume request.

    Raises:
        InvalidRequest: with the field and the rule that it breaks.
        NotFound: the volume's device is not one of ours.
    """
    volume = VolumeId.parse(request.volume_id)
    node = NodeId.parse(request.node_id)
    capability = parse_capability(request.volume_capability)
    if request.readonly:
        raise InvalidRequest(
            "readonly must be false: a node is given a volume to write or not at all, and mounts "
            "it read-only by itself (PUBLISH_READONLY is not offered)"
        )
    site = sites.of_suffix(volume.device)
    context = request.volume_context
    address = context.get("nvmeAddress", site.settings.nvme_address)
    return site, Publication(
        volume=volume,
        node=node,
        capability=capability,
        nvme_address=parse_host(address, "volume_context.nvmeAddress"),
        migration_timeout=parse_migration_timeout(context, "volume_context"),
    )


def parse_expand(request: csi.ControllerExpandVolumeRequest) -> Expansion:
    """Read a ControllerExpandVolume request.

    Raises:
        InvalidRequest: with the field and the rule that it breaks.
    """
    volume = VolumeId.parse(request.volume_id)
    if request.capacity_range is None:
        raise InvalidRequest("capacity_range must be given")
    if not (request.capacity_range.required_bytes or request.capacity_range.limit_bytes):
        raise InvalidRequest("capacity_range must have required_bytes or limit_bytes")
    capability = request.volume_capability
    return Expansion(
        volume=volume,
        size=parse_range(request.capacity_range),
        node_expansion_required=capability is None or capability.block is None,
    )


def parse_modify(
    request: csi.ControllerModifyVolumeRequest, sites: Sites
) -> tuple[Site, Modification]:
    """Read a ControllerModifyVolume request.

    Raises:
        InvalidRequest: with the field and the rule that it breaks.
        NotFound: the volume's device is not one of ours.
    """
    volume = VolumeId.parse(request.volume_id)
    if not request.mutable_parameters:
        raise InvalidRequest("mutable_parameters must not be empty")
    site = sites.of_suffix(volume.device)
    changes = parse_changes(request.mutable_parameters, site.settings)
    password = parse_password(request.secrets, needed=changes.authenticated is True)
    return site, Modification(volume, changes, password or Secret(""))


def parse_page(request: csi.ListVolumesRequest) -> tuple[int, str]:
    """Read how many entries are wanted, and the ID after which they begin.

    Raises:
        InvalidRequest: `max_entries` is negative.
        StaleToken: the token is not one that this driver gave.
    """
    return page_of(request.max_entries, request.starting_token, VolumeId)


def page_of(
    max_entries: int, token: str, kind: type[VolumeId] | type[SnapshotId]
) -> tuple[int, str]:
    """Check the page of a listing: how many entries, and the ID after which they begin.

    Raises:
        InvalidRequest: `max_entries` is negative.
        StaleToken: the token is not one that this driver gave.
    """
    if max_entries < 0:
        raise InvalidRequest(f"max_entries must not be negative, not {max_entries}")
    if token:
        try:
            known = kind.parse(token).is_managed
        except InvalidRequest:
            known = False
        if not known:
            raise StaleToken("starting_token is not one that this driver gave; start again")
    return min(max_entries or MAX_PAGE, MAX_PAGE), token
