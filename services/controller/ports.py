"""What the controller needs from outside, as Protocols; the values that cross are here too."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from libs.core.ids import DevicePath, NodeId, Slot, VolumeId
from libs.rdsclient.model import DiskSpec, FileDisk, Pool, SlotState


class Device(Protocol):
    """The storage device, as `libs.rdsclient.client.RdsClient` offers it.

    Every method raises Unreachable when nothing was sent and OutcomeUnknown when a change may have
    happened.
    """

    async def list_disks(self, prefixes: tuple[str, ...]) -> tuple[FileDisk, ...]:
        """List the file disks whose slot begins with one of the prefixes."""

    async def read_slot(self, slot: Slot, pool: str) -> SlotState:
        """Read all about one slot, and the pool."""

    async def read_pool(self, mount_point: str) -> Pool | None:
        """Read one pool; None when it is not mounted."""

    async def ensure_disk(self, spec: DiskSpec) -> SlotState:
        """Create the disk where the slot is free and there is room; return what is there now."""

    async def ensure_size(self, slot: Slot, size: int, added: int, pool: str) -> SlotState:
        """Grow the disk to `size` bytes where the pool has `added` left; return what is there."""

    async def ensure_absent(self, slot: Slot, path: DevicePath) -> SlotState:
        """Remove export, item and file if they are at `path`; return what is there now."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A node's claim to a volume.

    Attributes:
        node: the node's ID.
        attached: whether the claim has been granted and recorded as such.
        order: sorts the claims to one volume by age; the older goes first.
    """

    node: str
    attached: bool
    order: tuple[str, str]


class Attachments(Protocol):
    """Which nodes hold, or are about to hold, which volumes."""

    async def of_volume(self, volume: VolumeId) -> tuple[Attachment, ...]:
        """Return the claims to one volume. Raises Unreachable when they cannot be read."""

    async def by_volume(self) -> Mapping[str, tuple[Attachment, ...]]:
        """Return the claims to all volumes, by volume ID. Raises Unreachable likewise."""

    async def record(self, volume: VolumeId, node: NodeId) -> None:
        """Note that a volume was published to a node, where that is for us to note."""

    async def forget(self, volume: VolumeId, node: NodeId | None) -> None:
        """Note that a volume was taken from a node, or from all."""
