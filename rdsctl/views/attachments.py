"""Which node has which volume, and whether that is right. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from protos.gen.rdscsi.controller.v1 import Admission, Attachment
from protos.gen.rdscsi.reconciler.v1 import (
    ExplainVolumeResponse,
    Finding,
    FindingKind,
    ListAttachmentsResponse,
    Node,
    Subject,
    VolumeAttachment,
)
from rdsctl.blocks import Block, Cell, Line, Tone, table
from rdsctl.jsonform import Json, to_json
from rdsctl.views.findings import SETTLED
from rdsctl.words import age, clean, plural, word

KINDS = (
    FindingKind.NODE_GONE,
    FindingKind.NODE_OUT_OF_SERVICE,
    FindingKind.NODE_NOT_READY,
    FindingKind.ATTACHMENT_UNUSED,
    FindingKind.ATTACHMENT_STUCK,
    FindingKind.FENCING_MISMATCH,
    FindingKind.MIGRATION_OVERDUE,
)
"""Kinds of findings that are about an attachment."""

_STATES = {"": "not attached", "pending": "being attached", "detached": "detached, not gone yet"}

_ADMISSIONS = {Admission.SHUT_OUT: Tone.BAD, Admission.NO_VOLUME: Tone.BAD}


@dataclass(slots=True)
class Row:
    """A volume on a node: what Kubernetes, the controller and the reconciler say of it."""

    volume_id: str
    node: str
    in_cluster: VolumeAttachment | None = None
    at_controller: Attachment | None = None
    where: Node | None = None
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_wrong(self) -> bool:
        """Whether there is a finding that nobody said to leave."""
        return any(finding.state not in SETTLED for finding in self.findings)

    @property
    def attachment_name(self) -> str:
        """The name of the VolumeAttachment."""
        named = self.in_cluster.name if self.in_cluster else ""
        known = self.at_controller.attachment_name if self.at_controller else ""
        about = next((f.subject.volume_attachment for f in self.findings if f.subject), "")
        return named or known or about

    @property
    def state(self) -> str:
        """What the controller says of it, or else Kubernetes; empty for not known."""
        if self.at_controller is not None and word(self.at_controller.state):
            return word(self.at_controller.state)
        if self.in_cluster is None:
            return ""
        return "attached" if self.in_cluster.attached else "pending"

    @property
    def state_words(self) -> str:
        """How it stands, for people."""
        is_going = self.in_cluster is not None and self.in_cluster.deleting_since is not None
        if is_going and self.state != "detached":
            return "being detached"
        return _STATES.get(self.state, self.state)


def rows_of_all(answer: ListAttachmentsResponse, findings: Sequence[Finding]) -> list[Row]:
    """Return a row for each attachment, those that are wrong first."""
    known = {finding.id: finding for finding in findings}
    rows = [
        Row(
            item.volume_id,
            item.node,
            in_cluster=item.volume_attachment,
            at_controller=item.at_controller,
            where=item.node_state,
            findings=[known[key] for key in item.finding_ids if key in known],
        )
        for item in answer.attachments
    ]
    return sorted(rows, key=lambda row: not row.is_wrong)


def rows_of_volume(volume: ExplainVolumeResponse) -> list[Row]:
    """Return a row for each node that has, or is to have, the volume.

    Two VolumeAttachments to one node, of which one is being deleted, are two rows.
    """
    rows: list[Row] = [
        Row(volume.volume_id, item.node, in_cluster=item) for item in volume.attachments
    ]
    for known in volume.device_attachments:
        matching = (r for r in rows if _is_same(r, known))
        row = next(matching, None)
        if row is None:
            row = Row(volume.volume_id, known.node_id)
            rows.append(row)
        row.at_controller = known
    wrong = [finding for finding in volume.findings if finding.kind in KINDS]
    for row in rows:
        row.where = next((node for node in volume.nodes if node.name == row.node), None)
        row.findings = [finding for finding in wrong if _is_about(finding, row)]
    return rows


def _is_same(row: Row, known: Attachment) -> bool:
    held = row.in_cluster
    return (
        held is not None
        and row.at_controller is None
        and row.node == known.node_id
        and known.attachment_uid in ("", held.uid)
    )


def _is_about(finding: Finding, row: Row) -> bool:
    about = finding.subject or Subject()
    if about.volume_attachment:
        return about.volume_attachment == row.attachment_name
    return about.node == row.node


def render(
    rows: Sequence[Row], unknown: Sequence[str], now: datetime, *, wide: bool
) -> tuple[Block, ...]:
    """Return what `rdsctl attachments` says.

    Args:
        rows: the attachments.
        unknown: what could not be known, and why.
        now: the time.
        wide: whether to show everything.
    """
    doubts = tuple(Line(f"Not known: {clean(why)}", Tone.WARN) for why in unknown)
    if not rows:
        text = "No attachment is known." if unknown else "Nothing is attached."
        return (*doubts, Line(text, Tone.WARN if unknown else Tone.GOOD))
    wrong = sum(row.is_wrong for row in rows)
    tail = f"{plural(len(rows), 'attachment')}, {wrong or 'none'} of them wrong."
    return (*doubts, attachments_table(rows, now, wide=wide), Line(tail, Tone.FAINT))


def attachments_table(rows: Sequence[Row], now: datetime, *, wide: bool, title: str = "") -> Block:
    """Return a table of attachments."""
    headings = ["VOLUME", "NODE", "STATE", "DEVICE", "AGE", "WRONG"]
    if wide:
        headings += ["NODE READY", "VOLUMEATTACHMENT", "DELETING FOR", "FINALIZERS", "ERROR"]
    return table(title, headings, (_cells(row, now, wide=wide) for row in rows))


def _cells(row: Row, now: datetime, *, wide: bool) -> list[str | Cell]:
    known, cluster = row.at_controller, row.in_cluster
    admission = known.admission if known else Admission.UNSPECIFIED
    since = known.since if known else cluster.created_at if cluster else None
    cells: list[str | Cell] = [
        row.volume_id,
        row.node,
        row.state_words,
        Cell(word(admission), _ADMISSIONS.get(admission, Tone.PLAIN)),
        age(since, now),
        Cell("; ".join(_words(row)), Tone.BAD if row.is_wrong else Tone.PLAIN),
    ]
    if wide:
        errors = [cluster.attach_error, cluster.detach_error] if cluster else []
        cells += [
            _readiness(row.where),
            row.attachment_name,
            age(cluster.deleting_since, now) if cluster else "",
            ", ".join(cluster.finalizers) if cluster else "",
            "; ".join(error for error in errors if error),
        ]
    return cells


def _words(row: Row) -> Iterator[str]:
    for finding in row.findings:
        yield f"{word(finding.kind)} ({word(finding.state)}): {finding.reason}"


def _readiness(node: Node | None) -> str:
    if node is None:
        return ""
    if not node.exists:
        return "gone"
    ready = "yes" if node.ready else "no"
    return f"{ready}, out of service" if node.out_of_service else ready


def document(rows: Sequence[Row], unknown: Sequence[str]) -> dict[str, Json]:
    """Return what scripts get."""
    return {
        "attachments": [_json(row) for row in rows],
        "whole": not unknown,
        "unknown": list(unknown),
    }


def _json(row: Row) -> dict[str, Json]:
    return {
        "volume_id": row.volume_id,
        "node": row.node,
        "volume_attachment": row.attachment_name,
        "state": row.state or None,
        "wrong": row.is_wrong,
        "in_cluster": to_json(row.in_cluster),
        "at_controller": to_json(row.at_controller),
        "node_state": to_json(row.where),
        "findings": to_json(row.findings),
    }
