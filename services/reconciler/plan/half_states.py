"""What is half there: a volume without its disk, file or export, an object without either. Pure.

Nothing is mended here: where data may be missing, a person decides. A volume that is not exported
may be one whose deletion has begun, so it is not exported again by being attached, either.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from libs.core.errors import InvalidRequest
from libs.core.ids import SnapshotId, VolumeId
from services.reconciler.findings import Finding, FindingKind, Subject
from services.reconciler.inventory import Held
from services.reconciler.model import HalfState, Leftover, PersistentVolume, SnapshotContent
from services.reconciler.plan.notes import Case


def find_half(volume: PersistentVolume, case: Case) -> Finding | None:
    """Return what is missing of a PersistentVolume's volume, where its device was listed whole."""
    if volume.deleting_since is not None:
        return None
    _, at, name = volume.handle.partition("@")
    suffix = at + name
    there = case.index.on_device.get(suffix, {}).get(volume.handle)
    if there is not None and there.half_state is HalfState.WHOLE:
        return None
    try:
        wanted = VolumeId.parse(volume.handle)
    except InvalidRequest:
        return None
    device = case.index.devices.get(suffix)
    subject = Subject(
        volume_id=volume.handle,
        persistent_volume=volume.name,
        claim=volume.claim,
        device=device.device if device else wanted.device,
    )
    if device is None:
        return _no_device(volume, suffix, subject, case)
    if there is not None:
        return _half(volume, there.half_state, subject, case)
    left = case.index.left[suffix].get(volume.handle)
    # Only volumes that this driver could have made are listed.
    return _gone(volume, left, subject, case) if left or wanted.is_managed else None


def _gone(volume: PersistentVolume, left: Leftover | None, subject: Subject, case: Case) -> Finding:
    if left is not None:
        return _tell(
            FindingKind.DISK_MISSING,
            volume,
            replace(subject, path=left.path),
            case,
            f"Volume {volume.handle} has its data in {left.path}, and no disk uses that.",
            "Add a disk with that file and the volume's slot on the device, or restore the volume.",
        )
    return _tell(
        FindingKind.VOLUME_MISSING,
        volume,
        subject,
        case,
        f"PersistentVolume {volume.name} refers to volume {volume.handle}, and it is not on the "
        "device.",
        "Restore it on the device, or delete the claim and its PersistentVolume.",
    )


def _no_device(
    volume: PersistentVolume, suffix: str, subject: Subject, case: Case
) -> Finding | None:
    known = {device.suffix for device in case.index.seen.devices.items}
    if not case.index.devices_sound or suffix in known:
        return None  # not known, which is another finding
    return _tell(
        FindingKind.VOLUME_MISSING,
        volume,
        subject,
        case,
        f"PersistentVolume {volume.name} refers to volume {volume.handle}, and the controller has "
        "no such device.",
        "Add the device to the controller's settings, under the name that its volumes have.",
    )


def _half(
    volume: PersistentVolume, half: HalfState, subject: Subject, case: Case
) -> Finding | None:
    if half is HalfState.NO_FILE:
        return _tell(
            FindingKind.FILE_MISSING,
            volume,
            subject,
            case,
            f"Volume {volume.handle} has a disk, and its backing file is not there.",
            "Restore the file on the device from a backup; nothing here removes what is left.",
        )
    if half is HalfState.NOT_EXPORTED:
        return _tell(
            FindingKind.NOT_EXPORTED,
            volume,
            subject,
            case,
            f"Volume {volume.handle} is not exported, so no node can connect to it.",
            "No node can get it. If nobody meant to delete it: nvme-tcp-export=yes on its disk.",
        )
    return None


def _tell(  # noqa: PLR0913, PLR0917 (the parts of a finding)
    kind: FindingKind,
    volume: PersistentVolume,
    subject: Subject,
    case: Case,
    reason: str,
    advice: str,
) -> Finding:
    note = case.note(kind, subject, volume.uid, volume.handle).because(reason)
    if not note.is_due(case.rules.half_state):
        return note.waits(case.rules.half_state, advice)
    return note.is_for_people(advice)


def find_lost_snapshot(content: SnapshotContent, case: Case) -> Finding | None:
    """Return whether a content's snapshot is gone from its device."""
    if content.deleting_since is not None:
        return None
    for handle in content.handles:
        try:
            wanted = SnapshotId.parse(handle)
        except InvalidRequest:
            continue
        suffix = f"@{wanted.device}" if wanted.device else ""
        there = case.index.snapshots.get(suffix)
        if there is None or handle in there or not wanted.is_managed:
            continue
        subject = Subject(
            snapshot_id=handle,
            volume_snapshot_content=content.name,
            device=case.index.devices[suffix].device,
        )
        note = case.note(FindingKind.SNAPSHOT_MISSING, subject, content.uid, handle)
        note.because(f"{content.name} refers to snapshot {handle}, and it is not on the device.")
        advice = "Delete the VolumeSnapshot: nothing can be restored from it."
        due = note.is_due(case.rules.half_state)
        return note.is_for_people(advice) if due else note.waits(case.rules.half_state, advice)
    return None


def find_migrations(shared: Iterable[Held], case: Case) -> Iterator[Finding]:
    """Find live migrations past their time: volumes that two nodes have, and not to read only.

    Args:
        shared: attachments of volumes that have several, in the order of their names.
        case: the pass.
    """
    holders: dict[str, _Holders] = {}
    for held in shared:
        volume, attachment = held.volume, held.attachment
        if volume is None or volume.read_only:
            continue
        if attachment.attached and attachment.deleting_since is None:
            nodes = holders.setdefault(held.volume_id, {})
            nodes[attachment.node] = (volume, attachment.uid)
    for volume_id, nodes in holders.items():
        if len(nodes) > 1:
            yield _migration(volume_id, nodes, case)


_Holders = dict[str, tuple[PersistentVolume, str]]
"""The nodes that have a volume, with its object and the UIDs of their attachments."""


def _migration(volume_id: str, nodes: _Holders, case: Case) -> Finding:
    names = sorted(nodes)
    volume, _ = nodes[names[0]]
    subject = Subject(volume_id=volume_id, persistent_volume=volume.name, claim=volume.claim)
    uids = sorted(uid for _, uid in nodes.values())
    note = case.note(FindingKind.MIGRATION_OVERDUE, subject, volume_id, *uids)
    note.because(f"Volume {volume_id} is attached to {' and '.join(names)}, as in a migration.")
    limit = volume.migration_timeout or case.rules.migration
    advice = (
        "End the migration: delete the pod of the virtual machine on the node where it should not "
        "run."
    )
    return note.is_for_people(advice) if note.is_due(limit) else note.waits(limit, advice)
