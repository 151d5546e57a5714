"""What the controller's admin API tells, as the values that decisions are made of. Pure."""

from libs.csikit.collect import DeviceListing as Collected
from protos.gen.rdscsi.controller import v1 as admin
from services.reconciler.model import (
    Admission,
    AttachmentState,
    AttachmentView,
    DeviceListing,
    HalfState,
    ItemKind,
    Leftover,
    Snapshot,
    Volume,
)
from services.reconciler.ports import DeviceLink

ITEM_KINDS = {kind: admin.ItemKind[kind.name] for kind in ItemKind}
_KINDS = {message: kind for kind, message in ITEM_KINDS.items()}
# What a later controller says, and this does not know, counts as what nothing is done about.
_HALVES = {admin.HalfState[half.name]: half for half in HalfState}
_STATES = {admin.AttachmentState[state.name]: state for state in AttachmentState}
_ADMISSIONS = {admin.Admission[admission.name]: admission for admission in Admission}


def read_device(found: Collected, read_at: float) -> DeviceListing:
    """Read what is on a device."""
    return DeviceListing(
        device=found.device,
        is_default=found.begin.is_default,
        base_paths=tuple(found.begin.base_paths),
        managed_prefixes=tuple(found.begin.managed_prefixes),
        volumes=tuple(map(_volume, found.volumes)),
        snapshots=tuple(map(_snapshot, found.snapshots)),
        leftovers=tuple(map(_leftover, found.leftovers)),
        complete=found.is_whole,
        read_at=read_at,
        error=found.error,
    )


def _volume(item: admin.Volume) -> Volume:
    return Volume(
        volume_id=item.volume_id,
        slot=item.slot,
        path=item.path,
        fingerprint=item.fingerprint,
        half_state=_HALVES.get(item.half_state, HalfState.ELSEWHERE),
        size_bytes=item.size_bytes,
        fenced=item.fenced,
        allowed_hosts=tuple(item.allowed_hosts),
        copying_to=tuple(item.copying_to),
    )


def _snapshot(item: admin.Snapshot) -> Snapshot:
    return Snapshot(
        snapshot_id=item.snapshot_id,
        source_volume_id=item.source_volume_id,
        path=item.path,
        fingerprint=item.fingerprint,
        size_bytes=item.size_bytes,
        ready=item.ready,
    )


def _leftover(item: admin.Leftover) -> Leftover:
    kind = _KINDS.get(item.kind)
    return Leftover(
        kind=kind or ItemKind.FILE,
        path=item.path,
        managed=item.managed and kind is not None,
        volume_id=item.volume_id,
        fingerprint=item.fingerprint,
        half_state=_HALVES.get(item.half_state, HalfState.COPYING),
        size_bytes=item.size_bytes,
    )


def read_view(item: admin.Attachment) -> AttachmentView:
    """Read an attachment."""
    return AttachmentView(
        volume_id=item.volume_id,
        node=item.node_id,
        uid=item.attachment_uid,
        state=_STATES.get(item.state, AttachmentState.ATTACHED),
        admission=_ADMISSIONS.get(item.admission, Admission.UNKNOWN),
    )


def read_link(item: admin.Connection) -> DeviceLink:
    """Read a device's connection."""
    is_up = item.state is admin.ConnectionState.UP
    return DeviceLink(item.device, is_up, item.reason, item.reconnects)
