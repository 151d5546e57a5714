"""When something on a device may be removed as an orphan, and how. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.core.errors import InUse
from libs.core.ids import Slot, SnapshotId, VolumeId
from libs.core.images import Image
from libs.core.paths import DevicePath
from libs.rdsclient.model import Branch, SlotState
from services.controller.plan.copies import copies_in, dead_copies, place_of
from services.controller.plan.fingerprints import Kind, fingerprint
from services.controller.plan.snapshots import plan_delete_snapshot
from services.controller.plan.steps import (
    Look,
    RemoveBranch,
    RemoveFile,
    Step,
    Terms,
    check_listed,
)
from services.controller.plan.volumes import plan_delete


@dataclass(frozen=True, slots=True)
class Orphan:
    """What somebody takes for an orphan.

    Attributes:
        kind: what it is.
        subject: the snapshot, or the volume that it is or is named for.
        path: of a file or subvolume.
        fingerprint: what it was when it was listed.
    """

    kind: Kind
    subject: VolumeId | SnapshotId
    path: DevicePath | None
    fingerprint: str

    @property
    def slot(self) -> Slot:
        """What it is about on the device."""
        return self.subject.slot

    @property
    def name(self) -> str:
        """What fingerprints and people call it."""
        return self.path.text if self.path else self.slot.text

    def __str__(self) -> str:
        return f"{self.kind.value} {self.path or self.subject}"


def size_of(orphan: Orphan, terms: Terms, seen: SlotState) -> int | None:
    """Return how many bytes it has; None where it is gone, 0 where that is not known.

    Raises:
        Unreachable: it is not to be seen, and a pool is not mounted.
    """
    size = _size_of(orphan, terms, seen)
    if size is None:
        check_listed(str(orphan), terms.bases, seen.pools)
    return size


def _size_of(orphan: Orphan, terms: Terms, seen: SlotState) -> int | None:
    match orphan.kind:
        case Kind.VOLUME:
            return seen.disk.size if seen.disk else _left(seen)
        case Kind.SNAPSHOT:
            return _left(seen)
        case Kind.FILE:
            sizes = [file.size or 0 for file in seen.files if file.path == orphan.name]
            return sizes[0] if sizes else None
        case Kind.SUBVOLUME:  # pragma: no branch (there is no other kind)
            place = _place(orphan, terms, seen)
            return None if place is None else 0


def _left(seen: SlotState) -> int | None:
    if not seen.files and not seen.subvolumes:
        return None
    return sum(file.size or 0 for file in seen.files)


def check_unchanged(orphan: Orphan, seen: SlotState) -> None:
    """Check that it is what was listed.

    Raises:
        InUse: it is not.
    """
    if fingerprint(orphan.kind, orphan.name, seen) != orphan.fingerprint:
        raise InUse(
            f"{orphan} is not any more what was listed; nothing was removed: list it again, and "
            "decide again"
        )


def check_unneeded(orphan: Orphan, holders: Sequence[str], referrers: Sequence[str]) -> None:
    """Check that nothing in the cluster needs it.

    Args:
        orphan: what is to be removed.
        holders: nodes that have it, or have asked for it, or that the device lets in to it.
        referrers: objects that refer to it.

    Raises:
        InUse: something does.
    """
    if referrers:
        raise InUse(f"{orphan} is no orphan: {', '.join(referrers)} refers to it")
    if holders:
        raise InUse(f"{orphan} is no orphan: it is attached, or open, to {', '.join(holders)}")


def plan_remove(orphan: Orphan, terms: Terms, seen: SlotState | None) -> tuple[Step, ...]:
    """Plan to remove it, and nothing else.

    Raises:
        InUse: it is being copied, or a disk uses it.
    """
    subject = orphan.subject
    if orphan.path is not None:
        return _plan_path(orphan, orphan.path, terms, seen)
    if isinstance(subject, VolumeId):
        return plan_delete(subject, (), terms, seen)
    return plan_delete_snapshot(subject, terms, seen)


def _plan_path(
    orphan: Orphan, path: DevicePath, terms: Terms, seen: SlotState | None
) -> tuple[Step, ...]:
    if seen is None:
        return (Look(orphan.slot),)
    users = [seen.disk] if seen.disk else []
    for user in (*users, *seen.users):
        if user.path == path.text or user.path.startswith(f"{path}/"):
            raise InUse(f"{orphan} is used by the disk in slot {user.slot}; nothing was removed")
    if dead := dead_copies(seen, terms, "it can be removed"):
        return dead
    if orphan.kind is Kind.FILE:
        return _plan_file(orphan, path, terms, seen)
    place = _place(orphan, terms, seen)
    return (RemoveBranch(orphan.slot, place[0].path, place[1]),) if place else ()


def _plan_file(orphan: Orphan, path: DevicePath, terms: Terms, seen: SlotState) -> tuple[Step, ...]:
    there = tuple(file for file in seen.files if file.path == path.text)
    for copy in copies_in(there):
        if not copy.is_complete and not copy.is_dead(terms):
            raise InUse(f"{orphan} is being made, as a copy of {copy.origin.source}: {copy}")
    return (RemoveFile(orphan.slot, path),) if there else ()


def _place(orphan: Orphan, terms: Terms, seen: SlotState) -> tuple[Image, Branch] | None:
    for sub in seen.subvolumes:
        image = place_of(sub, seen, terms.bases)
        if image is not None and image.path.parent == orphan.path:
            return image, Branch(sub.label, sub.name)
    return None
