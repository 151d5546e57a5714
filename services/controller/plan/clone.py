"""How a volume is made from a snapshot or another volume. Pure."""

from dataclasses import replace

from libs.core.errors import Busy, Conflict, InUse, InvalidRequest, NotFound
from libs.core.images import Image, Layout, Origin
from libs.core.size import CapacityRange, round_up
from libs.rdsclient.model import Branch, FileDisk, SlotState
from services.controller.plan.copies import Copying, check_copies_allowed, copies_in, place_of
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
    check_listed,
)
from services.controller.plan.volumes import (
    Room,
    check_leftovers,
    check_same,
    check_space,
    label_of,
    pool_of,
    spec_of,
)
from services.controller.requests.volumes import NewVolume, Source


def plan_clone(  # noqa: PLR0913, PLR0917 (all that a copy depends on)
    wanted: NewVolume,
    source: Source,
    from_: From,
    room: Room,
    terms: Terms,
    seen: SlotState | None,
) -> tuple[Step, ...]:
    """Plan a volume that begins as a copy.

    The place of the copy says what it is a copy of, when it began, and how large it will be, so
    whoever comes next goes on from there. The disk is offered only when it has its whole size.

    Args:
        wanted: the volume.
        source: what it is to be a copy of.
        from_: the source.
        room: what the pool has promised, where its files are thin.
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
    slot = wanted.volume.slot
    if seen is None:
        return (Look(slot),)
    if seen.disk is not None:
        return _finish(wanted, room, terms.limits, seen.disk, seen)
    if wanted.parameters.layout is Layout.SUBVOLUME:
        return _plan_branch(wanted, source, from_, room, terms, seen)
    begun = copies_in(seen.files)
    if begun:
        return _go_on(wanted, source, begun[0], room, terms, seen)
    check_leftovers(wanted.volume, wanted.path, seen)
    check_copies_allowed(terms)
    image, size = _whole_source(source, from_.seen, terms)
    target = _target_size(wanted, terms.limits, size)
    _check_quiet(source, from_, image, terms.limits)
    directory = wanted.parameters.directory
    pool = seen.pool(directory.pool)
    check_space(directory.pool, pool, room, target, terms.limits, written=size)
    place = Image(directory, slot, Origin(terms.now, size, source.slot.text), Layout.FILE)
    return (CopyFile(slot, image.path, place.path, size),)


def _go_on(  # noqa: PLR0913, PLR0917 (all that a copy depends on)
    wanted: NewVolume, source: Source, copy: Copying, room: Room, terms: Terms, seen: SlotState
) -> tuple[Step, ...]:
    """Plan what is left once the copy has been begun; its source need not be there any more."""
    if copy.origin.source != source.slot.text:
        raise Conflict(
            f"volume {wanted.volume} is being made as a copy of {copy.origin.source}, not of "
            f"{source.slot}"
        )
    if not copy.is_complete:
        if copy.is_dead(terms):
            return (RemoveFile(wanted.volume.slot, copy.image.path),)
        raise Busy(f"volume {copy} is being copied from {source}")
    return _adopt(wanted, copy, room, terms, seen)


def _adopt(
    wanted: NewVolume, copy: Copying, room: Room, terms: Terms, seen: SlotState
) -> tuple[Step, ...]:
    """Plan the disk of a copy that is whole, with the size that it has."""
    size = copy.done or copy.origin.size
    target = _target_size(wanted, terms.limits, size)
    if room.promised is not None:
        pool = copy.image.directory.pool
        check_space(pool, seen.pool(pool), room, target, terms.limits)
    exported = target == size
    spec = spec_of(wanted, copy.image, size)
    return (CreateDisk(replace(spec, adopts=True, room=0, exported=exported)),)


def _finish(
    wanted: NewVolume, room: Room, limits: Limits, disk: FileDisk, seen: SlotState
) -> tuple[Step, ...]:
    if disk.export is not None:
        check_same(wanted, disk)
        return ()
    target = _target_size(wanted, limits, disk.size)
    check_same(replace(wanted, size=CapacityRange()), disk)
    if disk.size < target:
        pool, added = pool_of(disk), target - disk.size
        check_space(pool, seen.pool(pool), room, added, limits)
        return (GrowDisk(seen.slot, target, added if room.promised is None else 0, pool),)
    return (ExportDisk(seen.slot),)


def _plan_branch(  # noqa: PLR0913, PLR0917 (all that a clone depends on)
    wanted: NewVolume, source: Source, from_: From, room: Room, terms: Terms, seen: SlotState
) -> tuple[Step, ...]:
    if begun := _begun_branch(source, terms, seen):
        return _adopt(wanted, begun, room, terms, seen)
    image, size = _whole_source(source, from_.seen, terms)
    target = _target_size(wanted, terms.limits, size)
    directory = wanted.parameters.directory
    if image.layout is not Layout.SUBVOLUME or image.directory.pool != directory.pool:
        raise InvalidRequest(
            f"parameters.layout=subvolume cannot be a copy of {source}, which is "
            + ("a file" if image.layout is Layout.FILE else "in another pool")
        )
    pool = seen.pool(directory.pool)
    if room.promised is not None:
        check_space(directory.pool, pool, room, target, terms.limits)
    label = label_of(directory.pool, pool)
    origin = Origin(terms.now, size, source.slot.text)
    place = Image(directory, wanted.volume.slot, origin, Layout.SUBVOLUME)
    spec = spec_of(wanted, place, size)
    branch = Branch(label, place.subvolume, image.subvolume)
    return (CreateDisk(replace(spec, branch=branch, adopts=True, room=0, exported=target == size)),)


def _begun_branch(source: Source, terms: Terms, seen: SlotState) -> Copying | None:
    """Return the subvolume that an earlier call made of the source, which may be gone since.

    It is whole from the first moment, so nothing but its disk is missing.
    """
    sizes = {file.path: file.size for file in seen.files}
    for sub in seen.subvolumes:
        place = place_of(sub, seen, terms.bases)
        if place and place.origin and place.origin.source == source.slot.text:
            return Copying(place, place.origin, sizes.get(place.path.text))
    return None


def _target_size(wanted: NewVolume, limits: Limits, size: int) -> int:
    least = max(round_up(size), wanted.min_bytes)
    return wanted.size.choose(default=size, minimum=least, maximum=limits.maximum)


def _whole_source(source: Source, from_: SlotState, terms: Terms) -> tuple[Image, int]:
    """Return where the source lies and its size in bytes.

    Raises:
        NotFound: there is none.
        Unreachable: it is a snapshot, none is to be seen, and a pool is not mounted.
        Busy: it is itself not complete yet.
    """
    if not source.is_snapshot:
        disk = from_.disk
        image = Image.parse(disk.path) if disk else None
        if disk is None or image is None:
            raise NotFound(f"{source} does not exist")
        return image, disk.size
    for sub in from_.subvolumes:
        place = place_of(sub, from_, terms.bases)
        if place and place.origin:
            return place, place.origin.size
    for copy in copies_in(from_.files):
        if not copy.is_complete:
            raise Busy(f"{source} is being made: {copy}")
        return copy.image, copy.origin.size
    check_listed(str(source), terms.bases, from_.pools)
    raise NotFound(f"{source} does not exist")


def _check_quiet(source: Source, from_: From, image: Image, limits: Limits) -> None:
    nodes = from_.writers
    if nodes and not limits.copy_attached:
        raise InUse(
            f"{source} is attached to {', '.join(nodes)}, and {image.path} is a file: what is "
            "written while it is copied would tear the copy; detach it, use layout=subvolume, or "
            "allow torn copies with --copy-attached"
        )
