"""The steps that plans are made of, and what several plans check. Pure.

Each plan takes what was last seen (None: nothing was looked at yet) and returns the steps that are
left, none when all is as it should be. A step is safe to repeat and answers with what is there
after it, so the same plan is the confirmation, and after a crash it is the recovery.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from libs.core.errors import Exhausted, NotFound, Unreachable
from libs.core.ids import Slot, VolumeId
from libs.core.paths import DevicePath
from libs.core.size import MIB, format_bytes
from libs.rdsclient.model import Branch, DiskSpec, FileDisk, Pool, SlotState
from services.controller.ports import Attachment


@dataclass(frozen=True, slots=True)
class Look:
    """Read all about the slot."""

    slot: Slot


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
class ExportDisk:
    """Offer the disk over NVMe/TCP."""

    slot: Slot


@dataclass(frozen=True, slots=True)
class AdmitHost:
    """Let only this host connect to the disk, always or only if it is restricted already.

    With `cut` whoever is connected is cut off.
    """

    slot: Slot
    host: str
    only_fenced: bool = False
    cut: bool = False


@dataclass(frozen=True, slots=True)
class RemoveDisk:
    """Remove export, item, backing file and subvolume, if they are at this path."""

    slot: Slot
    path: DevicePath
    branch: Branch | None = None
    copied: bool = False


@dataclass(frozen=True, slots=True)
class CopyFile:
    """Begin to copy a backing file."""

    slot: Slot
    source: DevicePath
    target: DevicePath
    room: int


@dataclass(frozen=True, slots=True)
class RemoveFile:
    """Remove a backing file that no disk refers to, and that has no more than so many copies."""

    slot: Slot
    path: DevicePath
    copies: int | None = None


@dataclass(frozen=True, slots=True)
class Freeze:
    """Make a read-only snapshot of a subvolume."""

    slot: Slot
    branch: Branch


@dataclass(frozen=True, slots=True)
class RemoveBranch:
    """Remove a subvolume."""

    slot: Slot
    path: DevicePath
    branch: Branch


Step = (
    Look
    | CreateDisk
    | GrowDisk
    | ExportDisk
    | AdmitHost
    | RemoveDisk
    | CopyFile
    | RemoveFile
    | Freeze
    | RemoveBranch
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the driver is configured with.

    Attributes:
        default: bytes of a volume that no size is asked for.
        maximum: bytes of the largest volume.
        overcommit: how many times its size a pool may be promised; 0 where files take their room.
        copy_rate: bytes per second that a copy is given, before standing still means dead.
        file_copies: whether files are copied at all.
        copy_attached: whether a file is copied while a node may write to it.
    """

    default: int
    maximum: int
    overcommit: float = 0.0
    copy_rate: int = 20 * MIB
    file_copies: bool = True
    copy_attached: bool = False


@dataclass(frozen=True, slots=True)
class Terms:
    """What a plan is made under.

    Attributes:
        limits: what the driver is configured with.
        bases: the directories that it may use; the first is the default.
        now: seconds since 1970.
        stalled: copies that have been watched, and do not grow.
    """

    limits: Limits
    bases: tuple[DevicePath, ...]
    now: int
    stalled: frozenset[str] = frozenset()


Plan = Callable[[Terms, SlotState | None], tuple[Step, ...]]


@dataclass(frozen=True, slots=True)
class From:
    """What is to be copied.

    Attributes:
        seen: the volume or snapshot, as it was last seen.
        held: the claims to it, where it is a volume.
    """

    seen: SlotState
    held: tuple[Attachment, ...] = ()

    @property
    def writers(self) -> list[str]:
        """The nodes that may write to it."""
        return sorted({claim.node for claim in self.held if not claim.read_only})


def check_room(name: str, pool: Pool | None, needed: int) -> None:
    """Check that a pool is mounted and has so many bytes free.

    Raises:
        Unreachable: it is not mounted.
        Exhausted: it has less.
    """
    if pool is None:
        raise Unreachable(f"pool {name} is not mounted on the device")
    if pool.free < needed:
        raise Exhausted(
            f"pool {name} has {format_bytes(pool.free)} free, not the {format_bytes(needed)} that "
            "are needed"
        )


def unmounted(bases: Iterable[DevicePath], pools: Iterable[Pool]) -> tuple[str, ...]:
    """Return the pools of the directories that are not mounted.

    While one is not, its files are not listed, and no listing is whole.
    """
    mounted = {pool.mount_point for pool in pools}
    return tuple(sorted({base.pool for base in bases} - mounted))


def check_listed(what: str, bases: Iterable[DevicePath], pools: Iterable[Pool]) -> None:
    """Check that what was not seen is not there: that the pools of all directories are mounted.

    A device that starts answers before its arrays are assembled.

    Raises:
        Unreachable: one is not, and nothing can be said of `what`.
    """
    if missing := unmounted(bases, pools):
        raise Unreachable(
            f"not mounted on the device: {', '.join(missing)}; until it is, nobody can say what "
            f"there is of {what}"
        )


def check_promised(name: str, pool: Pool | None, promised: int, needed: int, ratio: float) -> None:
    """Check that a pool of thin files is not promised more often than is configured.

    Raises:
        Unreachable: it is not mounted.
        Exhausted: it would be.
    """
    if pool is None:
        raise Unreachable(f"pool {name} is not mounted on the device")
    if promised + needed > pool.size * ratio:
        raise Exhausted(
            f"pool {name} of {format_bytes(pool.size)} has promised {format_bytes(promised)} and "
            f"cannot promise {format_bytes(needed)} more: the overcommit is {ratio:g}"
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
