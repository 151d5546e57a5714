"""What is said and done, word for word, to be rid of an attachment."""

from dataclasses import replace

import pytest

from services.reconciler.findings import (
    Action,
    ActionKind,
    FindingKind,
    FindingState,
    Guard,
    Subject,
)
from services.reconciler.inventory import Seen
from services.reconciler.model import Admission, AttachmentState, Ready
from services.reconciler.plan.release import finalizer_of
from tests.unit.reconciler.values import (
    FINALIZER,
    NOW,
    V1,
    decide_after,
    listed,
    node,
    one,
    only,
    the,
    va,
    view,
    volume_id,
)

NAME = va().name
ABOUT = Subject(
    volume_id=V1,
    node="a",
    persistent_volume=V1,
    volume_attachment=NAME,
    claim=f"ns/{V1}",
)
AWAY = node("a", Ready.UNKNOWN)
DETACHED = view(state=AttachmentState.DETACHED)
STUCK = va(deleting_since=NOW)
GONE = f"Volume {V1} is attached to node a, and there is no node of that name any more."
SILENT = f"Volume {V1} is attached to node a, which is not Ready and does not report it in use."
KEPT = f"Volume {V1} is attached to node a; it is being deleted, and its finalizers keep it."
AT_A = Guard("a", "uid-a", ready=False, unreported=V1)


@pytest.mark.parametrize(
    ("found", "kind", "text", "reason", "guard", "finalizer"),
    [
        (
            one(AWAY, view=view(admission=Admission.ADMITTED)),
            ActionKind.FENCE,
            f"Have the device shut node a out of volume {V1}",
            SILENT,
            AT_A,
            "",
        ),
        (one(AWAY), ActionKind.DETACH, f"Detach volume {V1} from node a", SILENT, AT_A, ""),
        (
            one(None, view=DETACHED),
            ActionKind.DELETE_ATTACHMENT,
            f"Delete VolumeAttachment {NAME}",
            GONE,
            Guard("a"),
            "",
        ),
        (
            one(None, va=STUCK, view=DETACHED),
            ActionKind.REMOVE_FINALIZER,
            f"Take the attacher's finalizer from VolumeAttachment {NAME}",
            KEPT,
            Guard("a"),
            FINALIZER,
        ),
    ],
)
def test_an_action_is_on_one_attachment_as_it_was_seen(  # noqa: PLR0913, PLR0917 (its parts)
    found: Seen, kind: ActionKind, text: str, reason: str, guard: Guard, finalizer: str
) -> None:
    decision = decide_after(1e4, found)

    action = the(decision)
    (finding,) = [one for one in decision.findings if one.actions]
    assert action == Action(
        kind,
        finding.id,
        ABOUT,
        text,
        reason,
        uid=f"va-{V1}-a",
        resource_version="7",
        finalizer=finalizer,
        guard=guard,
    )
    assert (finding.state, finding.subject) == (FindingState.ACTING, ABOUT)
    assert (finding.reason, finding.next) == (reason, f"{text}.")


def test_a_finding_about_an_attachment_without_a_volumes_object_names_no_claim() -> None:
    orphaned = replace(one(None), volumes=listed([]))

    finding = only(decide_after(0, orphaned), FindingKind.NODE_GONE)

    assert finding.subject == replace(ABOUT, claim="")


UNSAID = "The controller does not say what is attached: {}."


@pytest.mark.parametrize(
    "found",
    [
        one(None),
        one(AWAY),
        one(AWAY, va=STUCK),
        one(AWAY, view=view(admission=Admission.ADMITTED)),
        one(AWAY, view=view(admission=Admission.UNKNOWN)),
    ],
)
@pytest.mark.parametrize(
    ("error", "why"),
    [("it is away", "it is away"), ("", "its answer is not whole, or too old")],
)
def test_nothing_is_taken_from_a_node_while_the_controller_does_not_answer(
    found: Seen, error: str, why: str
) -> None:
    views = replace(found.views, complete=False, error=error)

    decision = decide_after(1e4, replace(found, views=views))

    about = [one for one in decision.findings if one.kind is not FindingKind.UNREADABLE]
    assert decision.actions == ()
    assert {one.state for one in about} == {FindingState.HELD_BACK}
    assert {one.next for one in about} == {UNSAID.format(why)}


@pytest.mark.parametrize("found", [one(None), one(AWAY), one(AWAY, va=STUCK)])
def test_nothing_is_taken_from_a_node_when_the_controller_knows_another_attachment(
    found: Seen,
) -> None:
    other = replace(found, views=listed([view(volume_id(3))]))

    decision = decide_after(1e4, other)

    assert decision.actions == ()
    assert {(one.state, one.next) for one in decision.findings} == {
        (
            FindingState.HELD_BACK,
            f"The controller does not know VolumeAttachment {NAME} as it is.",
        )
    }


@pytest.mark.parametrize("admission", Admission)
def test_what_is_detached_is_deleted_whoever_the_device_lets_in(admission: Admission) -> None:
    detached = view(state=AttachmentState.DETACHED, admission=admission)

    decision = decide_after(1e4, one(AWAY, view=detached))

    assert the(decision).kind is ActionKind.DELETE_ATTACHMENT


def test_what_is_detached_and_going_is_only_waited_for() -> None:
    leaving = one(None, va=va(deleting_since=NOW, finalizers=()), view=DETACHED)

    finding = only(decide_after(1e4, leaving), FindingKind.NODE_GONE)

    assert (finding.state, finding.due, finding.actions) == (FindingState.WAITING, None, ())


@pytest.mark.parametrize(
    ("driver", "expected"),
    [("é.io", "external-attacher/--io"), ("a-1.B", "external-attacher/a-1-B")],
)
def test_the_attacher_knows_only_the_letters_of_ascii(driver: str, expected: str) -> None:
    assert finalizer_of(driver) == expected


def test_a_node_that_may_be_alive_is_shut_out_once_where_it_is_let_in() -> None:
    states = {
        admission: [
            action.kind
            for action in decide_after(1e4, one(AWAY, view=view(admission=admission))).actions
        ]
        for admission in Admission
    }

    assert states == {one: [ActionKind.DETACH] for one in Admission} | {
        Admission.UNKNOWN: [],
        Admission.ADMITTED: [ActionKind.FENCE],
    }
