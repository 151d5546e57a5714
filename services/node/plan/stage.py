"""The next step towards a volume that is in order on this node. Pure.

Staging, publishing and recovery are one plan: what is wanted is the record, what there is was just
seen, and the next step is what is missing first. So a call that comes again, one that follows a
crash, and the repair of a mount that went stale all do the same.
"""

from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

from libs.core.errors import Conflict, InUse, OutOfRange
from libs.nvmeof.errors import NotCertainlyEmpty
from libs.nvmeof.fsplan import Action, Probe, Wanted, decide
from libs.nvmeof.model import BlockDevice, Connection, LinkState
from libs.nvmeof.mountinfo import Mount
from services.node.volume import Publication, Record


@dataclass(frozen=True, slots=True)
class Place:
    """What is at the path of a publication.

    Attributes:
        publication: which one.
        mount: the mount there.
        node: the number of the device node there.
        is_ready: whether its directory is there, so that something can be put in it.
    """

    publication: Publication
    mount: Mount | None = None
    node: tuple[int, int] | None = None
    is_ready: bool = True


@dataclass(frozen=True, slots=True)
class Seen:
    """What there is.

    Attributes:
        connection: to the volume's subsystem; None if there is none.
        mount: at the staging path.
        answers: whether the filesystem mounted there can be read.
        elsewhere: paths at which the device is mounted and that the record does not know.
        places: what is at each publication.
        probe: what is on the device; None while nobody looked, or since something was changed.
        claimed: whether something holds the device exclusively, seen together with the probe.
        rescanned: whether the kernel looked at the size anew in this call.
        checked: whether the filesystem was checked in this call.
        grown: whether the filesystem was made as large as the device in this call.
    """

    connection: Connection | None
    mount: Mount | None = None
    answers: bool = True
    elsewhere: tuple[str, ...] = ()
    places: tuple[Place, ...] = ()
    probe: Probe | None = None
    claimed: bool = False
    rescanned: bool = False
    checked: bool = False
    grown: bool = False


@dataclass(frozen=True, slots=True)
class Connect:
    """Connect, and wait for the device."""


@dataclass(frozen=True, slots=True)
class Rescan:
    """Have the kernel look at the size anew."""


@dataclass(frozen=True, slots=True)
class Look:
    """Find out what is on the device."""


@dataclass(frozen=True, slots=True)
class Erase:
    """Erase what mkfs began and never finished."""

    uuid: UUID


@dataclass(frozen=True, slots=True)
class Format:
    """Make the filesystem."""


@dataclass(frozen=True, slots=True)
class Check:
    """Check the filesystem."""


@dataclass(frozen=True, slots=True)
class MountStaging:
    """Mount it at the staging path."""


@dataclass(frozen=True, slots=True)
class Grow:
    """Make the filesystem as large as the device."""


@dataclass(frozen=True, slots=True)
class Clear:
    """Unmount what is stale, unless it is used: the paths in order, and the device they are of."""

    paths: tuple[str, ...]
    mount: Mount
    reason: str


@dataclass(frozen=True, slots=True)
class Bind:
    """Mount the staging path at a publication's."""

    publication: Publication


@dataclass(frozen=True, slots=True)
class MakeNode:
    """Put a device node at a publication's path."""

    publication: Publication


Step: TypeAlias = (
    Connect | Rescan | Look | Erase | Format | Check | MountStaging | Grow | Clear | Bind | MakeNode
)


def next_step(record: Record, seen: Seen) -> Step | None:
    """Return the next step; None where everything is as the record wants it.

    Raises:
        NotCertainlyEmpty: what is on the device is neither what is wanted nor nothing.
        OutOfRange: the device is smaller than the volume.
        InUse: the device is used in a way that this node does not know of.
        Conflict: it is mounted otherwise than wanted.
    """
    device = usable_device(seen.connection)
    if device is None:
        return Connect()
    if device.size < (record.use.size or 0):
        return _towards_size(record, seen, device)
    if record.use.is_block:
        return _next_node(seen, device)
    if seen.mount is None:
        return _towards_mount(record, seen)
    return _with_mount(record, seen, seen.mount, device)


def _towards_size(record: Record, seen: Seen, device: BlockDevice) -> Step:
    if not seen.rescanned:
        return Rescan()
    raise OutOfRange(
        f"the device has {device.size} bytes, fewer than the {record.use.size} of the volume"
    )


def _with_mount(record: Record, seen: Seen, mount: Mount, device: BlockDevice) -> Step | None:
    read_only = record.use.is_read_only
    reason = staleness(mount, device, answers=seen.answers, read_only=read_only)
    if reason:
        return _clear(mount, seen, reason)
    _check_as_wanted(record, mount)
    if not (seen.grown or read_only or _fills(seen.probe, device)):
        return Grow()
    return _next_bind(record, seen, device)


def usable_device(connection: Connection | None) -> BlockDevice | None:
    """Return the device of a connection that is not dead."""
    if connection is None or connection.state is LinkState.DEAD:
        return None
    return connection.device


def staleness(mount: Mount, device: BlockDevice, *, answers: bool, read_only: bool) -> str:
    """Return why a mount cannot stay as it is; nothing if it is in order.

    Args:
        mount: at the staging path.
        device: what the volume is now.
        answers: whether it can be read.
        read_only: whether it is to be read-only.
    """
    if not mount.is_on(device.path, device.number):
        return (
            f"{mount.source} is mounted there, and the volume is {device.path} now: it came back "
            "under another name"
        )
    if not answers:
        return "the filesystem answers with I/O errors"
    if mount.has_turned_read_only and not read_only:
        return "the filesystem turned read-only after an error"
    return ""


def _clear(mount: Mount, seen: Seen, reason: str) -> Clear:
    bound = [
        place.mount.point
        for place in seen.places
        if place.mount and _same_device(place.mount, mount)
    ]
    return Clear((*bound, mount.point), mount, reason)


def _same_device(one: Mount, other: Mount) -> bool:
    return one.device == other.device


def _check_as_wanted(record: Record, mount: Mount) -> None:
    if mount.fs_type != record.use.fs_type and not _is_ext(mount.fs_type, record.use.fs_type):
        raise Conflict(f"the volume is staged with {mount.fs_type}, not {record.use.fs_type}")
    if mount.is_read_only != record.use.is_read_only:
        how = "read-only" if mount.is_read_only else "for writing"
        raise Conflict(f"the volume is staged {how} already")


def _is_ext(one: str, other: str) -> bool:
    return {one, other} <= {"ext3", "ext4"}  # one driver of the kernel mounts both


def _fills(probe: Probe | None, device: BlockDevice) -> bool:
    found = probe.superblock if probe else None
    return found is not None and found.size == device.size


def _towards_mount(record: Record, seen: Seen) -> Step:
    use = record.use
    if seen.elsewhere:
        raise InUse(
            f"the volume is mounted at {seen.elsewhere[0]}, which this driver did not do: unmount "
            "it there first"
        )
    if seen.probe is None:
        return Look()
    action = decide(Wanted(use.nqn.text, use.size, use.fs_type, record.begun), seen.probe)
    if action is Action.MOUNT:
        # Held by a mount in another mount namespace, it shares that mount, and cannot be checked.
        if seen.checked or seen.claimed or use.is_shared:
            return MountStaging()
        return Check()
    if seen.claimed:
        raise InUse("something on this node holds the device")
    if use.is_read_only:
        raise NotCertainlyEmpty("the device is empty, and the volume is to be read only")
    if action is Action.ERASE and record.begun:
        return Erase(record.begun)
    return Format()


def _next_bind(record: Record, seen: Seen, device: BlockDevice) -> Step | None:
    for place in seen.places:
        if not place.is_ready:
            continue
        mount = place.mount
        if mount is not None and not mount.is_on(device.path, device.number):
            return Clear((mount.point,), mount, "another device is mounted there")
        read_only = place.publication.read_only or record.use.is_read_only
        if mount is None or mount.is_read_only != read_only:
            return Bind(place.publication)
    return None


def _next_node(seen: Seen, device: BlockDevice) -> Step | None:
    for place in seen.places:
        if place.mount is not None:
            raise Conflict(f"a filesystem is mounted at {place.publication.path}")
        if place.is_ready and place.node != device.number:
            return MakeNode(place.publication)
    return None
