"""From values to the admin API's answers. Pure."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sized
from datetime import UTC, datetime

from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler import findings as own
from services.reconciler import memory as remembered
from services.reconciler import model
from services.reconciler.workflow.attaching import Attached, AttachedVolume
from services.reconciler.workflow.board import Change, Entry
from services.reconciler.workflow.explaining import Explained
from services.reconciler.workflow.records import Outcome, OutcomeState, PassRecord
from services.reconciler.workflow.state import WatchState
from services.reconciler.workflow.triggers import Cause

MOST_ACTIONS = 500
"""Actions in an answer to RunPass."""

_STATES = {
    None: api.ActionState.PLANNED,
    OutcomeState.DONE: api.ActionState.DONE,
    OutcomeState.FAILED: api.ActionState.FAILED,
    OutcomeState.DROPPED: api.ActionState.WAITING,
}


def moment(seconds: float | None) -> datetime | None:
    """Return a moment as messages have it."""
    return datetime.fromtimestamp(seconds, UTC) if seconds else None


# Passes


def render_pass(record: PassRecord | None) -> api.Pass | None:
    """Return a pass."""
    if record is None:
        return None
    return api.Pass(
        number=record.number,
        trigger=api.Trigger[record.trigger.name],
        dry_run=record.dry_run,
        started_at=moment(record.started_at),
        ended_at=moment(record.ended_at),
        result=api.PassResult[record.result.name],
        message=record.message,
        findings=record.findings,
        actions_planned=record.planned,
        actions_done=record.done,
        actions_failed=record.failed,
    )


def render_run(record: PassRecord) -> api.RunPassResponse:
    """Return a pass that was asked for, with what it did."""
    outcomes = record.outcomes[:MOST_ACTIONS]
    return api.RunPassResponse(
        pass_=render_pass(record),
        actions=[_render_outcome(outcome) for outcome in outcomes],
        actions_total=len(record.outcomes),
    )


def _render_outcome(outcome: Outcome) -> api.Action:
    return _render_action(outcome.action, _STATES[outcome.state], outcome.error)


def _render_action(action: own.Action, state: api.ActionState, error: str = "") -> api.Action:
    return api.Action(
        kind=api.ActionKind[action.kind.name],
        state=state,
        subject=render_subject(action.subject),
        text=action.text,
        error=error,
        finding_id=action.finding_id,
    )


def render_subject(subject: own.Subject) -> api.Subject:
    """Return what a finding or an action is about."""
    return api.Subject(
        volume_id=subject.volume_id,
        node=subject.node,
        persistent_volume=subject.persistent_volume,
        volume_attachment=subject.volume_attachment,
        snapshot_id=subject.snapshot_id,
        volume_snapshot_content=subject.volume_snapshot_content,
        device=subject.device,
        path=subject.path,
        claim=subject.claim,
    )


# Findings


def render_entry(entry: Entry) -> api.Finding:
    """Return a finding."""
    finding = entry.finding
    waits = finding.state is own.FindingState.BACKING_OFF
    return api.Finding(
        id=finding.id,
        kind=api.FindingKind[finding.kind.name],
        state=api.FindingState[finding.state.name],
        subject=render_subject(finding.subject),
        reason=finding.reason,
        next=finding.next,
        first_seen_at=moment(finding.first_seen),
        last_seen_at=moment(entry.last_seen),
        due_at=moment(finding.due),
        actions=[_render_action(a, api.ActionState.WAITING) for a in finding.actions],
        failures=entry.failures,
        last_error=entry.last_error,
        next_try_at=moment(entry.next_try) if waits else None,
        orphan=render_orphan(finding.orphan) if finding.orphan else None,
    )


def render_change(change: Change, entry: Entry) -> api.FindingChange:
    """Return what happened to a finding."""
    return api.FindingChange(
        change=api.Change[change.name], finding=render_entry(entry), at=moment(entry.last_seen)
    )


def render_orphan(orphan: own.Orphan) -> api.Orphan:
    """Return an orphan, with what a person decided about it."""
    return api.Orphan(
        kind=admin.ItemKind[orphan.kind.name],
        device=orphan.device,
        id=orphan.id,
        size_bytes=orphan.size_bytes,
        fingerprint=orphan.fingerprint,
        decision=_render_decision(orphan.decision) if orphan.decision else None,
    )


def _render_decision(decision: remembered.OrphanDecision) -> api.Decision:
    return api.Decision(
        kind=api.DecisionKind[decision.kind.name],
        by=decision.by,
        reason=decision.reason,
        at=moment(decision.at),
        until=moment(decision.until),
    )


def render_paused(pause: remembered.Pause | None) -> api.Paused | None:
    """Return a pause."""
    if pause is None:
        return None
    return api.Paused(
        reason=pause.reason, by=pause.by, since=moment(pause.since), until=moment(pause.until)
    )


# Status


def render_watch(state: WatchState) -> api.Watched:
    """Return how a collection is known."""
    return api.Watched(
        resource=state.resource,
        synced=state.synced,
        objects=state.objects,
        heard_at=moment(state.heard_at),
        error=state.error,
    )


def render_counts(entries: Iterable[Entry]) -> list[api.FindingCount]:
    """Return how many findings there are of each kind."""
    kinds = Counter(entry.finding.kind.name for entry in entries)
    return [
        api.FindingCount(kind=api.FindingKind[name], count=count)
        for name, count in sorted(kinds.items())
    ]


def render_queues(waiting: Cause | None, acting: Sized, backing_off: Sized) -> Iterator[api.Queue]:
    """Yield what waits to be looked at, and what is being done."""
    yield api.Queue(
        name="events",
        length=int(waiting is not None),
        oldest_since=moment(waiting.since) if waiting else None,
    )
    yield api.Queue(name="actions", length=len(acting), backing_off=len(backing_off))


# Attachments


def render_attached(
    found: Attached, page: Iterable[AttachedVolume], token: str
) -> api.ListAttachmentsResponse:
    """Return a page of a listing."""
    return api.ListAttachmentsResponse(
        attachments=[_render_row(row) for row in page],
        next_page_token=token,
        total=len(found.rows),
        as_of=moment(found.asked_at),
        unknown=list(found.unknown),
    )


def _render_row(row: AttachedVolume) -> api.AttachmentRow:
    is_known = bool(row.node) and row.node_known
    return api.AttachmentRow(
        volume_id=row.volume_id,
        node=row.node,
        volume_attachment=_render_attachment(row.in_cluster) if row.in_cluster else None,
        at_controller=row.at_controller,
        node_state=_render_node(row.node, row.where, row.volume_id) if is_known else None,
        finding_ids=list(row.finding_ids),
    )


# One volume


def render_explained(explained: Explained) -> api.ExplainVolumeResponse:
    """Return all that is known of a volume."""
    found = explained.on_device
    return api.ExplainVolumeResponse(
        volume_id=explained.volume_id,
        sentences=list(explained.sentences()),
        persistent_volume=_render_volume(explained.volume),
        attachments=[_render_attachment(one) for one in explained.attachments],
        nodes=[
            _render_node(name, node, explained.volume_id) for name, node in explained.nodes.items()
        ],
        volume=found.volume,
        device_attachments=list(found.attachments),
        snapshots=list(found.snapshots),
        leftovers=list(found.leftovers),
        findings=[render_entry(entry) for entry in explained.entries],
        unknown=list(explained.unknown),
        device=found.device,
    )


def _render_volume(volume: model.PersistentVolume | None) -> api.PersistentVolume | None:
    if volume is None:
        return None
    return api.PersistentVolume(
        name=volume.name,
        phase=volume.phase,
        claim=volume.claim,
        reclaim_policy=volume.reclaim_policy,
        storage_class=volume.storage_class,
        capacity_bytes=volume.capacity,
        access_modes=list(volume.access_modes),
        created_at=moment(volume.created),
        deleting_since=moment(volume.deleting_since),
        finalizers=list(volume.finalizers),
    )


def _render_attachment(attachment: model.VolumeAttachment) -> api.VolumeAttachment:
    return api.VolumeAttachment(
        name=attachment.name,
        uid=attachment.uid,
        node=attachment.node,
        attached=attachment.attached,
        created_at=moment(attachment.created),
        deleting_since=moment(attachment.deleting_since),
        finalizers=list(attachment.finalizers),
        attach_error=attachment.attach_error,
        detach_error=attachment.detach_error,
    )


def _render_node(name: str, node: model.Node | None, volume_id: str) -> api.Node:
    if node is None:
        return api.Node(name=name)  # and it does not exist
    return api.Node(
        name=name,
        exists=True,
        ready=node.ready is model.Ready.YES,
        ready_changed_at=moment(node.ready_since),
        out_of_service=node.out_of_service,
        reports_volume=own.reports(node, volume_id),
    )
