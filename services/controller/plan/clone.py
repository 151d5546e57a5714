"""How a volume is made from a snapshot or another volume. Pure."""

from dataclasses import replace

from libs.core.errors import Busy, InUse, InvalidRequest, NotFound, Unsupported
from libs.core.images import INNER_NAME, Image, Layout, Origin
from libs.core.size import round_up
from libs.rdsclient.model import Branch, FileDisk, SlotState
from services.controller.plan.steps import (
    CopyFile,
    CreateDisk,
    ExportDisk,
    From,
    GrowDisk,
    Limits,
    Look,
    RemoveFile,
    Step,
    Terms,
    check_room,
    copies_in,
)
from services.controller.plan.volumes import check_leftovers, check_same, spec_of
from services.controller.requests.volumes import NewVolume, Source


def plan_clone(
    wanted: NewVolume, source: Source, from_: From, terms: Terms, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan a volume that begins as a copy.

    The place of the copy says what it is a copy of, when it began, and how large it will be, so
    whoever comes next goes on from there. The disk is offered only when it has its whole size.

    Args:
        wanted: the volume.
        source: what it is to be a copy of.
        from_: the source.
        terms: what the plan is made under.
        seen: the volume, as it was last seen.

    Raises:
        NotFound: there is no such source.
        OutOfRange: no size is possible.
        Conflict: the volume exists, and is not this copy.
        Busy: the copy is under way.
        InUse: the source is being written to, or something is in the way.
        Exhausted: the pool has too little room.
        InvalidRequest: the copy would have to lie where it cannot.
    """
    slot, pool = wanted.volume.slot, wanted.parameters.directory.pool
    if seen is None:
        return (Look(slot, pool),)
    if seen.disk is not None:
        return _finish(wanted, terms.limits, seen.disk, seen)
    image, size = _whole_source(source, from_.seen)
    target = _target_size(wanted, terms.limits, size)
    if wanted.parameters.layout is Layout.SUBVOLUME:
        place, branch = _branch(
            wanted, source, Origin(terms.now, size, source.slot.text), image, seen
        )
        spec = spec_of(wanted, place, size)
        spec = replace(spec, branch=branch, adopts=True, room=0, exported=target == size)
        return (CreateDisk(spec),)
    begun = copies_in(seen.files)
    if not begun:
        check_leftovers(wanted.volume, wanted.path, seen)
        _check_quiet(source, from_, image, terms.limits)
        check_room(pool, seen.pool, target)
        place = Image(
            wanted.parameters.directory,
            slot,
            Origin(terms.now, size, source.slot.text),
            Layout.FILE,
        )
        return (CopyFile(slot, image.path, place.path, size),)
    (copy, *_) = begun
    if copy.is_alive(terms):
        raise Busy(f"volume {copy} is being copied from {source}")
    if not copy.is_complete:
        return (RemoveFile(slot, copy.image.path),)
    spec = spec_of(wanted, copy.image, copy.done)
    exported = target == copy.done
    return (CreateDisk(replace(spec, adopts=True, room=0, exported=exported)),)


def _finish(wanted: NewVolume, limits: Limits, disk: FileDisk, seen: SlotState) -> tuple[Step, ...]:
    pool = wanted.parameters.directory.pool
    if disk.export is not None:
        check_same(wanted, disk)
        return ()
    target = _target_size(wanted, limits, disk.size)
    check_same(replace(wanted, size=replace(wanted.size, required=0, limit=0)), disk)
    if disk.size < target:
        check_room(pool, seen.pool, target - disk.size)
        return (GrowDisk(seen.slot, target, target - disk.size, pool),)
    return (ExportDisk(seen.slot, pool),)


def _target_size(wanted: NewVolume, limits: Limits, size: int) -> int:
    least = max(round_up(size), wanted.min_bytes)
    return wanted.size.choose(default=size, minimum=least, maximum=limits.maximum)


def _whole_source(source: Source, from_: SlotState) -> tuple[Image, int]:
    """Return where the source lies and its size in bytes.

    Raises:
        NotFound: there is none.
        Busy: it is itself not complete yet.
    """
    if not source.is_snapshot:
        disk = from_.disk
        image = Image.parse(disk.path) if disk else None
        if disk is None or image is None:
            raise NotFound(f"{source} does not exist")
        return image, disk.size
    for sub in from_.subvolumes:
        if from_.pool and from_.pool.label == sub.label:
            image = Image.parse(f"/{from_.asked_pool}/{sub.name}/{INNER_NAME}")
            if image and image.origin:
                return image, image.origin.size
    for copy in copies_in(from_.files):
        if not copy.is_complete:
            raise Busy(f"{source} is being made: {copy}")
        return copy.image, copy.origin.size
    if from_.subvolumes:
        raise InvalidRequest(
            f"{source} lies in another pool than parameters.volumePath; a subvolume is cloned "
            "within its pool only"
        )
    raise NotFound(f"{source} does not exist")


def _check_quiet(source: Source, from_: From, image: Image, limits: Limits) -> None:
    nodes = from_.writers
    if nodes and not limits.copy_attached:
        raise InUse(
            f"{source} is attached to {', '.join(nodes)}, and {image.path} is a file: what is "
            "written while it is copied would tear the copy; detach it, use layout=subvolume, or "
            "allow torn copies with --copy-attached"
        )


def _branch(
    wanted: NewVolume, source: Source, origin: Origin, image: Image, seen: SlotState
) -> tuple[Image, Branch]:
    directory = wanted.parameters.directory
    if image.layout is not Layout.SUBVOLUME or image.directory.pool != directory.pool:
        raise InvalidRequest(
            f"parameters.layout=subvolume cannot be a copy of {source}, which is "
            + ("a file" if image.layout is Layout.FILE else "in another pool")
        )
    if seen.pool is None or not seen.pool.label:
        raise Unsupported(f"pool {directory.pool} has no label to address subvolumes by")
    begun = [
        place
        for sub in seen.subvolumes
        if (place := Image.parse(f"/{directory.pool}/{sub.name}/{INNER_NAME}"))
        and place.origin
        and place.origin.source == source.slot.text
    ]
    place = begun[0] if begun else None
    if place is None:
        place = Image(directory, wanted.volume.slot, origin, Layout.SUBVOLUME)
    return place, Branch(seen.pool.label, place.subvolume, image.subvolume)
