"""What the node needs of the outside, as protocols; real things and stand-ins satisfy them."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from libs.core.errors import Unreachable
from libs.core.ids import Nqn, Slot, VolumeId
from libs.nvmeof.model import BlockDevice, Connection, Target
from services.node.volume import Record


class ClusterAway(Unreachable):
    """The cluster does not answer what only it knows, which says nothing about any volume."""


class Fabrics(Protocol):
    """Connections to subsystems. Names are never remembered: each answer is looked up by NQN."""

    async def ensure_connected(self, target: Target) -> BlockDevice:
        """Connect unless that is done, wait until the device is there, and return it.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            ConnectFailed: the kernel could not connect.
            NoDevice: it is connected, and no device appears.
            HostUnable: authentication is asked for that this kernel does not do.
            HostHangs: the kernel did not answer in time.
            InvalidRequest: what is asked for cannot be handed to the kernel.
        """

    async def find(self, nqn: Nqn) -> Connection | None:
        """Return what the host has of a subsystem; None if it is not connected.

        Raises:
            HostHangs: the kernel did not answer in time.
            Unreachable: it cannot be read.
        """

    async def list_connections(self) -> Sequence[Connection]:
        """Return all connections to managed subsystems.

        Raises:
            HostHangs: the kernel did not answer in time.
            Unreachable: they cannot be read.
        """

    async def rescan(self, nqn: Nqn) -> None:
        """Have the kernel look at the size of a subsystem's device anew; it shows a while later.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            ConnectFailed: it is not connected.
        """

    async def ensure_disconnected(self, nqn: Nqn) -> None:
        """Disconnect, and wait until the subsystem is gone.

        Whether anything uses it is for the caller to know.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            HostHangs: the kernel has not taken it down in time.
        """


class Reason(Enum):
    """Why something is told to the people who look at a cluster; the values are event reasons."""

    STALE_MOUNT = "StaleMount"
    RECOVERED = "MountRecovered"
    RECOVERY_FAILED = "MountRecoveryFailed"
    CONNECTION_LOST = "ConnectionLost"
    CONNECTION_RESTORED = "ConnectionRestored"
    BREAKER_OPEN = "VolumeSuspended"
    MOUNT_FAILED = "VolumeMountFailed"
    MOUNTED = "VolumeMountedAtLast"

    @property
    def is_warning(self) -> bool:
        """Whether somebody may have to do something."""
        return self not in {Reason.RECOVERED, Reason.CONNECTION_RESTORED, Reason.MOUNTED}


@dataclass(frozen=True, slots=True)
class Marks:
    """What PersistentVolume annotations say to the node plugin.

    Attributes:
        formatted: what was written when the volume was formatted, or used as a raw block device;
            empty if it never was.
        reset: any text that somebody chose; a new one closes an open circuit breaker.
    """

    formatted: str = ""
    reset: str = ""


class Cluster(Protocol):
    """What the node tells the cluster, and asks of it."""

    async def announce(self, host_nqn: Nqn) -> None:
        """Write this node's host NQN on its Node object.

        Raises:
            Unreachable: that could not be done.
        """

    async def clear_startup_taint(self) -> bool:
        """Take the start-up taint from this node, if the kubelet has registered the driver.

        Returns whether the taint is away; False while the kubelet does not know the driver.

        Raises:
            Unreachable: that could not be done.
        """

    async def attachment(self, volume: VolumeId) -> str | None:
        """Return the UID of what says that this node has a volume now; None if nothing does.

        Raises:
            Unreachable: the cluster does not answer.
        """

    async def identify(self, slot: Slot) -> VolumeId:
        """Return the ID of the volume with a slot, which an NQN does not say as a whole.

        Where the cluster knows of none, that of the default device's volume.

        Raises:
            Unreachable: the cluster does not answer.
        """

    async def read_marks(self, volume: VolumeId) -> Marks | None:
        """Return a volume's marks; None where the cluster has no such volume.

        Raises:
            Unreachable: the cluster does not answer.
        """

    async def mark_formatted(self, volume: VolumeId, text: str) -> None:
        """Keep with the volume that it was formatted, or used as a raw block device.

        Raises:
            Unreachable: that could not be done.
        """

    def tell(self, volume: VolumeId, reason: Reason, text: str) -> None:
        """Tell people, as an event on the volume; never waits and never fails."""


class Keep(Protocol):
    """The records of the volumes on this node, kept through restarts."""

    def get(self, volume: VolumeId) -> Record | None:
        """Return what is known of a volume."""

    def all(self) -> Sequence[Record]:
        """Return all records."""

    async def put(self, record: Record) -> None:
        """Keep a record; nothing may be done for a volume before it is.

        Raises:
            Refused: it cannot be written.
        """

    async def drop(self, volume: VolumeId) -> None:
        """Forget a volume.

        Raises:
            Refused: its record cannot be removed.
        """

    async def was_formatted(self, volume: VolumeId) -> str:
        """Return what was written when this node had a volume in use; nothing if it never had.

        Raises:
            Refused: it cannot be read.
        """

    async def mark_formatted(self, volume: VolumeId, text: str) -> None:
        """Keep for good that this node formatted a volume, or used it as a raw block device.

        Raises:
            Refused: it cannot be written.
        """


class Counts(Protocol):
    """What is counted for graphs."""

    def connected(self, seconds: float, *, ok: bool) -> None:
        """Count a connect."""

    def mounted(self, operation: str, *, ok: bool) -> None:
        """Count a mount or unmount."""

    def stale(self) -> None:
        """Count a stale mount that was found."""

    def recovered(self, *, ok: bool) -> None:
        """Count an attempt to repair one."""
