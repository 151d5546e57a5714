"""What the controller needs from outside, as Protocols; the values that cross are here too."""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from libs.core.ids import NodeId, Slot, SnapshotId, VolumeId
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.rdsclient.model import (
    Branch,
    DiskSpec,
    FileDisk,
    Pool,
    SlotState,
    Storage,
)
from libs.rdsclient.state import LinkStatus
from services.controller.happenings import Happening


class Device(Protocol):
    """The storage device, as `libs.rdsclient.client.RdsClient` offers it.

    Every method raises Unreachable when nothing was sent and OutcomeUnknown when a change may have
    happened. Those that begin with `ensure_` are safe to repeat, and return what is there now.
    """

    async def list_inventory(
        self, prefixes: tuple[str, ...]
    ) -> tuple[tuple[FileDisk, ...], tuple[Pool, ...]]:
        """List the file disks whose slot begins with one of the prefixes, and the pools."""

    async def list_storage(self, directories: tuple[DevicePath, ...]) -> Storage:
        """List every file disk and subvolume, the pools, and the files below the directories."""

    async def list_pool_disks(self, mount_point: str) -> tuple[FileDisk, ...]:
        """List every file disk in a pool, whoever it belongs to."""

    async def list_snapshots(self) -> SlotState:
        """List the files and the subvolumes that are snapshots, of whatever slot, and the pools."""

    async def read_slot(self, slot: Slot) -> SlotState:
        """Read all about one slot, and the pools."""

    async def read_pool(self, mount_point: str) -> Pool | None:
        """Read one pool; None when it is not mounted."""

    async def ensure_disk(self, spec: DiskSpec) -> SlotState:
        """Create the disk where the slot is free and there is room."""

    async def ensure_size(self, slot: Slot, size: int, added: int, pool: str) -> SlotState:
        """Grow the disk to `size` bytes where the pool has `added` left."""

    async def ensure_export(self, slot: Slot, *, exported: bool) -> SlotState:
        """Offer the disk over NVMe/TCP, or stop offering it."""

    async def ensure_allowed_host(
        self, slot: Slot, host: str, *, only_fenced: bool = False, cut: bool = False
    ) -> SlotState:
        """Let only this host connect, of all disks or only of one that is restricted already.

        With `cut` whoever is connected is cut off.
        """

    async def ensure_password(self, slot: Slot, password: Secret) -> SlotState:
        """Let only hosts connect that know the secret; an empty one lifts the restriction."""

    async def ensure_absent(
        self, slot: Slot, path: DevicePath, branch: Branch | None = None, *, copied: bool = False
    ) -> SlotState:
        """Remove export, item, file and subvolume if they are at `path`."""

    async def ensure_copy(
        self, slot: Slot, source: DevicePath, target: DevicePath, room: int
    ) -> SlotState:
        """Begin to copy a backing file for a slot that has none."""

    async def ensure_file_absent(
        self, slot: Slot, path: DevicePath, copies: int | None = None
    ) -> SlotState:
        """Remove a file that no disk refers to, unless there are more than so many copies of it."""

    async def ensure_frozen(self, slot: Slot, branch: Branch) -> SlotState:
        """Make a read-only snapshot of `branch.parent`, where the slot has none."""

    async def ensure_branch_absent(self, slot: Slot, path: DevicePath, branch: Branch) -> SlotState:
        """Remove a subvolume whose file, at `path`, no disk refers to."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A node's claim to a volume.

    Attributes:
        node: the node's ID.
        attached: whether the claim has been granted and recorded as such.
        order: sorts the claims to one volume by age; the older goes first.
        since: when the claim was made, in seconds since 1970.
        read_only: whether it is a claim to read and never to write.
        id: tells it from an earlier one of the same node.
    """

    node: str
    attached: bool
    order: tuple[str, str]
    since: float = 0.0
    read_only: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class Grant:
    """A publication that was granted.

    Attributes:
        use: how the volume is to be used.
        read_only: whether it is never written to.
        claims: the IDs of the node's own claims that it answers.
    """

    use: str = ""
    read_only: bool = False
    claims: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Node:
    """A node that exists; `host_nqn` is empty while nothing has said it."""

    name: str
    host_nqn: str = ""


class Cluster(Protocol):
    """Which nodes there are, and which hold, or are about to hold, which volumes.

    Every method raises Unreachable when it cannot be known.
    """

    async def of_volume(
        self, volume: VolumeId, asking: NodeId | None = None
    ) -> tuple[Attachment, ...]:
        """Return the claims to one volume.

        With `asking`, what is known so far will do, as long as that node's own claim is in it: then
        every older one is too. Without, the answer is no older than the question.
        """

    async def known_of(
        self, volumes: Sequence[VolumeId]
    ) -> Mapping[VolumeId, tuple[Attachment, ...]]:
        """Return the claims to several volumes, as far as is known."""

    async def record(self, volume: VolumeId, node: NodeId, grant: Grant) -> None:
        """Note that a volume was published to a node, where that is for us to note.

        Raises:
            Conflict: it was published there for another use.
        """

    async def forget(self, volume: VolumeId, node: NodeId | None) -> None:
        """Note that a volume was taken from a node, or from all."""

    async def node(self, name: str, *, fresh: bool = False) -> Node | None:
        """Return a node; None where there is certainly none of that name.

        With `fresh` the answer is no older than the question.
        """

    async def parameters_of(self, volume: VolumeId) -> Mapping[str, str]:
        """Return the mutable parameters that are in force for a volume."""

    async def keep_parameters(self, volume: VolumeId, parameters: Mapping[str, str]) -> None:
        """Note the mutable parameters of a volume, where that is for us to note.

        None at all forgets those of a volume that is gone.
        """

    async def authenticates(self, volume: VolumeId) -> bool:
        """Return whether nodes are told to authenticate themselves for a volume that exists."""

    async def machine_of(self, volume: VolumeId) -> str:
        """Return the virtual machine that uses a volume, for calls that go one at a time."""


@dataclass(frozen=True, slots=True)
class KnownClaim:
    """A claim with all that is known of it.

    Attributes:
        volume: the volume handle; of one whose PersistentVolume is gone, what its name stands for.
        claim: the claim itself.
        released: whether it was taken back a moment ago.
        name: of the VolumeAttachment; empty where there is none.
        volume_known: whether there is a PersistentVolume.
    """

    volume: str
    claim: Attachment
    released: bool = False
    name: str = ""
    volume_known: bool = True


class Witness(Protocol):
    """Who is told of what happens to volumes. Never waits, and its failures are its own."""

    def saw(self, what: Happening) -> None:
        """Take note of what happened."""


class NoWitness:
    """Takes note of nothing."""

    def saw(self, what: Happening) -> None:
        """Do nothing."""


class Registry(Protocol):
    """What repair has to know of the cluster, beyond what attaching does.

    Every method raises Unreachable when it cannot be known, and answers nothing that is older than
    the question.
    """

    async def claims(self, volume: VolumeId | None = None) -> tuple[KnownClaim, ...]:
        """Return the claims to one volume or to all, those that do not count any more as well."""

    async def referrers(self, item: VolumeId | SnapshotId) -> tuple[str, ...]:
        """Return what refers to a volume or snapshot, such as `PersistentVolume pvc-1`."""

    async def nodes_of_hosts(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the nodes that say they are one of these hosts, by NQN."""


class Monitored(Protocol):
    """A device's connection."""

    @property
    def round_trips(self) -> int:
        """How many execs have been sent."""

    @property
    def commands(self) -> int:
        """How many commands have been sent in them."""

    def watch(self) -> AsyncIterator[LinkStatus]:
        """Yield where the connection stands, now and whenever that has changed."""
