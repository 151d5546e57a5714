"""How volumes are made, removed and grown. Pure: values in, steps or an error out."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from libs.core.errors import Conflict, InUse, Unsupported
from libs.core.ids import Slot, VolumeId
from libs.core.images import Image, Layout
from libs.core.paths import DevicePath
from libs.core.size import CapacityRange
from libs.rdsclient.images import removal_by_hand
from libs.rdsclient.model import Branch, DiskSpec, FileDisk, Pool, SlotState
from services.controller.plan.attach import NOBODY
from services.controller.plan.copies import branch_of, dead_copies, place_of
from services.controller.plan.steps import (
    CreateDisk,
    GrowDisk,
    Limits,
    Look,
    RemoveDisk,
    Step,
    Terms,
    check_listed,
    check_promised,
    check_room,
    found,
    managed,
)
from services.controller.ports import Attachment
from services.controller.requests.volumes import NewVolume


@dataclass(frozen=True, slots=True)
class Room:
    """What a pool of thin files has promised; None where files take their room at once."""

    promised: int | None = None


def plan_create(
    wanted: NewVolume, room: Room, terms: Terms, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan an empty volume. The first step is sent without looking where nothing has to be known.

    It changes nothing that is there.

    Raises:
        OutOfRange: no size is possible.
        Conflict: the volume exists with another size or other parameters.
        InUse: something is left of an earlier volume of that name.
        Exhausted: the pool has too little room.
        Unreachable: the pool is not mounted.
        Unsupported: the pool cannot have volumes of this layout.
    """
    image, limits = wanted.image, terms.limits
    size = wanted.size.choose(
        default=limits.default, minimum=wanted.min_bytes, maximum=limits.maximum
    )
    spec = spec_of(wanted, image, size)
    if seen is None:
        if room.promised is None and image.layout is Layout.FILE:
            return (CreateDisk(spec),)
        return (Look(spec.slot),)
    if seen.disk is not None:
        check_same(wanted, seen.disk)
        return ()
    check_leftovers(wanted.volume, spec.path, seen)
    pool = seen.pool(spec.path.pool)
    check_space(spec.path.pool, pool, room, size, limits)
    if room.promised is not None:
        spec = replace(spec, room=0)
    if image.layout is Layout.SUBVOLUME:
        label = label_of(spec.path.pool, pool)
        if branch_of(image, seen) is None:  # else it is another call's, who may not remove it
            spec = replace(spec, branch=Branch(label, image.subvolume))
    return (CreateDisk(spec),)


def check_space(  # noqa: PLR0913, PLR0917 (all that room depends on)
    name: str, pool: Pool | None, room: Room, needed: int, limits: Limits, written: int = 0
) -> None:
    """Check that a pool has room for so many bytes more, or may promise them.

    Args:
        name: the pool's name.
        pool: the pool; None when it is not mounted.
        room: what it has promised, where its files are thin.
        needed: bytes that are added.
        limits: what is configured.
        written: bytes of them that are written at once, thin or not.

    Raises:
        Unreachable: it is not mounted.
        Exhausted: it has too little.
    """
    if room.promised is None:
        check_room(name, pool, needed)
        return
    check_promised(name, pool, room.promised, needed, limits.overcommit)
    check_room(name, pool, written)


def spec_of(wanted: NewVolume, image: Image, size: int) -> DiskSpec:
    """Return the disk of a volume that lies in `image`."""
    return DiskSpec(
        slot=wanted.volume.slot,
        path=image.path,
        size=size,
        nqn=wanted.nqn,
        port=wanted.parameters.nvme_port,
        # Nobody may connect to it before it is published.
        allowed_host=NOBODY if wanted.parameters.fenced else "",
        password=wanted.password,
    )


def label_of(name: str, pool: Pool | None) -> str:
    """Return the label by which a pool's subvolumes are addressed.

    Raises:
        Unsupported: the pool can have none.
        Unreachable: it is not mounted.
    """
    check_room(name, pool, 0)
    if pool is None or pool.filesystem != "btrfs" or not pool.label:
        kind = pool.filesystem if pool else ""
        raise Unsupported(
            f"parameters.layout=subvolume needs a Btrfs pool with a label; pool {name} is "
            f"{kind or 'of an unknown kind'}"
        )
    return pool.label


def check_same(wanted: NewVolume, disk: FileDisk) -> None:
    """Check that what is there is what is asked for.

    Raises:
        Conflict: it differs.
        InUse: it is what is left of a deletion.
    """
    differences = []
    image = Image.parse(disk.path)
    origin = image.origin if image else None
    source = wanted.source.slot.text if wanted.source else None
    if (origin.source if origin else None) != source:
        differences.append(f"it is a copy of {origin.source}" if origin else "it is not a copy")
    elif image is None or _place(image) != _place(wanted.image):
        differences.append(f"its backing file is {disk.path}, not {wanted.path}")
    if not wanted.size.admits(disk.size):
        differences.append(f"its size is {disk.size} bytes")
    if disk.export is None:
        if source is None:
            raise InUse(
                f"volume {wanted.volume} exists but is not exported, as after a deletion that was "
                "broken off; delete it first"
            )
    else:
        # A volume made before RouterOS 7.21 has its slot for an NQN; nodes use what is exported.
        if disk.export.nqn not in (wanted.nqn.text, wanted.volume.slot.text):
            differences.append(f"its NQN is {disk.export.nqn}, not {wanted.nqn}")
        if disk.export.port != wanted.parameters.nvme_port:
            differences.append(f"its port is {disk.export.port}, not {wanted.parameters.nvme_port}")
        if bool(disk.export.allowed_host) != wanted.parameters.fenced:
            differences.append("it is fenced" if disk.export.allowed_host else "it is not fenced")
    if differences:
        raise Conflict(f"volume {wanted.volume} exists, but {' and '.join(differences)}")


def _place(image: Image) -> tuple[DevicePath, Slot, Layout]:
    return image.directory, image.slot, image.layout


def check_leftovers(volume: VolumeId, path: DevicePath, seen: SlotState) -> None:
    """Check that nothing is in the way of a new backing file.

    Raises:
        InUse: a file is there that may hold data, or a disk in another slot uses it.
    """
    for user in seen.users:
        if user.path == path.text:
            raise InUse(
                f"volume {volume} does not exist, but the disk in slot {user.slot} uses its "
                f"backing file {path}"
            )
    if any(file.path == path.text for file in seen.files):
        raise InUse(
            f"volume {volume} does not exist, but its backing file {path} does: it is "
            "left of an earlier volume, or of a creation that the device broke off, and may hold "
            "data; look at it, and move it away or remove it on the device: "
            f"{removal_by_hand(path)}"
        )


def plan_delete(
    volume: VolumeId, held: Iterable[Attachment], terms: Terms, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan a deletion, of whatever is left of the volume.

    Only files that this driver could have made are touched: named like the slot, in one of the
    directories that it may use. The first step goes out without looking, and does nothing where
    there are copies of the volume.

    Raises:
        InUse: a node holds the volume, it is being copied, the slot's disk lies outside those
            directories, or a disk in another slot uses the file.
        Unreachable: a pool is not mounted, so that what is left of the volume cannot be seen.
    """
    nodes = sorted({attachment.node for attachment in held})
    if nodes:
        raise InUse(f"volume {volume} is attached to {', '.join(nodes)}; detach it first")
    if not volume.is_managed:
        return ()
    slot, bases = volume.slot, terms.bases
    if seen is None:
        return (RemoveDisk(slot, bases[0].image_of(slot)),)
    if dead := dead_copies(seen, terms, "it can be deleted"):
        return dead
    if seen.disk is not None:
        image = Image.parse(seen.disk.path)
        if image is None or image.slot != slot or image.directory not in bases:
            raise InUse(
                f"volume {volume} has its backing file at {seen.disk.path}, which is none of the "
                "directories that the driver may use; nothing was removed"
            )
        # Without the item nobody would find its file again, once that is back.
        check_room(image.directory.pool, seen.pool(image.directory.pool), 0)
        return (RemoveDisk(slot, image.path, branch_of(image, seen), copied=True),)
    used = {user.path: user.slot for user in seen.users}
    left = images_left(slot, bases, seen)
    if not left:
        check_listed(f"volume {volume}", bases, seen.pools)
    for image in left:
        if image.path.text in used:
            raise InUse(
                f"volume {volume} has no disk of its own, and its backing file {image.path} is "
                f"used by the disk in slot {used[image.path.text]}; nothing was removed"
            )
    return tuple(
        RemoveDisk(slot, image.path, branch_of(image, seen), copied=True) for image in left
    )


def images_left(slot: Slot, bases: tuple[DevicePath, ...], seen: SlotState) -> list[Image]:
    """Return the places of files and subvolumes that are named like the slot, each once."""
    images = [Image.parse(file.path) for file in seen.files]
    images += [place_of(sub, seen, bases) for sub in seen.subvolumes]
    known = {
        image.path.text: image
        for image in images
        if image and image.slot == slot and image.directory in bases
    }
    return list(known.values())


def plan_expand(
    volume: VolumeId, size: CapacityRange, room: Room, terms: Terms, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan a larger size; a volume never shrinks.

    Raises:
        NotFound: there is no such volume.
        OutOfRange: no size is possible, or the volume is above the limit already.
        Exhausted: the pool has too little room.
        InUse: the volume is being copied.
    """
    if seen is None:
        return (Look(managed(volume).slot),)
    disk, limits = found(volume, seen), terms.limits
    target = size.choose(
        default=disk.size, minimum=disk.size, maximum=max(limits.maximum, disk.size)
    )
    if target <= disk.size:
        return ()
    if dead := dead_copies(seen, terms, "it can grow"):
        return dead
    pool, added = pool_of(disk), target - disk.size
    check_space(pool, seen.pool(pool), room, added, limits)
    return (GrowDisk(volume.slot, target, added if room.promised is None else 0, pool),)


def pool_of(disk: FileDisk) -> str:
    """Return the mount point of the pool that a disk lies in."""
    return DevicePath.parse(disk.path, "file-path").pool
