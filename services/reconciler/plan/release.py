"""The next step to be rid of an attachment, and what has to be so when it is done. Pure."""

from dataclasses import replace

from services.reconciler.findings import Action, ActionKind, Finding, Guard, Subject
from services.reconciler.inventory import Held
from services.reconciler.model import Admission, AttachmentState
from services.reconciler.plan.notes import Case, Note


def admission_of(held: Held) -> Admission:
    """Return what the device does when the node connects, as far as is known."""
    return held.view.admission if held.view else Admission.UNKNOWN


def shut_out_first(note: Note, held: Held, guard: Guard) -> Finding | None:
    """Have the device shut out a node that may be alive; None where it is for `release` to say."""
    view = held.view if note.case.index.views_sound else None
    if view is None or view.state is AttachmentState.DETACHED:
        return None  # the controller does not detach before the node is shut out
    if view.admission is Admission.UNKNOWN:
        return note.is_held_back("It is not known whether the device lets the node in.")
    if view.admission is Admission.ADMITTED:
        return note.acts(act(ActionKind.FENCE, note, held, guard))
    return None


def release(note: Note, held: Held, guard: Guard) -> Finding:
    """Detach, and then delete; the controller fences what is fenced before it detaches."""
    case = note.case
    if not case.index.views_sound or held.view is None:
        return note.is_held_back(unknown(case, held))
    if held.view.state is not AttachmentState.DETACHED:
        return note.acts(act(ActionKind.DETACH, note, held, guard))
    if held.attachment.deleting_since is None:
        return note.acts(delete(note, held, guard))
    return note.follows("It is detached, and is gone as soon as external-attacher lets it go.")


def unknown(case: Case, held: Held) -> str:
    """Return why it is not known how an attachment stands."""
    if not case.index.views_sound:
        error = case.index.seen.views.error or "its answer is not whole, or too old"
        return f"The controller does not say what is attached: {error}."
    return f"The controller does not know VolumeAttachment {held.attachment.name} as it is."


def finalizer_of(driver: str) -> str:
    """Return the finalizer that external-attacher sets for a driver."""
    # As its GetFinalizerName does: what is no letter, digit or hyphen becomes a hyphen, and "X"
    # follows one at the end (kubernetes-csi/external-attacher, pkg/controller/util.go).
    name = "".join(c if c.isascii() and c.isalnum() else "-" for c in driver)
    return f"external-attacher/{name}X" if name.endswith("-") else f"external-attacher/{name}"


def subject_of(held: Held) -> Subject:
    """Return what a finding about an attachment is about."""
    volume = held.volume
    return Subject(
        volume_id=held.volume_id,
        node=held.attachment.node,
        persistent_volume=held.attachment.volume,
        volume_attachment=held.attachment.name,
        claim=volume.claim if volume else "",
    )


def what(held: Held) -> str:
    """Return what is attached where, in plain words."""
    return f"Volume {held.volume_id} is attached to node {held.attachment.node}"


_TEXTS = {
    ActionKind.FENCE: "Have the device shut node {node} out of volume {volume}",
    ActionKind.DETACH: "Detach volume {volume} from node {node}",
    ActionKind.DELETE_ATTACHMENT: "Delete VolumeAttachment {name}",
    ActionKind.REMOVE_FINALIZER: "Take the attacher's finalizer from VolumeAttachment {name}",
}


def act(kind: ActionKind, note: Note, held: Held, guard: Guard) -> Action:
    """Return an action on an attachment, for that attachment only, as it was seen."""
    attachment = held.attachment
    return Action(
        kind=kind,
        finding_id=note.id,
        subject=note.subject,
        text=_TEXTS[kind].format(node=attachment.node, volume=held.volume_id, name=attachment.name),
        reason=note.reason,
        uid=attachment.uid,
        resource_version=attachment.resource_version,
        guard=guard,
    )


def delete(note: Note, held: Held, guard: Guard) -> Action:
    """Return its deletion."""
    return act(ActionKind.DELETE_ATTACHMENT, note, held, guard)


def finalize(note: Note, held: Held, finalizer: str, guard: Guard) -> Action:
    """Return the last resort: taking away what keeps it."""
    action = act(ActionKind.REMOVE_FINALIZER, note, held, guard)
    return replace(action, finalizer=finalizer)
