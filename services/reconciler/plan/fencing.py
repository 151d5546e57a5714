"""Fencing that does not match the attachments: who is let in, and who ought to be. Pure."""

from collections import Counter

from services.reconciler.findings import (
    Action,
    ActionKind,
    Finding,
    FindingKind,
    Guard,
    Subject,
    reports,
)
from services.reconciler.inventory import Held, Index
from services.reconciler.model import (
    Admission,
    AttachmentState,
    DeviceListing,
    Node,
    Ready,
    Volume,
)
from services.reconciler.plan.notes import Case, Note
from services.reconciler.plan.release import subject_of

NO_ATTACHMENT = "none"
"""The UID of an attachment that no node has: with it, a node is only shut out while it has none."""


class Wanted:
    """Who has, or is to have, which volume."""

    def __init__(self, index: Index) -> None:
        self._shares = Counter(held.volume_id for held in index.held)
        self._pairs = {(held.volume_id, held.attachment.node) for held in index.held}

    def is_alone(self, held: Held) -> bool:
        """Whether a volume has no other attachment: who is let in to a migration is configured."""
        return self._shares[held.volume_id] == 1

    def has(self, node: str, volume_id: str) -> bool:
        """Whether a node has, or is to have, a volume."""
        return (volume_id, node) in self._pairs


def find_shut_out(held: Held, case: Case, wanted: Wanted) -> Finding | None:
    """Return whether a node that is in service has a volume, and the device does not let it in."""
    attachment, view = held.attachment, held.view if case.index.views_sound else None
    node = case.index.nodes.get(attachment.node)
    if view is None or node is None or node.ready is not Ready.YES or node.out_of_service:
        return None
    granted = attachment.attached and view.state is AttachmentState.ATTACHED
    if not granted or attachment.deleting_since is not None or not wanted.is_alone(held):
        return None
    if view.admission is not Admission.SHUT_OUT:
        return None
    parts = ("out", attachment.uid, node.uid, f"{node.ready_since:.3f}")
    note = case.note(FindingKind.FENCING_MISMATCH, subject_of(held), *parts)
    note.because(
        f"Volume {held.volume_id} is attached to node {node.name}, and the device shuts it out."
    )
    if not note.is_due(case.rules.fencing):
        return note.waits(case.rules.fencing, "Then the device is told to let it in.")
    return note.acts(
        Action(
            kind=ActionKind.UNFENCE,
            finding_id=note.id,
            subject=note.subject,
            text=f"Have the device let node {node.name} in to volume {held.volume_id}",
            reason=note.reason,
            uid=attachment.uid,
            guard=Guard(node.name, node.uid, ready=True),
        )
    )


def find_let_in(volume: Volume, device: DeviceListing, case: Case, wanted: Wanted) -> list[Finding]:
    """Return which hosts the device lets in to a volume that they do not have."""
    if not volume.fenced:
        return []
    found = [_intruder(host, volume, device, case, wanted) for host in sorted(volume.allowed_hosts)]
    return [finding for finding in found if finding]


def _intruder(
    host: str, volume: Volume, device: DeviceListing, case: Case, wanted: Wanted
) -> Finding | None:
    names = case.index.nodes_of_host(host)
    if any(wanted.has(name, volume.volume_id) for name in names):
        return None
    name = names[0] if len(names) == 1 else ""
    subject = Subject(volume_id=volume.volume_id, node=name, device=device.device)
    note = case.note(FindingKind.FENCING_MISMATCH, subject, "in", volume.volume_id, host)
    who = f"node {name}" if name else f"host {host}, which is not one node's,"
    note.because(f"The device lets {who} in to volume {volume.volume_id}, which it does not have.")
    grace = case.rules.fencing
    if not name:
        advice = "It is shut out when the volume is attached next; or take it off the disk's list."
        return note.is_for_people(advice) if note.is_due(grace) else note.waits(grace, advice)
    return _shut_out(note, case.index.nodes[name], volume, grace)


def _shut_out(note: Note, node: Node, volume: Volume, grace: float) -> Finding:
    if reports(node, volume.volume_id):
        return note.is_for_people(f"Node {node.name} reports it in use: see what runs there.")
    if not note.is_due(grace):
        return note.waits(grace, "Then the device is told to shut it out.")
    return note.acts(
        Action(
            kind=ActionKind.FENCE,
            finding_id=note.id,
            subject=note.subject,
            text=f"Have the device shut node {node.name} out of volume {volume.volume_id}",
            reason=note.reason,
            uid=NO_ATTACHMENT,
            guard=Guard(node.name, node.uid, unreported=volume.volume_id),
        )
    )
