"""What a pass looks at: the cluster and the devices as they were read. Pure values.

Times are seconds since 1970. Those that are called `read_at` are by this process's own clock; all
others are somebody else's, and no waiting period is ever counted from them.
"""

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Listing(Generic[T]):
    """A collection as it was read.

    Attributes:
        items: what there is.
        complete: whether that is all of it.
        read_at: when it was certainly so: the beginning of a listing, or the last word of a watch.
        error: why it is not complete.
    """

    items: tuple[T, ...]
    complete: bool
    read_at: float
    error: str = ""

    def is_sound(self, now: float, max_age: float) -> bool:
        """Whether something may be concluded from what is missing."""
        return self.complete and 0 <= now - self.read_at <= max_age


class Ready(Enum):
    """The Ready condition of a node; a node without one is UNKNOWN."""

    YES = "True"
    NO = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Node:
    """A Node object.

    Attributes:
        name: its name, which is also the CSI node ID.
        uid: tells it from an earlier one of the same name.
        ready: the status of its condition Ready.
        ready_since: the lastTransitionTime of that condition; 0 where there is none.
        out_of_service: whether it has the taint node.kubernetes.io/out-of-service.
        volumes_in_use: the handles of our volumes in status.volumesInUse, where they stand as
            `kubernetes.io/csi/<driver>^<handle>`.
        host_nqn: what the node plugin says in its annotation; empty while it has not.
    """

    name: str
    uid: str
    ready: Ready = Ready.YES
    ready_since: float = 0.0
    out_of_service: bool = False
    volumes_in_use: frozenset[str] = frozenset()
    host_nqn: str = ""


@dataclass(frozen=True, slots=True)
class VolumeAttachment:
    """A VolumeAttachment object.

    Attributes:
        name: its name.
        uid: tells it from an earlier one of the same name.
        resource_version: of the object as it was seen.
        attacher: the name of the CSI driver.
        node: the name of the node.
        volume: the name of the PersistentVolume; empty for an inline volume.
        handle: the volume handle of an inline volume.
        attached: what its status says.
        created: its creationTimestamp.
        deleting_since: its deletionTimestamp.
        finalizers: its finalizers.
        attach_error: the message of status.attachError.
        detach_error: the message of status.detachError.
    """

    name: str
    uid: str
    resource_version: str
    attacher: str
    node: str
    volume: str = ""
    handle: str = ""
    attached: bool = False
    created: float = 0.0
    deleting_since: float | None = None
    finalizers: tuple[str, ...] = ()
    attach_error: str = ""
    detach_error: str = ""


@dataclass(frozen=True, slots=True)
class PersistentVolume:
    """A PersistentVolume object, of whatever driver.

    Attributes:
        name: its name.
        uid: tells it from an earlier one of the same name.
        driver: the name of the CSI driver; empty for a volume that is not CSI's.
        handle: the volume handle, which is our volume ID; empty likewise.
        phase: such as "Bound".
        claim: "namespace/name" of its claim; empty where there is none.
        reclaim_policy: such as "Delete".
        storage_class: the name of its class.
        deleting_since: its deletionTimestamp.
        read_only: whether its only access mode is ReadOnlyMany.
        migration_timeout: migrationTimeoutSeconds of its volumeAttributes; 0 where it says none.
        created: its creationTimestamp.
        capacity: bytes.
        access_modes: its access modes.
        finalizers: its finalizers.
    """

    name: str
    uid: str
    driver: str
    handle: str
    phase: str = "Bound"
    claim: str = ""
    reclaim_policy: str = "Delete"
    storage_class: str = ""
    deleting_since: float | None = None
    read_only: bool = False
    migration_timeout: float = 0.0
    created: float = 0.0
    capacity: int = 0
    access_modes: tuple[str, ...] = ()
    finalizers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SnapshotContent:
    """A VolumeSnapshotContent object, of whatever driver.

    Attributes:
        name: its name.
        uid: tells it from an earlier one of the same name.
        driver: the name of the CSI driver.
        handles: every snapshot handle that it names, in spec.source and in status.
        source: the volume handle that it is, or was, taken of; empty where it names none.
        deletion_policy: "Delete" or "Retain".
        deleting_since: its deletionTimestamp.
    """

    name: str
    uid: str
    driver: str
    handles: tuple[str, ...] = ()
    source: str = ""
    deletion_policy: str = "Delete"
    deleting_since: float | None = None


class HalfState(Enum):
    """What of an item on a device is missing; rdscsi.controller.v1.HalfState."""

    WHOLE = "whole"
    NO_FILE = "no-file"
    NOT_EXPORTED = "not-exported"
    NO_DISK = "no-disk"
    ELSEWHERE = "elsewhere"
    COPYING = "copying"


class ItemKind(Enum):
    """What an item on a device is; rdscsi.controller.v1.ItemKind."""

    __hash__ = object.__hash__  # as of `findings.FindingKind`

    VOLUME = "volume"
    SNAPSHOT = "snapshot"
    FILE = "file"
    SUBVOLUME = "subvolume"


@dataclass(frozen=True, slots=True)
class Volume:
    """A disk item; see the message of the same name in rdscsi.controller.v1."""

    volume_id: str
    slot: str
    path: str
    fingerprint: str
    half_state: HalfState = HalfState.WHOLE
    size_bytes: int = 0
    fenced: bool = False
    allowed_hosts: tuple[str, ...] = ()
    copying_to: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A snapshot; see the message of the same name in rdscsi.controller.v1."""

    snapshot_id: str
    source_volume_id: str
    path: str
    fingerprint: str
    size_bytes: int = 0
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or subvolume that no disk uses; the message of the same name."""

    kind: ItemKind
    path: str
    managed: bool
    volume_id: str = ""
    fingerprint: str = ""
    half_state: HalfState = HalfState.NO_DISK
    size_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DeviceListing:
    """What is on one device.

    Attributes:
        device: its name.
        is_default: whether its IDs are bare; others end in "@" and the name.
        base_paths: directories that the driver may use.
        managed_prefixes: what the slots of volumes, and the names of snapshots, begin with.
        volumes: its disk items.
        snapshots: its snapshots.
        leftovers: files and subvolumes that no disk uses.
        complete: whether the listing came whole: its end came, without an error, and counts as many
            items as came.
        read_at: when this process asked for it.
        error: why it is not complete.
    """

    device: str
    is_default: bool
    base_paths: tuple[str, ...]
    managed_prefixes: tuple[str, ...]
    volumes: tuple[Volume, ...]
    snapshots: tuple[Snapshot, ...]
    leftovers: tuple[Leftover, ...]
    complete: bool
    read_at: float
    error: str = ""

    def is_sound(self, now: float, max_age: float) -> bool:
        """Whether something may be concluded from what is missing."""
        return self.complete and 0 <= now - self.read_at <= max_age

    @property
    def suffix(self) -> str:
        """What its IDs end in."""
        return "" if self.is_default else f"@{self.device}"


class AttachmentState(Enum):
    """What the controller says of an attachment; rdscsi.controller.v1.AttachmentState."""

    PENDING = "pending"
    ATTACHED = "attached"
    DETACHED = "detached"


class Admission(Enum):
    """What the device does when the node connects; rdscsi.controller.v1.Admission."""

    UNKNOWN = "unknown"
    EVERYBODY = "everybody"
    ADMITTED = "admitted"
    SHUT_OUT = "shut-out"
    NOT_EXPORTED = "not-exported"
    NO_VOLUME = "no-volume"


@dataclass(frozen=True, slots=True)
class AttachmentView:
    """An attachment as the controller knows it; `uid` is that of the VolumeAttachment."""

    volume_id: str
    node: str
    uid: str
    state: AttachmentState
    admission: Admission
