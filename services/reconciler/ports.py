"""What the reconciler needs from outside, as Protocols."""

from collections.abc import AsyncIterator, Collection
from dataclasses import dataclass
from typing import Protocol

from services.reconciler.findings import Action, Finding, Notice
from services.reconciler.memory import Memory
from services.reconciler.model import (
    AttachmentView,
    DeviceListing,
    Listing,
    Node,
    PersistentVolume,
    SnapshotContent,
    VolumeAttachment,
)


@dataclass(frozen=True, slots=True)
class DeviceLink:
    """A device's connection, as the controller tells.

    Attributes:
        device: its name.
        is_up: whether there is a connection.
        reason: why there is none.
        reconnects: how often it was connected anew.
    """

    device: str
    is_up: bool
    reason: str = ""
    reconnects: int = 0


@dataclass(frozen=True, slots=True)
class ClusterView:
    """What there is in the cluster; the fields are those of `inventory.Seen`."""

    nodes: Listing[Node]
    attachments: Listing[VolumeAttachment]
    volumes: Listing[PersistentVolume]
    contents: Listing[SnapshotContent] | None


class Controller(Protocol):
    """The controller's admin API.

    What reads returns a listing that is not complete where something went wrong, and raises
    nothing. What changes raises a family: InUse where a condition does not hold any more, NotFound,
    Unreachable and OutcomeUnknown, Unsupported.
    """

    async def inventory(self, devices: Collection[str] = ()) -> Listing[DeviceListing]:
        """List what is on the devices of these names, or on all.

        Parts of a device that were lost, or do not add up to what its end says, make its listing
        not complete; a stream that broke off makes the whole not complete.
        """

    async def views(self) -> Listing[AttachmentView]:
        """List the attachments, as the controller knows them."""

    async def detach(self, action: Action) -> str:
        """Take a volume from a node; return what was done, in plain words.

        Raises:
            InUse: the node has another attachment than the one that is meant.
        """

    async def fence(self, action: Action) -> str:
        """Have the device shut a node out of a fenced volume."""

    async def unfence(self, action: Action) -> str:
        """Have the device let in a node that the volume is attached to."""

    async def delete_orphan(self, action: Action) -> str:
        """Remove something that nothing refers to.

        Raises:
            InUse: it is not any more what was listed, or something needs it.
        """

    def watch_connections(self) -> AsyncIterator[tuple[DeviceLink, ...]]:
        """Yield the connections to all devices, now and after every change."""


class Cluster(Protocol):
    """The Kubernetes API."""

    async def view(self, not_before: float) -> ClusterView:
        """Return what there is.

        Each listing is as it was at `not_before` (by this process's own clock) or later, or is not
        complete. It raises nothing.
        """

    async def node(self, name: str) -> Node | None:
        """Read a node anew; None where there is certainly none of that name.

        Raises:
            Unreachable: it cannot be known.
        """

    async def delete_attachment(self, action: Action) -> None:
        """Delete a VolumeAttachment with the preconditions `uid` and `resource_version`.

        Raises:
            InUse: it is not any more the one that was seen.
            NotFound: it is gone.
        """

    async def remove_finalizer(self, action: Action) -> None:
        """Take `finalizer` from a VolumeAttachment where `uid` and `resource_version` still hold.

        Raises:
            InUse: it is not any more the one that was seen.
            NotFound: it is gone.
        """

    async def tell(self, finding: Finding, action: Action, error: str = "") -> None:
        """Record an event on the object concerned; it never fails."""

    async def announce(self, notice: Notice) -> None:
        """Record an event on the object that a notice is about; it never fails."""

    def changes(self) -> AsyncIterator[str]:
        """Yield "node" or "attachment" whenever something changed that a pass should look at."""


class MemoryStore(Protocol):
    """Where the memory is kept from leader to leader."""

    async def load(self) -> tuple[Memory, str]:
        """Return what was saved last, and the version to save it with.

        Raises:
            Unreachable: it cannot be read.
            InvalidRequest: it can, and is not a memory.
        """

    async def save(self, memory: Memory, version: str) -> str:
        """Save it where `version` is still that of what is there; return the new version.

        Raises:
            InUse: somebody else saved it meanwhile.
            Unreachable: nothing was saved.
            OutcomeUnknown: it may have been.
            Exhausted: it is too large.
        """


class Clock(Protocol):
    """Times."""

    def now(self) -> float:
        """Return seconds since 1970.

        What was read at the start is added to by a clock that never goes back, so that setting the
        machine's clock makes no waiting period pass.
        """
