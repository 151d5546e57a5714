"""From what was seen, what is remembered and the time: what is wrong, and what is to be done. Pure.

The same in any order of what was seen. What could not be read proves nothing: what rests on it is
left as it is, and goes on counting where it was waiting.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from services.reconciler.findings import (
    ActionKind,
    Decision,
    Finding,
    FindingKind,
    FindingState,
    Subject,
)
from services.reconciler.inventory import Held, Index, Seen, in_pieces
from services.reconciler.memory import Memory, Pause, mark, trace
from services.reconciler.model import DeviceListing, PersistentVolume, Volume
from services.reconciler.plan.approvals import lasting
from services.reconciler.plan.attachments import find_stale
from services.reconciler.plan.fencing import Wanted, find_let_in, find_shut_out
from services.reconciler.plan.half_states import find_half, find_lost_snapshot, find_migrations
from services.reconciler.plan.limits import find_lost
from services.reconciler.plan.notes import Case, prefix_of
from services.reconciler.plan.orphans import ORPHAN_KINDS, Search, item_ids, why_unjudged
from services.reconciler.rules import Rules

_HOUR = 3600.0

_STALE_KINDS = (
    FindingKind.NODE_GONE,
    FindingKind.NODE_OUT_OF_SERVICE,
    FindingKind.NODE_NOT_READY,
    FindingKind.ATTACHMENT_UNUSED,
    FindingKind.ATTACHMENT_STUCK,
    FindingKind.MIGRATION_OVERDUE,
)
_HALF_KINDS = (
    FindingKind.VOLUME_MISSING,
    FindingKind.DISK_MISSING,
    FindingKind.FILE_MISSING,
    FindingKind.NOT_EXPORTED,
    FindingKind.SNAPSHOT_MISSING,
)
_ORDER = {
    kind: rank
    for rank, kind in enumerate(
        (
            ActionKind.FENCE,
            ActionKind.DETACH,
            ActionKind.DELETE_ATTACHMENT,
            ActionKind.REMOVE_FINALIZER,
            ActionKind.UNFENCE,
            ActionKind.DELETE_ORPHAN,
        )
    )
}


def decide(seen: Seen, memory: Memory, rules: Rules, now: float) -> Decision:
    """Decide at once; see `decide_steps`."""
    *_, decision = decide_steps(seen, memory, rules, now)
    if decision is None:
        raise AssertionError("the last step is the decision")
    return decision


def decide_steps(seen: Seen, memory: Memory, rules: Rules, now: float) -> Iterator[Decision | None]:
    """Decide piece by piece: None between pieces of a few milliseconds, and at last the decision.

    Args:
        seen: the cluster and the devices, as they were read.
        memory: what was decided before.
        rules: what decides.
        now: the time, taken after all was read.
    """
    yield from (thinking := _Thinking(seen, memory, rules, now)).think()
    yield from thinking.end()


class _Thinking:
    def __init__(self, seen: Seen, memory: Memory, rules: Rules, now: float) -> None:
        self._index = Index(seen, rules, now)
        self._case = Case(self._index, memory, rules, now)
        self._search = Search(self._case)
        self._findings: list[Finding] = []
        self._incomplete: list[str] = []
        self._retained: frozenset[str] = memory.retained
        self._unjudged: list[str] = []
        """What the IDs of findings begin with that may be there still."""

    def think(self) -> Iterator[None]:
        yield from self._index.fill()
        yield
        self._find_unreadable()
        wanted = Wanted(self._index)
        yield
        yield from self._look_at_attachments(wanted)
        for device in self._index.devices.values():
            yield from self._look_at_device(device, wanted)
        yield from self._look_at_halves()
        yield from self._remember_retained()
        yield from self._search.end()

    def _look_at_attachments(self, wanted: Wanted) -> Iterator[None]:
        index, case = self._index, self._case
        if not (index.nodes_sound and index.attachments_sound and index.volumes_sound):
            self._unjudged += [prefix_of(kind) for kind in _STALE_KINDS]
            self._unjudged.append(prefix_of(FindingKind.FENCING_MISMATCH))
            self._incomplete.append("stale attachments cannot be told: the cluster is not known")
            return
        lost = find_lost(index, case.rules)

        def look(held: Held) -> None:
            found = find_stale(held, case, lost)
            self._findings += found
            if not found and (mismatch := find_shut_out(held, case, wanted)):
                self._findings.append(mismatch)

        yield from in_pieces(index.held, look)
        shared = [held for held in index.held if not wanted.is_alone(held)]
        self._findings += find_migrations(shared, case)
        yield
        if not index.views_sound:
            self._unjudged.append(prefix_of(FindingKind.FENCING_MISMATCH))

    def _look_at_device(self, device: DeviceListing, wanted: Wanted) -> Iterator[None]:
        if why := why_unjudged(self._index, device):
            self._incomplete.append(why)
            self._leave(device.device, (*ORPHAN_KINDS, FindingKind.FENCING_MISMATCH))
            return
        yield from self._search.look(device)

        def look(volume: Volume) -> None:
            self._findings += find_let_in(volume, device, self._case, wanted)

        yield from in_pieces(device.volumes, look)

    def _look_at_halves(self) -> Iterator[None]:
        index, case = self._index, self._case
        if not index.volumes_sound:
            self._unjudged += [prefix_of(kind, d) for kind in _HALF_KINDS for d in self._devices()]
            return

        def look(volume: PersistentVolume) -> None:
            if finding := find_half(volume, case):
                self._findings.append(finding)

        yield from in_pieces(index.own_volumes.values(), look)
        if not index.contents_sound:
            lost = FindingKind.SNAPSHOT_MISSING
            self._unjudged += [prefix_of(lost, device) for device in self._devices()]
            return
        for content in index.own_contents:
            if finding := find_lost_snapshot(content, case):
                self._findings.append(finding)

    def _devices(self) -> set[str]:
        return {"", *(d.device for d in self._index.seen.devices.items)}

    def _leave(self, device: str, kinds: Iterable[FindingKind]) -> None:
        self._unjudged += [prefix_of(kind, device) for kind in kinds]

    def _find_unreadable(self) -> None:
        index, seen = self._index, self._index.seen
        parts = [
            ("Nodes", index.nodes_sound, seen.nodes.error),
            ("VolumeAttachments", index.attachments_sound, seen.attachments.error),
            ("PersistentVolumes", index.volumes_sound, seen.volumes.error),
            ("The controller's attachments", index.views_sound, seen.views.error),
            ("The controller's devices", index.devices_sound, seen.devices.error),
        ]
        if seen.contents is not None:
            parts.append(
                ("VolumeSnapshotContents", index.contents_sound, seen.contents.error),
            )
        for what, sound, error in parts:
            if not sound:
                self._tell_unreadable(what, Subject(), error)
        for device in seen.devices.items:
            if device.suffix not in index.devices:
                what = f"Device {device.device}"
                self._tell_unreadable(what, Subject(device=device.device), device.error)
                kinds = (*ORPHAN_KINDS, *_HALF_KINDS, FindingKind.FENCING_MISMATCH)
                self._leave(device.device, kinds)
        if not index.devices_sound:
            every = (*ORPHAN_KINDS, *_HALF_KINDS, FindingKind.FENCING_MISMATCH)
            self._unjudged += [f"{kind.value}-" for kind in every]

    def _tell_unreadable(self, what: str, subject: Subject, error: str) -> None:
        why = error or "the listing is not whole, or too old"
        note = self._case.note(FindingKind.UNREADABLE, subject, what)
        note.because(f"{what} cannot be read: {why}.")
        advice = "Nothing that rests on it is done; it is read again at the next pass."
        self._findings.append(note.is_held_back(advice))
        self._incomplete.append(f"{what} cannot be read: {why}")

    def _remember_retained(self) -> Iterator[None]:
        """Remember what is to be retained, and forget what is not any more, or is gone."""
        index, known = self._index, self._case.memory.retained
        keep: set[str] = set()
        others: set[str] = set()
        there: set[str] = set()

        def look(policy: str, item_id: str) -> None:
            if policy == "Retain" or known:
                (keep if policy == "Retain" else others).add(mark(item_id))

        if index.volumes_sound:
            volumes = index.own_volumes.values()
            yield from in_pieces(volumes, lambda one: look(one.reclaim_policy, one.handle))
        for content in index.own_contents if index.contents_sound else ():
            for handle in content.handles:
                look(content.deletion_policy, handle)
        left = known - others - keep
        if left and index.devices_sound and len(index.devices) == len(index.seen.devices.items):
            for device in index.devices.values():
                yield from in_pieces(item_ids(device), lambda one: there.add(mark(one)))
            left &= there
        self._retained = frozenset(left | keep)

    def end(self) -> Iterator[Decision | None]:
        """Put it together; with many findings, each of these takes a while."""
        case = self._case
        findings = [*self._findings, *self._search.found]
        findings.sort(key=lambda finding: finding.id)
        yield None
        found = tuple(one for one in findings if one.orphan and self._is_news(one))
        yield None
        memory = self._remembered(found)
        yield None
        if memory.paused:
            findings = [_held(finding, memory.paused) for finding in findings]
        actions = [action for finding in findings for action in finding.actions]
        actions.sort(key=lambda action: _ORDER[action.kind])  # of one kind, as the findings are
        yield None
        yield Decision(
            tuple(findings),
            tuple(actions),
            memory,
            tuple(sorted(set(self._incomplete))),
            self._search.stopped,
            min(case.dues, default=None),
            Counter(finding.kind for finding in findings),
            found,
        )

    def _is_news(self, finding: Finding) -> bool:
        """Whether an orphan has waited for its time, and people have not heard of it yet."""
        case = self._case
        grace = case.rules.orphan
        has_waited = grace <= 0 or case.now >= finding.first_seen + grace
        is_left = finding.state is FindingState.IGNORED
        return has_waited and not is_left and trace(finding.id) not in case.memory.told

    def _told(self, sights: Iterable[str], found: Iterable[Finding]) -> frozenset[str]:
        told = self._case.memory.told
        there = map(trace, sights) if told else ()
        return told.intersection(there) | {trace(finding.id) for finding in found}

    def _remembered(self, found: Iterable[Finding]) -> Memory:
        memory, now, search = self._case.memory, self._case.now, self._search
        sights = dict(self._case.sights)
        if left := tuple(self._unjudged):
            for finding_id, at in memory.first_seen.items():
                if finding_id.startswith(left):
                    sights.setdefault(finding_id, at)
        pause = memory.paused
        return replace(
            memory,
            first_seen=sights,
            decisions=lasting(
                memory.decisions, search.judged, search.standing, self._case.index, now
            ),
            paused=pause if pause and pause.holds(now) else None,
            removals=tuple(sorted(at for at in memory.removals if at > now - _HOUR)),
            retained=self._retained,
            told=self._told(sights, found),
        )


def _held(finding: Finding, pause: Pause) -> Finding:
    if not finding.actions:
        return finding
    why = f"{pause.by} paused everything: {pause.reason}"
    return replace(finding, state=FindingState.HELD_BACK, next=why, due=None, actions=())
