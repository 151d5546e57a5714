"""Attachments that stayed behind: when they are stale, and the next step to be rid of them. Pure.

A volume counts as used by a node that reports it in `status.volumesInUse`. The kubelet reports it
there before it mounts anything, and does not mount before the report is in the API server, so what
is not reported is not mounted, even where the node cannot be reached any more. The reverse does not
hold: the report of a node that is away may be long out of date.
"""

from libs.kube.attachments import attachment_name
from services.reconciler.findings import ActionKind, Finding, FindingKind, Guard, reports
from services.reconciler.inventory import Held
from services.reconciler.model import Admission, AttachmentState, Node, Ready
from services.reconciler.plan.limits import Lost
from services.reconciler.plan.notes import Case, Note
from services.reconciler.plan.release import (
    act,
    admission_of,
    delete,
    finalize,
    finalizer_of,
    release,
    shut_out_first,
    subject_of,
    unknown,
    what,
)
from services.reconciler.rules import InUse, Rules

_QUIET = 60.0
"""Every volume is unused for a moment after it was attached, which nobody needs to hear of."""


def find_stale(held: Held, case: Case, lost: Lost) -> list[Finding]:
    """Return what is wrong with one attachment, where the cluster is known."""
    node = case.index.nodes.get(held.attachment.node)
    found = [_find_dead(held, node, case, lost), _find_stuck(held, node, case)]
    return [finding for finding in found if finding]


def _find_dead(held: Held, node: Node | None, case: Case, lost: Lost) -> Finding | None:
    if not held.attachment.node:
        return None
    if node is None:
        return _gone(held, case, lost)
    if node.out_of_service:
        return _out_of_service(held, node, case)
    if node.ready is not Ready.YES:
        return _not_ready(held, node, case, lost)
    return _unused(held, node, case)


def _gone(held: Held, case: Case, lost: Lost) -> Finding:
    name, uid = held.attachment.node, held.attachment.uid
    note = case.note(FindingKind.NODE_GONE, subject_of(held), uid, name)
    note.because(f"{what(held)}, and there is no node of that name any more.")
    if not note.is_due(case.rules.node_gone):
        return note.waits(case.rules.node_gone, "Then it is detached, and deleted.")
    if lost.gone:
        # Nobody can taint what does not exist.
        is_going = held.attachment.deleting_since is not None
        advice = _SEE_ATTACHER if is_going else _SAY_GONE.format(name=held.attachment.name)
        return note.is_held_back(f"{lost.gone} {advice}")
    return release(note, held, Guard(name))


_SAY_GONE = (
    "Where all these machines are certainly off, delete the VolumeAttachment, and "
    "external-attacher detaches it: kubectl delete volumeattachment {name}."
)
_SEE_ATTACHER = (
    "The VolumeAttachment is being deleted, and external-attacher has to detach it: see that it "
    "runs."
)


def _out_of_service(held: Held, node: Node, case: Case) -> Finding:
    note = case.note(
        FindingKind.NODE_OUT_OF_SERVICE, subject_of(held), held.attachment.uid, node.uid
    )
    note.because(f"{what(held)}, which has the taint node.kubernetes.io/out-of-service.")
    if node.ready is Ready.YES:
        return note.is_for_people(
            "The node is Ready, so nothing is taken from it. Remove the taint if the node is in "
            "service; Kubernetes may detach its volumes while it is there."
        )
    if not note.is_due(case.rules.out_of_service):
        return note.waits(case.rules.out_of_service, "Then it is detached, and deleted.")
    guard = Guard(node.name, node.uid, ready=False, out_of_service=True)
    return release(note, held, guard)


def _not_ready(held: Held, node: Node, case: Case, lost: Lost) -> Finding:
    rules, uid = case.rules, held.attachment.uid
    # With the transition in it, a node that was Ready in between begins anew.
    since = f"{node.ready_since:.3f}"
    note = case.note(FindingKind.NODE_NOT_READY, subject_of(held), uid, node.uid, since)
    used = reports(node, held.volume_id)
    words = "reported it in use last" if used else "does not report it in use"
    note.because(f"{what(held)}, which is not Ready and {words}.")
    grace = max(rules.not_ready, rules.force_detach) if used else rules.not_ready
    if used and rules.in_use is InUse.NEVER:
        if not note.is_due(rules.not_ready):
            return note.waits(rules.not_ready, "Then a person has to say whether the node is off.")
        return note.is_for_people(_SAY_OFF.format(node=node.name))
    if not note.is_due(grace):
        return note.waits(grace, "Then it is detached, and deleted.")
    if lost.not_ready:
        return note.is_held_back(lost.not_ready)
    guard = Guard(node.name, node.uid, ready=False, unreported="" if used else held.volume_id)
    if used and rules.in_use is InUse.FENCED and admission_of(held) is Admission.EVERYBODY:
        return note.is_for_people(_SAY_OFF.format(node=node.name))
    return shut_out_first(note, held, guard) or release(note, held, guard)


_SAY_OFF = (
    "Once the machine is certainly off, taint the node: kubectl taint nodes {node} "
    "node.kubernetes.io/out-of-service=nodeshutdown:NoExecute. Until then it may be writing."
)


def _unused(held: Held, node: Node, case: Case) -> Finding | None:
    attachment, rules = held.attachment, case.rules
    if not attachment.attached or attachment.deleting_since is not None:
        return None
    if reports(node, held.volume_id):
        return None
    parts = (attachment.uid, node.uid, f"{node.ready_since:.3f}")
    note = case.note(FindingKind.ATTACHMENT_UNUSED, subject_of(held), *parts)
    note.because(f"{what(held)}, which is Ready and does not report it in use.")
    if not note.is_due(rules.unused):
        waiting = note.waits(rules.unused, "Then it is deleted, and external-attacher detaches it.")
        return waiting if note.is_due(_QUIET) else None
    if attachment.name != attachment_name(held.volume_id, rules.driver, node.name):
        return note.is_for_people(
            "Its name is not one that Kubernetes chooses, so somebody made it by hand; delete it "
            "where it is not needed any more."
        )
    guard = Guard(node.name, node.uid, ready=True, unreported=held.volume_id)
    return note.acts(delete(note, held, guard))


def _find_stuck(held: Held, node: Node | None, case: Case) -> Finding | None:
    """Look at whether an attachment is being deleted, and does not go."""
    attachment, grace = held.attachment, case.rules.stuck
    if attachment.deleting_since is None or not attachment.finalizers:
        return None
    note = case.note(FindingKind.ATTACHMENT_STUCK, subject_of(held), attachment.uid)
    note.because(f"{what(held)}; it is being deleted, and its finalizers keep it.")
    if not note.is_due(grace):
        waiting = note.waits(grace, "Then it is detached, and the attacher's finalizer taken away.")
        return waiting if note.is_due(min(_QUIET, grace / 2)) else None
    if finalizer_of(case.rules.driver) not in attachment.finalizers:
        names = ", ".join(sorted(attachment.finalizers))
        return note.is_for_people(
            f"The finalizers are not the attacher's: {names}. See who sets them."
        )
    return _unstick(note, held, node)


def _unstick(note: Note, held: Held, node: Node | None) -> Finding | None:
    user = node if node is not None and reports(node, held.volume_id) else None
    if user and user.ready is Ready.YES:
        return note.is_for_people(
            f"Node {user.name} is Ready and still reports the volume in use: end the pods there "
            "that use it."
        )
    guard = _guard_now(held, node, used=user is not None)
    if not note.case.index.views_sound or held.view is None:
        return note.is_held_back(unknown(note.case, held))
    if held.view.state is AttachmentState.DETACHED:
        return note.acts(finalize(note, held, finalizer_of(note.case.rules.driver), guard))
    if node is None or node.ready is not Ready.YES:
        # What counts is how long the node has been gone, away or out of service, and how many are,
        # which is another finding, and not how long the attachment has been deleted: the node may
        # have been Ready until a moment ago.
        tell = user and not user.out_of_service and _is_left_to_people(held, note.case.rules)
        return note.is_for_people(_SAY_OFF.format(node=held.attachment.node)) if tell else None
    return note.acts(act(ActionKind.DETACH, note, held, guard))


def _is_left_to_people(held: Held, rules: Rules) -> bool:
    """Whether what a node that is away reported in use is never taken from it."""
    is_open = admission_of(held) is Admission.EVERYBODY
    return rules.in_use is InUse.NEVER or (rules.in_use is InUse.FENCED and is_open)


def _guard_now(held: Held, node: Node | None, *, used: bool) -> Guard:
    if node is None:
        return Guard(held.attachment.node)
    unreported = "" if used else held.volume_id
    ready = None if not used else False
    return Guard(node.name, node.uid, ready=ready, unreported=unreported)
