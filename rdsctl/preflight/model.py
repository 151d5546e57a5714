"""What was read of a cluster and of a device, and what is to be said of it, as values. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from libs.core.errors import InvalidRequest
from libs.core.ids import VolumeId
from libs.core.paths import DevicePath
from libs.rdsclient.model import Storage, SystemInfo


class Level(Enum):
    """How much a finding matters."""

    OK = "ok"
    """As it should be, or what will happen."""

    WARNING = "warning"
    """Moving over works, and this is worth knowing or doing first."""

    BLOCKER = "blocker"
    """Moving over would go wrong, or cannot be told not to."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said of one thing.

    Attributes:
        level: how much it matters.
        check: which check says it, in a word that stays.
        text: what is so, a sentence.
        remedy: what to do; empty where there is nothing to do.
        names: the objects that it is about.
    """

    level: Level
    check: str
    text: str
    remedy: str = ""
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CsiDriver:
    """What a CSIDriver object says of how the kubelet and controllers treat the driver."""

    attach_required: bool = True
    pod_info: bool = False
    fs_group_policy: str = "ReadWriteOnceWithFSType"
    modes: tuple[str, ...] = ("Persistent",)


@dataclass(frozen=True, slots=True)
class Volume:
    """A PersistentVolume of the driver.

    Attributes:
        name: of the object.
        handle: the CSI volume ID.
        context: its volumeAttributes.
        fs_type: the filesystem; empty where that is left open.
        is_block: whether it is a raw block device.
        access_modes: as in the object.
        mount_options: as in the object.
        size: bytes; None where the capacity cannot be read.
    """

    name: str
    handle: str
    context: Mapping[str, str] = field(default_factory=dict)
    fs_type: str = ""
    is_block: bool = False
    access_modes: tuple[str, ...] = ("ReadWriteOnce",)
    mount_options: tuple[str, ...] = ()
    size: int | None = None

    @property
    def slot(self) -> str:
        """The slot of its disk; empty where no disk could have that handle."""
        try:
            return VolumeId.parse(self.handle).slot.text
        except InvalidRequest:
            return ""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A VolumeAttachment of the driver; `volume` is the name of a PersistentVolume."""

    name: str
    volume: str
    node: str
    attached: bool = True
    is_going: bool = False


@dataclass(frozen=True, slots=True)
class StorageClass:
    """A StorageClass of the driver."""

    name: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    mount_options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Workload:
    """A Deployment or DaemonSet of the driver, of whichever implementation.

    Attributes:
        kind: Deployment or DaemonSet.
        namespace: where it is.
        name: its name.
        replicas: how many pods it is to have; of a DaemonSet how many it has.
        host_network: whether its pods are in the network namespace of the node.
        is_ours: whether it is this driver.
        arguments: of all containers.
    """

    kind: str
    namespace: str
    name: str
    replicas: int = 1
    host_network: bool = True
    is_ours: bool = False
    arguments: tuple[str, ...] = ()

    @property
    def shown(self) -> str:
        """What people call it."""
        return f"{self.kind} {self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node; `driver_id` is what it is called by the driver, empty where none is registered."""

    name: str
    kernel: str = ""
    os: str = "linux"
    driver_id: str = ""
    is_ready: bool = True


@dataclass(frozen=True, slots=True)
class Cluster:
    """All that was read of a cluster.

    Attributes:
        version: of the API server.
        driver: the CSIDriver object; None where there is none.
        volumes: of the driver.
        attachments: of the driver.
        classes: of the driver.
        workloads: of the driver.
        nodes: all of them.
        snapshots: handles of VolumeSnapshotContents of the driver; None where snapshots are not
            served.
        serves_attributes_classes: whether VolumeAttributesClasses are served.
        unread: what could not be read, and why, a sentence each.
    """

    version: str = ""
    driver: CsiDriver | None = None
    volumes: tuple[Volume, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    classes: tuple[StorageClass, ...] = ()
    workloads: tuple[Workload, ...] = ()
    nodes: tuple[NodeInfo, ...] = ()
    snapshots: tuple[str, ...] | None = ()
    serves_attributes_classes: bool = True
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Device:
    """All that was read of a device.

    Attributes:
        address: where it is managed.
        user: who logged in.
        name: what it calls itself.
        system: release and board.
        bases: the directories that were looked at.
        directories: those of them that are certainly there.
        storage: what is in them.
        mounting: slots of disks that RouterOS may mount itself; None where that is not known.
        policies: what the user may do; None where the user may not know.
        sessions: how many SSH sessions there may be; None where that is not known.
    """

    address: str
    user: str
    name: str
    system: SystemInfo
    bases: tuple[DevicePath, ...] = ()
    directories: tuple[DevicePath, ...] = ()
    storage: Storage = field(default_factory=Storage)
    mounting: tuple[str, ...] | None = ()
    policies: tuple[str, ...] | None = None
    sessions: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """How the new driver is to be set up.

    Attributes:
        driver: its name.
        prefixes: NQN prefixes that nodes may touch.
        bases: directories that were given; empty to take those that volumes are in.
    """

    driver: str
    prefixes: tuple[str, ...]
    bases: tuple[DevicePath, ...] = ()
