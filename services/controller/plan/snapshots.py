"""How snapshots are made, found and removed. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from libs.core.errors import Conflict, InUse, NotFound, Unsupported
from libs.core.ids import SnapshotId
from libs.core.images import INNER_NAME, Image, Layout, Origin
from libs.core.paths import DevicePath
from libs.rdsclient.model import BackingFile, Branch, SlotState, Subvolume
from services.controller.plan.copies import (
    Copying,
    check_copies_allowed,
    copies_in,
    dead_copies,
    place_of,
)
from services.controller.plan.steps import (
    CopyFile,
    Freeze,
    From,
    Look,
    RemoveBranch,
    RemoveFile,
    Step,
    Terms,
    check_listed,
    check_room,
)
from services.controller.plan.volumes import label_of
from services.controller.requests.snapshots import NewSnapshot


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot that is on a device.

    Attributes:
        name: its name there.
        source: the slot of the volume that it was taken of.
        size: bytes.
        made: when it was taken, in seconds since 1970.
        ready: whether volumes can be made from it.
    """

    name: str
    source: str
    size: int
    made: int
    ready: bool


def snapshots_in(
    files: Iterable[BackingFile], subvolumes: Iterable[Subvolume]
) -> tuple[Snapshot, ...]:
    """Return the snapshots among files and subvolumes; a subvolume is ready at once."""
    found = {}
    for copy in copies_in(tuple(files)):
        if copy.image.layout is Layout.FILE:
            found[copy.image.slot.text] = _snapshot(copy, ready=copy.is_complete)
    for sub in subvolumes:
        image = Image.parse(f"/{sub.label or '-'}/{sub.name}/{INNER_NAME}")
        if image and image.origin:
            copy = Copying(image, image.origin, image.origin.size)
            found[image.slot.text] = _snapshot(copy, ready=True)
    return tuple(found.values())


def _snapshot(copy: Copying, *, ready: bool) -> Snapshot:
    origin = copy.origin
    return Snapshot(copy.image.slot.text, origin.source, origin.size, origin.made, ready)


def snapshot_in(seen: SlotState | None) -> Snapshot | None:
    """Return the snapshot that a slot's state is about, if there is one."""
    if seen is None:
        return None
    return next(iter(snapshots_in(seen.files, seen.subvolumes)), None)


def found_snapshot(
    snapshot: SnapshotId, bases: tuple[DevicePath, ...], seen: SlotState | None
) -> Snapshot:
    """Return the snapshot; `bases` are the directories that it may be in.

    Raises:
        NotFound: there is none.
        Unreachable: there is none to be seen, and a pool is not mounted.
    """
    there = snapshot_in(seen)
    if there is None:
        check_listed(f"snapshot {snapshot}", bases, seen.pools if seen else ())
        raise NotFound(f"snapshot {snapshot} does not exist")
    return there


def plan_snapshot(
    wanted: NewSnapshot, from_: From, terms: Terms, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan a snapshot: of a subvolume at once, of a file by copying it.

    Args:
        wanted: the snapshot.
        from_: its volume.
        terms: what the plan is made under.
        seen: the snapshot, as it was last seen.

    Raises:
        NotFound: there is no such volume.
        Conflict: a snapshot of this name was taken of another volume.
        InUse: the volume is a file, and a node may write to it.
        Exhausted: the pool has too little room.
        Unsupported: the volume lies where no snapshot can be taken.
    """
    slot, disk = wanted.snapshot.slot, from_.seen.disk
    there = snapshot_in(seen)
    if seen is not None and there is not None:
        if there.source != wanted.volume.slot.text:
            raise Conflict(f"snapshot {wanted.snapshot} exists, but of volume {there.source}")
        return _remove_dead(seen, terms)
    if disk is None:
        raise NotFound(f"volume {wanted.volume} does not exist")
    if seen is None:
        return (Look(slot),)
    image = Image.parse(disk.path)
    if image is None or image.directory not in terms.bases:
        raise Unsupported(f"the backing file {disk.path} is not where this driver puts them")
    place = Image(
        image.directory, slot, Origin(terms.now, disk.size, wanted.volume.slot.text), image.layout
    )
    if image.layout is Layout.SUBVOLUME:
        label = label_of(image.directory.pool, seen.pool(image.directory.pool))
        return (Freeze(slot, Branch(label, place.subvolume, image.subvolume)),)
    check_copies_allowed(terms)
    nodes = from_.writers
    if nodes and not terms.limits.copy_attached:
        raise InUse(
            f"volume {wanted.volume} is attached to {', '.join(nodes)}, and its layout is file: "
            "what is written while it is copied would tear the snapshot; detach it, use volumes of "
            "layout=subvolume, or allow torn copies with --copy-attached"
        )
    check_room(image.directory.pool, seen.pool(image.directory.pool), disk.size)
    return (CopyFile(slot, image.path, place.path, disk.size),)


def _remove_dead(seen: SlotState, terms: Terms) -> tuple[Step, ...]:
    """Plan to begin again with a copy that the device gave up."""
    return tuple(
        RemoveFile(seen.slot, copy.image.path)
        for copy in copies_in(seen.files)
        if copy.image.layout is Layout.FILE and copy.is_dead(terms)
    )


def plan_delete_snapshot(
    snapshot: SnapshotId, terms: Terms, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan to remove what there is of a snapshot, complete or not.

    A copy that is begun after the look is seen by the line that removes the file, whichever replica
    begins it: nothing is removed then, and the next look finds it.

    Raises:
        InUse: a volume is being copied from it.
        Unreachable: nothing is to be seen of it, and a pool is not mounted.
    """
    if not snapshot.is_managed:
        return ()
    slot = snapshot.slot
    if seen is None:
        return (Look(slot),)
    steps: list[Step] = list(dead_copies(seen, terms, "it can be deleted"))
    steps += [
        RemoveFile(slot, copy.image.path, seen.copied)
        for copy in copies_in(seen.files)
        if copy.image.layout is Layout.FILE
    ]
    for sub in seen.subvolumes:
        place = place_of(sub, seen, terms.bases)
        if place is not None:
            steps.append(RemoveBranch(slot, place.path, Branch(sub.label, sub.name)))
    if not steps:
        check_listed(f"snapshot {snapshot}", terms.bases, seen.pools)
    return tuple(steps)
