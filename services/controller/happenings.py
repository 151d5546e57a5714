"""What happens to volumes that people and graphs are told of, as values. Pure."""

from dataclasses import dataclass
from enum import Enum

from libs.core.errors import RdsCsiError
from libs.core.ids import NodeId, VolumeId


@dataclass(frozen=True, slots=True)
class ClaimName:
    """A PersistentVolumeClaim."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class NotProvided:
    """A volume could not be made.

    Attributes:
        name: what it was to be called.
        claim: whom it was for, where that was said.
        error: why not.
    """

    name: str
    claim: ClaimName | None
    error: RdsCsiError


@dataclass(frozen=True, slots=True)
class Attached:
    """A volume was published to a node.

    Attributes:
        volume: the volume.
        node: the node.
        seconds: how long that took.
        source: the other end of a live migration, if this is one; else empty.
        let_in: whether the device was told to let the node in.
    """

    volume: VolumeId
    node: NodeId
    seconds: float
    source: str = ""
    let_in: bool = False


@dataclass(frozen=True, slots=True)
class NotAttached:
    """A volume could not be published to a node.

    Attributes:
        volume: the volume.
        node: the node.
        seconds: how long that took.
        error: why not.
        is_conflict: whether other nodes have it.
        timed_out: whether a live migration has taken too long.
    """

    volume: VolumeId
    node: NodeId
    seconds: float
    error: RdsCsiError
    is_conflict: bool = False
    timed_out: bool = False


class Migration(Enum):
    """How a live migration ended."""

    COMPLETED = "success"
    ABANDONED = "abandoned"


@dataclass(frozen=True, slots=True)
class Detached:
    """A volume was taken from a node, or from all.

    Attributes:
        volume: the volume.
        node: the node; None for all.
        seconds: how long that took.
        shut_out: whether the device was told to let the node in no more.
        migration: how a live migration ended with it, if one did.
        other: the end of the migration that stays.
        migration_seconds: how long it took, from the claim of its second end.
    """

    volume: VolumeId
    node: NodeId | None
    seconds: float
    shut_out: bool = False
    migration: Migration | None = None
    other: str = ""
    migration_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class NotDetached:
    """A volume could not be taken from a node."""

    volume: VolumeId
    node: NodeId | None
    seconds: float
    error: RdsCsiError


Happening = NotProvided | Attached | NotAttached | Detached | NotDetached
