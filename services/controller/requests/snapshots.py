"""From CSI snapshot requests to values."""

from dataclasses import dataclass

from libs.core.errors import InvalidRequest, NotFound
from libs.core.ids import SnapshotId, VolumeId, check_name, shown
from protos.gen.csi import v1 as csi
from services.controller.requests.volumes import page_of

_SIDECAR_PREFIX = "csi.storage.k8s.io/"


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """What CreateSnapshot asks for."""

    snapshot: SnapshotId
    volume: VolumeId


@dataclass(frozen=True, slots=True)
class SnapshotQuery:
    """What ListSnapshots asks for; None for what it does not restrict.

    Attributes:
        count: the most entries.
        after: the ID after which they begin.
        snapshot: only this one.
        volume: only of this volume.
        is_empty: whether what it asks for cannot exist.
    """

    count: int
    after: str
    snapshot: SnapshotId | None = None
    volume: VolumeId | None = None
    is_empty: bool = False


def parse_snapshot(request: csi.CreateSnapshotRequest) -> NewSnapshot:
    """Read a CreateSnapshot request; a snapshot lies on its volume's device.

    Raises:
        InvalidRequest: with the field and the rule that it breaks.
        NotFound: the volume cannot exist.
    """
    check_name("name", request.name)
    volume = VolumeId.parse(request.source_volume_id, "source_volume_id")
    unknown = [key for key in request.parameters if not key.startswith(_SIDECAR_PREFIX)]
    if unknown:
        raise InvalidRequest(
            f"parameters has unknown keys {', '.join(shown(key) for key in sorted(unknown))}; a "
            "snapshot has none: how it is made follows from its volume's layout"
        )
    if not volume.is_managed:
        raise NotFound(f"volume {volume} does not exist")
    return NewSnapshot(SnapshotId.from_name(request.name, device=volume.device), volume)


def parse_query(request: csi.ListSnapshotsRequest) -> SnapshotQuery:
    """Read a ListSnapshots request; an ID that nothing has is no error, it finds nothing.

    Raises:
        InvalidRequest: `max_entries` is negative.
        StaleToken: the token is not one that this driver gave.
    """
    count, after = page_of(request.max_entries, request.starting_token, SnapshotId)
    try:
        snapshot = SnapshotId.parse(request.snapshot_id) if request.snapshot_id else None
        volume = VolumeId.parse(request.source_volume_id) if request.source_volume_id else None
    except InvalidRequest:
        return SnapshotQuery(count, after, is_empty=True)
    return SnapshotQuery(count, after, snapshot, volume)
