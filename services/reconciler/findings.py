"""What a pass finds, and what it would have done: the vocabulary of rdscsi.reconciler.v1. Pure."""

from dataclasses import dataclass, field
from enum import Enum

from services.reconciler.memory import Memory, OrphanDecision
from services.reconciler.model import ItemKind, Node, Ready


class FindingKind(Enum):
    """What is wrong; the names are those of rdscsi.reconciler.v1.FindingKind."""

    # There is one object for each, so its identity will do; Enum's own is a function in Python, and
    # a pass over a large cluster that is in disorder asks for a hundred thousand of these.
    __hash__ = object.__hash__

    NODE_GONE = "node-gone"
    NODE_OUT_OF_SERVICE = "node-out-of-service"
    NODE_NOT_READY = "node-not-ready"
    ATTACHMENT_UNUSED = "attachment-unused"
    ATTACHMENT_STUCK = "attachment-stuck"
    ORPHAN_VOLUME = "orphan-volume"
    ORPHAN_SNAPSHOT = "orphan-snapshot"
    ORPHAN_FILE = "orphan-file"
    ORPHAN_SUBVOLUME = "orphan-subvolume"
    VOLUME_MISSING = "volume-missing"
    SNAPSHOT_MISSING = "snapshot-missing"
    DISK_MISSING = "disk-missing"
    FILE_MISSING = "file-missing"
    NOT_EXPORTED = "not-exported"
    FENCING_MISMATCH = "fencing-mismatch"
    MIGRATION_OVERDUE = "migration-overdue"
    UNREADABLE = "unreadable"


ATTACHMENT_KINDS = frozenset(
    {
        FindingKind.NODE_GONE,
        FindingKind.NODE_OUT_OF_SERVICE,
        FindingKind.NODE_NOT_READY,
        FindingKind.ATTACHMENT_UNUSED,
        FindingKind.ATTACHMENT_STUCK,
        FindingKind.FENCING_MISMATCH,
        FindingKind.MIGRATION_OVERDUE,
    }
)
"""Kinds of findings that are about an attachment."""


class FindingState(Enum):
    """What becomes of it; rdscsi.reconciler.v1.FindingState.

    BACKING_OFF and RESOLVED come of what happens after a decision, so no decision has them.
    """

    WAITING = "waiting"
    ACTING = "acting"
    BACKING_OFF = "backing-off"
    HELD_BACK = "held-back"
    FOR_PEOPLE = "for-people"
    IGNORED = "ignored"
    RESOLVED = "resolved"


class ActionKind(Enum):
    """What is done; rdscsi.reconciler.v1.ActionKind."""

    FENCE = "fence"
    UNFENCE = "unfence"
    DETACH = "detach"
    DELETE_ATTACHMENT = "delete-attachment"
    REMOVE_FINALIZER = "remove-finalizer"
    DELETE_ORPHAN = "delete-orphan"


@dataclass(frozen=True, slots=True)
class Subject:
    """What a finding or an action is about; what does not apply is empty."""

    volume_id: str = ""
    node: str = ""
    persistent_volume: str = ""
    volume_attachment: str = ""
    snapshot_id: str = ""
    volume_snapshot_content: str = ""
    device: str = ""
    path: str = ""
    claim: str = ""


@dataclass(frozen=True, slots=True)
class Guard:
    """What must be so of a node still, read anew just before an action.

    Attributes:
        node: its name.
        uid: its UID; empty where there must be no node of that name.
        ready: whether it must be Ready; None where either will do.
        out_of_service: whether it must have the taint.
        unreported: a volume that it must not report in use; empty for none.
    """

    node: str
    uid: str = ""
    ready: bool | None = None
    out_of_service: bool = False
    unreported: str = ""

    def holds(self, node: Node | None) -> bool:
        """Whether it is so of the node as it is now; None where there is certainly none."""
        if node is None or not self.uid:
            return node is None and not self.uid
        return (
            node.uid == self.uid
            and (self.ready is None or self.ready == (node.ready is Ready.YES))
            and (node.out_of_service or not self.out_of_service)
            and not reports(node, self.unreported)
        )


def reports(node: Node, volume: str) -> bool:
    """Whether a node reports a volume in use, on whatever device."""
    if volume in node.volumes_in_use:
        return True
    slot = volume.partition("@")[0]
    return any(handle.partition("@")[0] == slot for handle in node.volumes_in_use)


@dataclass(frozen=True, slots=True)
class Action:
    """One change, with all that must still be so for it to be made.

    Attributes:
        kind: what is done.
        finding_id: the finding that it is for.
        subject: what it is done to.
        text: what is done, in plain words.
        reason: why, in plain words.
        uid: of the VolumeAttachment: the attachment that is meant.
        resource_version: of the VolumeAttachment; for DELETE_ATTACHMENT and REMOVE_FINALIZER.
        finalizer: the one to take away.
        item: what DELETE_ORPHAN removes; its ID is `item_id`.
        item_id: the ID of a volume or snapshot, or the path of a file or subvolume.
        fingerprint: of the orphan as it was listed.
        guard: what must be so of the node, where it matters.
    """

    kind: ActionKind
    finding_id: str
    subject: Subject
    text: str
    reason: str
    uid: str = ""
    resource_version: str = ""
    finalizer: str = ""
    item: ItemKind | None = None
    item_id: str = ""
    fingerprint: str = ""
    guard: Guard | None = None

    @property
    def key(self) -> str:
        """What it is done to: of two with one key only one is begun, and they back off together.

        A path may be on several devices, and several nodes may have to be shut out of one volume.
        """
        if self.item is not None:
            return orphan_key(self.item, self.subject.device, self.item_id)
        at = self.subject
        return at.volume_attachment or f"{at.volume_id} {at.node}"


@dataclass(frozen=True, slots=True)
class Orphan:
    """What is on a device and nothing refers to; `decision` is what a person said of it."""

    kind: ItemKind
    device: str
    id: str
    size_bytes: int
    fingerprint: str
    decision: OrphanDecision | None = None

    @property
    def key(self) -> str:
        """What decisions about it are kept under."""
        return orphan_key(self.kind, self.device, self.id)


def orphan_key(kind: ItemKind, device: str, item_id: str) -> str:
    """Return what decisions about an orphan are kept under."""
    return f"{kind.value} {device} {item_id}"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it should be.

    Attributes:
        id: the same for as long as the same thing is wrong, over passes and leaders.
        kind: what it is.
        state: what becomes of it.
        subject: what it is about.
        reason: what is wrong and why it counts as that, in plain words.
        next: what happens next, or what a person can do, in plain words.
        first_seen: when it was first seen, as far as is remembered.
        due: when an action is due; None where none will be.
        actions: what is to be done now; the rest is decided when that is done.
        orphan: what it is about, where that is an orphan.
    """

    id: str
    kind: FindingKind
    state: FindingState
    subject: Subject
    reason: str
    next: str
    first_seen: float
    due: float | None = None
    actions: tuple[Action, ...] = ()
    orphan: Orphan | None = None


@dataclass(frozen=True, slots=True)
class Notice:
    """Something that people hear of as an event.

    Attributes:
        reason: one word in CamelCase.
        text: a sentence or two.
        is_warning: whether somebody may have to do something.
        volume: the name of the PersistentVolume that it is about; empty for the driver as a whole.
    """

    reason: str
    text: str
    is_warning: bool = False
    volume: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a pass comes to.

    Attributes:
        findings: all that is wrong, sorted by ID.
        actions: what is to be done now, in this order; none depends on another.
        memory: what is to be remembered; to be saved before the actions are begun.
        incomplete: what could not be known, in plain words.
        stopped: why no orphan is removed, where a limit says so; empty otherwise.
        next_due: when something falls due that is waiting now; None where nothing does.
        counts: how many findings there are of each kind.
        found: orphans that people have not heard of yet.
    """

    findings: tuple[Finding, ...]
    actions: tuple[Action, ...]
    memory: Memory
    incomplete: tuple[str, ...] = ()
    stopped: str = ""
    next_due: float | None = None
    counts: dict[FindingKind, int] = field(default_factory=dict)
    found: tuple[Finding, ...] = ()
