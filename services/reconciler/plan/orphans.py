"""What is on a device and nothing refers to, and which of it may be removed. Pure.

A volume is there before its PersistentVolume: external-provisioner makes the object from the
answer. So something new is never an orphan at once, and a device is only judged by a reading of the
cluster that began no earlier than that of the device.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from libs.core.errors import InvalidRequest
from libs.core.ids import SnapshotId, VolumeId
from services.reconciler.findings import (
    Action,
    ActionKind,
    Finding,
    FindingKind,
    Orphan,
    Subject,
)
from services.reconciler.inventory import Index, in_pieces
from services.reconciler.memory import DecisionKind, mark
from services.reconciler.model import DeviceListing, HalfState, ItemKind, Leftover, Snapshot, Volume
from services.reconciler.plan.limits import Due, choose
from services.reconciler.plan.notes import Case, Note

_KINDS = {
    ItemKind.VOLUME: FindingKind.ORPHAN_VOLUME,
    ItemKind.SNAPSHOT: FindingKind.ORPHAN_SNAPSHOT,
    ItemKind.FILE: FindingKind.ORPHAN_FILE,
    ItemKind.SUBVOLUME: FindingKind.ORPHAN_SUBVOLUME,
}

ORPHAN_KINDS = tuple(_KINDS.values())


@dataclass(slots=True)  # it lives for a moment, and a frozen one takes three times as long to make
class _Item:
    """Something on a device, in one form for all kinds.

    Attributes:
        orphan: what it would be.
        about: the volume or snapshot that must not be referred to.
        subject: what it is about, for people.
        path: where it lies.
        busy: why it is in use on the device itself; empty where it is not.
        hosts: host NQNs that the device lets in by name.
    """

    orphan: Orphan
    about: str
    subject: Subject
    path: str
    busy: str = ""
    hosts: tuple[str, ...] = ()


def why_unjudged(index: Index, device: DeviceListing) -> str:
    """Say why no orphan can be told on a device, in plain words; empty where it can."""
    seen = index.seen
    parts = [
        ("Nodes", index.nodes_sound, seen.nodes.read_at),
        ("VolumeAttachments", index.attachments_sound, seen.attachments.read_at),
        ("PersistentVolumes", index.volumes_sound, seen.volumes.read_at),
        (
            "VolumeSnapshotContents",
            index.contents_sound,
            seen.contents.read_at if seen.contents else device.read_at,
        ),
    ]
    for name, sound, read_at in parts:
        if not sound:
            return f"orphans on {device.device} cannot be told: {name} are not known"
        if read_at < device.read_at:
            return f"orphans on {device.device} cannot be told: {name} were read before the device"
    if not index.views_sound:
        return f"orphans on {device.device} cannot be told: attachments are not known"
    return ""


class Search:
    """Finds the orphans of all devices, and then chooses."""

    def __init__(self, case: Case) -> None:
        self._case = case
        self.found: list[Finding] = []
        self.stopped: str
        """Why none but approved ones is removed, once it has been chosen."""
        self._waiting: dict[str, Note] = {}
        """Those that are due, until it is chosen which of them are removed."""
        self._due: list[Due] = []
        self._items: dict[str, int] = {}
        self.judged: set[str] = set()
        """The names of devices that were looked at to the end."""
        self.standing: set[str] = set()
        """The keys of orphans for which a decision holds."""

    def look(self, device: DeviceListing) -> Iterator[None]:
        """Look at everything on a device, a piece at a time."""
        self._items[device.device] = (
            len(device.volumes) + len(device.snapshots) + sum(x.managed for x in device.leftovers)
        )
        yield from in_pieces(device.volumes, lambda one: self._look_at_volume(one, device))
        yield from in_pieces(device.snapshots, lambda one: self._look_at_snapshot(one, device))
        yield from in_pieces(device.leftovers, lambda one: self._look_at_leftover(one, device))
        self.judged.add(device.device)

    def _look_at_volume(self, volume: Volume, device: DeviceListing) -> None:
        if not self._is_needed(volume.volume_id, device):
            self._judge(_volume(volume, device), device)

    def _look_at_snapshot(self, snapshot: Snapshot, device: DeviceListing) -> None:
        if not self._case.index.referrer(snapshot.snapshot_id, device.device):
            self._judge(_snapshot(snapshot, device), device)

    def _look_at_leftover(self, left: Leftover, device: DeviceListing) -> None:
        if left.managed and not self._is_needed(left.volume_id, device):
            self._judge(_leftover(left, device), device)

    def end(self) -> Iterator[None]:
        """Choose, and end all findings, a piece at a time."""
        case = self._case
        chosen = choose(self._due, self._items, case.memory, case.rules, case.now)
        self.stopped = chosen.stopped

        def finish(note: Note) -> None:
            why = chosen.why_not.get(note.id)
            self.found.append(note.acts(_remove(note)) if why is None else note.is_held_back(why))

        yield from in_pieces(self._waiting.values(), finish)

    def _is_needed(self, volume_id: str, device: DeviceListing) -> bool:
        index, on = self._case.index, device.device
        return bool(index.referrer(volume_id, on) or index.holder(volume_id, on))

    def _judge(self, item: _Item, device: DeviceListing) -> None:
        case, orphan = self._case, item.orphan
        decision = case.memory.decisions.get(orphan.key)
        if decision is None or not decision.holds(orphan.fingerprint, case.now):
            decision = None
        parts = (orphan.device, orphan.id, orphan.fingerprint)
        note = case.note(_KINDS[orphan.kind], item.subject, *parts)
        if decision:
            orphan = replace(orphan, decision=decision)
            self.standing.add(orphan.key)
        note.because(_REASONS[orphan.kind].format(item.about), orphan)
        finding = self._state(note, item, device)
        if finding is not None:
            self.found.append(finding)

    def _state(self, note: Note, item: _Item, device: DeviceListing) -> Finding | None:
        """End a finding, unless it has to be chosen."""
        decision = note.orphan.decision if note.orphan else None
        if not _is_ours(item, device):
            return note.is_for_people("It is not where this driver puts things, and is left alone.")
        if decision and decision.kind is DecisionKind.IGNORED:
            return note.is_ignored(f"{decision.by} said to leave it: {decision.reason}")
        if busy := item.busy or self._let_in(item):
            return note.is_held_back(busy)
        if decision:
            due = Due(note.id, device.device, is_approved=True, since=decision.at)
            self._choose_later(note, due)
            return None
        return self._unless_due(note, item, device)

    def _unless_due(self, note: Note, item: _Item, device: DeviceListing) -> Finding | None:
        rules, retained = self._case.rules, self._case.memory.retained
        if mark(item.about) in retained:
            return note.is_for_people(_RETAINED)
        if not note.is_due(rules.orphan):
            then = _ONLY if rules.orphans_dry_run else "Then it is removed."
            return note.waits(rules.orphan, then)
        if rules.orphans_dry_run:
            return note.is_held_back(_DRY)
        suspect = self._suspect(item)
        due = Due(note.id, device.device, is_approved=False, since=note.since, suspect=suspect)
        self._choose_later(note, due)
        return None

    def _choose_later(self, note: Note, due: Due) -> None:
        self._waiting[note.id] = note
        self._due.append(due)

    def _let_in(self, item: _Item) -> str:
        named = {name for host in item.hosts for name in self._case.index.nodes_of_host(host)}
        return f"The device lets in node {', '.join(sorted(named))}." if named else ""

    def _suspect(self, item: _Item) -> str:
        index = self._case.index
        if item.orphan.kind is not ItemKind.SNAPSHOT:
            return "" if index.own_volumes else _NONE_OF_OURS.format("PersistentVolume")
        if index.seen.contents is None:
            return (
                "The cluster has no VolumeSnapshotContents at all, and had some once: approve it "
                "if it may go."
            )
        return "" if index.own_contents else _NONE_OF_OURS.format("VolumeSnapshotContent")


_RETAINED = (
    "What last referred to it said to retain it. Import it again, or approve it to have it removed."
)
_ONLY = "Then it is still only reported, since this is a dry run."
_DRY = "This is a dry run. Approve it to have it removed all the same."
_NONE_OF_OURS = (
    "The cluster has not one {} of this driver, so they may have been lost: approve it if it may "
    "go."
)
_REASONS = {
    ItemKind.VOLUME: "Volume {} is on the device, and no PersistentVolume refers to it.",
    ItemKind.SNAPSHOT: "Snapshot {} is on the device, and no VolumeSnapshotContent refers to it.",
    ItemKind.FILE: "No disk uses this file, which is named for volume {}, and nothing needs that.",
    ItemKind.SUBVOLUME: (
        "No disk uses this subvolume, which is named for volume {}, and nothing needs that."
    ),
}


def item_ids(device: DeviceListing) -> Iterator[str]:
    """Yield the IDs of what is on a device; of leftovers, what they are named for."""
    yield from (volume.volume_id for volume in device.volumes)
    yield from (snapshot.snapshot_id for snapshot in device.snapshots)
    yield from (left.volume_id for left in device.leftovers if left.managed)


def _volume(volume: Volume, device: DeviceListing) -> _Item:
    name, about = device.device, volume.volume_id
    busy = ""
    if volume.copying_to:
        busy = f"It is being copied to {', '.join(sorted(volume.copying_to))}."
    elif volume.half_state is HalfState.ELSEWHERE:
        busy = "Its file is not where this driver would have put it."
    orphan = Orphan(ItemKind.VOLUME, name, about, volume.size_bytes, volume.fingerprint)
    subject = Subject(volume_id=about, device=name)
    hosts = volume.allowed_hosts if volume.fenced else ()
    return _Item(orphan, about, subject, volume.path, busy, hosts)


def _snapshot(snapshot: Snapshot, device: DeviceListing) -> _Item:
    name, about = device.device, snapshot.snapshot_id
    orphan = Orphan(ItemKind.SNAPSHOT, name, about, snapshot.size_bytes, snapshot.fingerprint)
    subject = Subject(snapshot_id=about, device=name, path=snapshot.path)
    return _Item(orphan, about, subject, snapshot.path)


def _leftover(left: Leftover, device: DeviceListing) -> _Item:
    name = device.device
    orphan = Orphan(left.kind, name, left.path, left.size_bytes, left.fingerprint)
    subject = Subject(volume_id=left.volume_id, device=name, path=left.path)
    return _Item(orphan, left.volume_id, subject, left.path)


def _is_ours(item: _Item, device: DeviceListing) -> bool:
    """Whether this driver could have made it: its name, its device and its place."""
    kind = SnapshotId if item.orphan.kind is ItemKind.SNAPSHOT else VolumeId
    try:
        known = kind.parse(item.about)
    except InvalidRequest:
        return False
    return (
        known.is_managed
        and known.device == device.suffix.removeprefix("@")
        and item.orphan.fingerprint != ""
        and known.slot.text.startswith(device.managed_prefixes)
        and any(item.path.startswith(f"{base}/") for base in device.base_paths)
        and not {"..", "."} & set(item.path.split("/"))
    )


def _remove(note: Note) -> Action:
    orphan = note.orphan
    if orphan is None:
        raise AssertionError("a finding of an orphan has it")
    decision = orphan.decision
    why = f" {decision.by} approved that: {decision.reason}" if decision else ""
    return Action(
        kind=ActionKind.DELETE_ORPHAN,
        finding_id=note.id,
        subject=note.subject,
        text=f"Remove {orphan.kind.value} {orphan.id} from {orphan.device}",
        reason=note.reason + why,
        item=orphan.kind,
        item_id=orphan.id,
        fingerprint=orphan.fingerprint,
    )
