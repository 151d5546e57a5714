"""What to do, decided from what was seen. Pure: values in, steps or an error out.

Each plan takes what was last seen (None: nothing was looked at yet) and returns the steps that are
left, none when all is as it should be. A step is safe to repeat and answers with what is there
after it, so the same plan is the confirmation, and after a crash it is the recovery.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from libs.core.errors import Conflict, Exhausted, InUse, NotFound, Unreachable
from libs.core.ids import DevicePath, Slot, VolumeId
from libs.core.size import CapacityRange, format_bytes
from libs.rdsclient.model import DiskSpec, FileDisk, Pool, SlotState
from services.controller.ports import Attachment
from services.controller.requests import (
    BLOCK_ONLY_MODES,
    SHARED_READ_MODES,
    NewVolume,
    Publication,
)

MIGRATION_NODES = 2
"""Nodes that may hold a raw block volume at once: the two ends of a live migration."""


@dataclass(frozen=True, slots=True)
class Look:
    """Read all about the slot."""

    slot: Slot
    pool: str


@dataclass(frozen=True, slots=True)
class CreateDisk:
    """Create the disk, if the slot is free and the pool has room."""

    spec: DiskSpec


@dataclass(frozen=True, slots=True)
class GrowDisk:
    """Grow the disk to this many bytes, if the pool has room for what that adds."""

    slot: Slot
    size: int
    added: int
    pool: str


@dataclass(frozen=True, slots=True)
class RemoveDisk:
    """Remove export, item and backing file, if they are at this path."""

    slot: Slot
    path: DevicePath


Step = Look | CreateDisk | GrowDisk | RemoveDisk
Plan = Callable[[SlotState | None], tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes that the driver is configured with."""

    default: int
    maximum: int


def plan_create(wanted: NewVolume, limits: Limits, seen: SlotState | None) -> tuple[Step, ...]:
    """Plan a volume. The first step is sent without looking: it changes nothing that is there.

    Raises:
        OutOfRange: no size is possible.
        Conflict: the volume exists with another size or other parameters.
        InUse: something is left of an earlier volume of that name.
        Exhausted: the pool has too little room.
        Unreachable: the pool is not mounted.
    """
    spec = DiskSpec(
        slot=wanted.volume.slot,
        path=wanted.path,
        size=wanted.size.choose(
            default=limits.default, minimum=wanted.min_bytes, maximum=limits.maximum
        ),
        nqn=wanted.nqn,
        port=wanted.parameters.nvme_port,
    )
    if seen is None:
        return (CreateDisk(spec),)
    if seen.disk is not None:
        _check_same(wanted, seen.disk)
        return ()
    for user in seen.users:
        if user.path == spec.path.text:
            raise InUse(
                f"volume {wanted.volume} does not exist, but the disk in slot {user.slot} uses its "
                f"backing file {spec.path}"
            )
    if any(file.path == spec.path.text for file in seen.files):
        raise InUse(
            f"volume {wanted.volume} does not exist, but its backing file {spec.path} does: it is "
            "left of an earlier volume and may hold data; delete the volume (DeleteVolume removes "
            "the file) or move the file away"
        )
    _check_room(spec.path.pool, seen.pool, spec.size)
    return (CreateDisk(spec),)


def _check_same(wanted: NewVolume, disk: FileDisk) -> None:
    differences = []
    if not wanted.size.admits(disk.size):
        differences.append(f"its size is {disk.size} bytes")
    if disk.path != wanted.path.text:
        differences.append(f"its backing file is {disk.path}, not {wanted.path}")
    if disk.export is None:
        raise InUse(
            f"volume {wanted.volume} exists but is not exported, as after a deletion that was "
            "broken off; delete it first"
        )
    # A volume made before RouterOS 7.21 has its slot for an NQN, and nodes use what is exported.
    if disk.export.nqn not in (wanted.nqn.text, wanted.volume.text):
        differences.append(f"its NQN is {disk.export.nqn}, not {wanted.nqn}")
    if disk.export.port != wanted.parameters.nvme_port:
        differences.append(f"its port is {disk.export.port}, not {wanted.parameters.nvme_port}")
    if differences:
        raise Conflict(f"volume {wanted.volume} exists, but {' and '.join(differences)}")


def _check_room(name: str, pool: Pool | None, needed: int) -> None:
    if pool is None:
        raise Unreachable(f"pool {name} is not mounted on the device")
    if pool.free < needed:
        raise Exhausted(
            f"pool {name} has {format_bytes(pool.free)} free, not the {format_bytes(needed)} that "
            "are needed"
        )


def plan_delete(
    volume: VolumeId,
    bases: Sequence[DevicePath],
    held: Iterable[Attachment],
    seen: SlotState | None,
) -> tuple[Step, ...]:
    """Plan a deletion, of whatever is left of the volume.

    Only files that this driver could have made are touched: named like the slot, in one of the
    directories that it may use.

    Raises:
        InUse: a node holds the volume, the slot's disk lies outside those directories, or a disk in
            another slot uses the file.
    """
    nodes = sorted({attachment.node for attachment in held})
    if nodes:
        raise InUse(f"volume {volume} is attached to {', '.join(nodes)}; detach it first")
    if not volume.is_managed:
        return ()
    slot = volume.slot
    images = {base.image_of(slot).text: base.image_of(slot) for base in bases}
    if seen is None:
        return (RemoveDisk(slot, bases[0].image_of(slot)),)
    if seen.disk is not None:
        if seen.disk.path not in images:
            raise InUse(
                f"volume {volume} has its backing file at {seen.disk.path}, which is none of the "
                "directories that the driver may use; nothing was removed"
            )
        return (RemoveDisk(slot, images[seen.disk.path]),)
    left = [images[file.path] for file in seen.files if file.path in images]
    used = {user.path: user.slot for user in seen.users}
    for path in left:
        if path.text in used:
            raise InUse(
                f"volume {volume} has no disk of its own, and its backing file {path} is used by "
                f"the disk in slot {used[path.text]}; nothing was removed"
            )
    return tuple(RemoveDisk(slot, path) for path in left)


def plan_expand(
    volume: VolumeId, size: CapacityRange, limits: Limits, pool: str, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan a larger size; a volume never shrinks.

    Raises:
        NotFound: there is no such volume.
        OutOfRange: no size is possible, or the volume is above the limit already.
        Exhausted: the pool has too little room.
    """
    if seen is None:
        return (Look(managed(volume).slot, pool),)
    disk = found(volume, seen)
    target = size.choose(
        default=disk.size, minimum=disk.size, maximum=max(limits.maximum, disk.size)
    )
    if target <= disk.size:
        return ()
    actual_pool = DevicePath.parse(disk.path, "file-path").pool
    if seen.asked_pool != actual_pool:
        return (Look(volume.slot, actual_pool),)
    _check_room(actual_pool, seen.pool, target - disk.size)
    return (GrowDisk(volume.slot, target, target - disk.size, actual_pool),)


def plan_publish(
    wanted: Publication, held: Iterable[Attachment], pool: str, seen: SlotState | None
) -> tuple[Step, ...]:
    """Plan a publication: nothing is done on the device, but much has to be true.

    Raises:
        NotFound: there is no such volume.
        InUse: the volume is not exported, or another node holds it.
    """
    if seen is None:
        return (Look(managed(wanted.volume).slot, pool),)
    disk = found(wanted.volume, seen)
    if disk.export is None:
        raise InUse(f"volume {wanted.volume} is not exported by the device")
    check_holders(wanted, held)
    return ()


def check_holders(wanted: Publication, held: Iterable[Attachment]) -> None:
    """Check that the nodes that hold the volume leave room for this one.

    Of two claims that are both still pending the older goes first, so that whichever replica is
    asked gives the same answer.

    Raises:
        InUse: they do not; the message names them.
    """
    held = tuple(held)
    if wanted.capability.mode in SHARED_READ_MODES:
        return
    own = [claim for claim in held if claim.node == wanted.node.text]
    granted = any(claim.attached for claim in own)
    ahead = sorted(
        {
            claim.node
            for claim in held
            if claim.node != wanted.node.text
            and (claim.attached or not (granted or any(mine.order < claim.order for mine in own)))
        }
    )
    allowed = MIGRATION_NODES if wanted.capability.mode in BLOCK_ONLY_MODES else 1
    if len(ahead) >= allowed:
        raise InUse(
            f"volume {wanted.volume} is attached to {', '.join(ahead)} and cannot be attached to "
            f"{wanted.node} as well"
        )


def managed(volume: VolumeId) -> VolumeId:
    """Return the ID, if the volume could be one of this driver's.

    Raises:
        NotFound: the slot of that name, if there is one, belongs to somebody else.
    """
    if not volume.is_managed:
        raise NotFound(f"volume {volume} does not exist")
    return volume


def found(volume: VolumeId, seen: SlotState | None) -> FileDisk:
    """Return the volume's disk.

    Raises:
        NotFound: there is none.
    """
    if seen is None or seen.disk is None:
        raise NotFound(f"volume {volume} does not exist")
    return seen.disk
