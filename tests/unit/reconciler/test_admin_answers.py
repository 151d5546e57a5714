"""What the reconciler's admin API tells, and what it is told by the controller's."""

from datetime import UTC, datetime

import pytest

from libs.csikit.collect import DeviceListing as Collected
from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler import servicer_answers as answers
from services.reconciler.adapters.messages import read_device, read_link, read_view
from services.reconciler.findings import (
    Action,
    ActionKind,
    Finding,
    FindingKind,
    FindingState,
    Orphan,
    Subject,
)
from services.reconciler.memory import DecisionKind, OrphanDecision, Pause
from services.reconciler.model import (
    Admission,
    AttachmentState,
    HalfState,
    ItemKind,
    PersistentVolume,
    Ready,
)
from services.reconciler.servicer_requests import parse_watch
from services.reconciler.workflow.attaching import Attached, AttachedVolume, Wanted
from services.reconciler.workflow.board import Change, Entry
from services.reconciler.workflow.explaining import Explained, VolumeOnDevice
from services.reconciler.workflow.records import (
    Outcome,
    OutcomeState,
    PassRecord,
    PassResult,
    Trigger,
)
from services.reconciler.workflow.state import WatchState
from services.reconciler.workflow.triggers import Cause
from tests.unit.reconciler.values import NOW, V1, in_use, node, pv, va

AT = datetime.fromtimestamp(NOW, UTC)
ORPHAN = Orphan(ItemKind.FILE, "rds", "/pool/x.img", 7, "print")
DECISION = OrphanDecision(DecisionKind.APPROVED, "print", "ann", "agreed", NOW, NOW + 60)
ABOUT = Subject(volume_id=V1, node="a", claim="ns/data")
ACTION = Action(ActionKind.DETACH, "f", ABOUT, "detach it", "the node is gone")


def entry(state: FindingState = FindingState.WAITING, **fields: object) -> Entry:
    finding = Finding(
        id="f",
        kind=FindingKind.NODE_GONE,
        state=state,
        subject=ABOUT,
        reason="the node is gone.",
        next="wait.",
        first_seen=NOW,
        **fields,  # type: ignore[arg-type] # what a test says of it
    )
    return Entry(finding, NOW, failures=2, last_error="busy", next_try=NOW + 5)


# What is told


def test_before_the_first_pass_there_is_none() -> None:
    assert answers.render_pass(None) is None
    assert answers.render_paused(None) is None
    assert answers.moment(None) is None


def test_a_pass_counts_what_came_of_its_actions() -> None:
    states = (OutcomeState.DONE, OutcomeState.FAILED, OutcomeState.DROPPED, None)
    outcomes = [Outcome(ACTION, state, "busy" if state else "") for state in states]
    record = PassRecord(7, Trigger.NODE, NOW, result=PassResult.FAILED_ACTIONS, outcomes=outcomes)

    told = answers.render_run(record)

    assert told.pass_ is not None
    assert (told.pass_.actions_done, told.pass_.actions_failed) == (1, 1)
    assert (told.pass_.trigger, told.pass_.ended_at) == (api.Trigger.NODE, None)
    assert [action.state.name for action in told.actions] == [
        "DONE",
        "FAILED",
        "WAITING",
        "PLANNED",
    ]
    assert told.actions_total == len(states)


def test_of_very_many_actions_the_first_are_told_and_how_many_there_are() -> None:
    outcomes = [Outcome(ACTION, None)] * (answers.MOST_ACTIONS + 1)

    told = answers.render_run(PassRecord(1, Trigger.START, NOW, outcomes=outcomes))

    assert len(told.actions) == answers.MOST_ACTIONS
    assert told.actions_total == len(outcomes)


def test_a_finding_is_told_with_its_subject_its_actions_and_its_orphan() -> None:
    decided = Orphan(ItemKind.FILE, "rds", "/pool/x.img", 7, "print", DECISION)

    told = answers.render_entry(entry(actions=(ACTION,), orphan=decided))

    assert told.subject == api.Subject(volume_id=V1, node="a", claim="ns/data")
    assert [action.kind for action in told.actions] == [api.ActionKind.DETACH]
    assert told.orphan is not None
    assert told.orphan.decision is not None
    assert (told.orphan.decision.by, told.orphan.decision.at) == ("ann", AT)


@pytest.mark.parametrize(
    ("state", "waits"), [(FindingState.BACKING_OFF, True), (FindingState.ACTING, False)]
)
def test_a_next_try_is_told_of_what_is_backing_off(
    state: FindingState,
    waits: bool,  # noqa: FBT001 (an expectation)
) -> None:
    told = answers.render_change(Change.UPDATED, entry(state))

    assert told.finding is not None
    assert (told.finding.next_try_at is not None) is waits
    assert (told.change, told.at) == (api.Change.UPDATED, AT)


def test_an_orphan_that_nobody_decided_about_has_no_decision() -> None:
    assert answers.render_orphan(ORPHAN).decision is None


def test_a_pause_is_told_with_who_and_until_when() -> None:
    told = answers.render_paused(Pause("x", "ann", NOW))

    assert told == api.Paused(reason="x", by="ann", since=AT, until=None)


def test_what_waits_and_what_is_watched_is_told_for_the_status() -> None:
    waiting, acting = answers.render_queues(Cause(Trigger.NODE, NOW), "abc", "d")
    idle, _ = answers.render_queues(None, "", "")

    assert (waiting.length, waiting.oldest_since) == (1, AT)
    assert (acting.length, acting.backing_off) == (3, 1)
    assert (idle.length, idle.oldest_since) == (0, None)
    told = answers.render_watch(WatchState("nodes", synced=True, objects=3, heard_at=None))
    assert (told.synced, told.objects, told.heard_at) == (True, 3, None)
    (count,) = answers.render_counts([entry(), entry()])
    assert (count.kind, count.count) == (api.FindingKind.NODE_GONE, 2)


@pytest.mark.parametrize(
    ("row", "node_state"),
    [
        (AttachedVolume(V1, "a", where=node("a")), True),
        (AttachedVolume(V1, "a"), False),
        (AttachedVolume(V1, "a", node_known=False), None),
        (AttachedVolume(V1, ""), None),
    ],
)
def test_of_a_node_that_is_not_known_nothing_is_told(
    row: AttachedVolume,
    node_state: bool | None,  # noqa: FBT001 (an expectation)
) -> None:
    listing = Attached(Wanted(), (row,), NOW, None, ("why",))

    told = answers.render_attached(listing, listing.rows, "next")

    (found,) = told.attachments
    assert (None if found.node_state is None else found.node_state.exists) is node_state
    assert (told.total, told.as_of, told.unknown) == (1, None, ["why"])
    assert found.volume_attachment is None


def test_an_attachment_is_told_as_each_side_knows_it() -> None:
    row = AttachedVolume(V1, "a", in_cluster=va(), at_controller=admin.Attachment(node_id="a"))

    told = answers.render_attached(Attached(Wanted(), (row,), NOW, NOW, ()), [row], "")

    (found,) = told.attachments
    assert found.volume_attachment is not None
    assert found.volume_attachment.uid == va().uid
    assert found.at_controller == admin.Attachment(node_id="a")
    assert told.as_of == AT


@pytest.mark.parametrize("volume", [None, pv()])
def test_all_that_is_known_of_a_volume_is_told(volume: PersistentVolume | None) -> None:
    nodes = {"a": node("a", Ready.NO, **in_use(V1)), "b": None}
    on_device = VolumeOnDevice("rds", admin.Volume(volume_id=V1))
    explained = Explained(V1, volume, (va(),), nodes, on_device, (entry(),), ("x",))

    told = answers.render_explained(explained)

    assert (told.persistent_volume is None) is (volume is None)
    assert [(one.name, one.exists, one.ready, one.reports_volume) for one in told.nodes] == [
        ("a", True, False, True),
        ("b", False, False, False),
    ]
    assert (told.device, told.volume, told.unknown) == ("rds", admin.Volume(volume_id=V1), ["x"])
    assert told.sentences[:2] == ["the node is gone.", "wait."]


@pytest.mark.parametrize(
    ("message", "is_wanted"),
    [
        (api.WatchFindingsRequest(), True),
        (api.WatchFindingsRequest(kinds=[api.FindingKind.NODE_GONE], volume_id=V1, node="a"), True),
        (api.WatchFindingsRequest(kinds=[api.FindingKind.ORPHAN_FILE]), False),
        (api.WatchFindingsRequest(volume_id="w"), False),
        (api.WatchFindingsRequest(node="b"), False),
    ],
)
def test_those_who_watch_hear_of_what_they_asked_for(
    message: api.WatchFindingsRequest,
    is_wanted: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert parse_watch(message).admits(entry()) is is_wanted


# What the controller tells


def test_a_listing_of_a_device_is_read_whole() -> None:
    found = Collected(
        "rds",
        admin.DeviceBegin(is_default=True, base_paths=["/p"], managed_prefixes=["pvc-"]),
        error="",
        volumes=[admin.Volume(volume_id=V1, half_state=admin.HalfState.NO_FILE)],
        snapshots=[admin.Snapshot(snapshot_id="s", ready=True)],
        leftovers=[admin.Leftover(kind=admin.ItemKind.SUBVOLUME, managed=True)],
    )

    device = read_device(found, NOW)

    assert (device.is_default, device.base_paths, device.complete) == (True, ("/p",), True)
    assert device.volumes[0].half_state is HalfState.NO_FILE
    assert device.snapshots[0].ready
    assert (device.leftovers[0].kind, device.leftovers[0].managed) == (ItemKind.SUBVOLUME, True)


def test_what_a_later_controller_says_is_nothing_to_act_on() -> None:
    volume = admin.Volume(volume_id=V1, half_state=admin.HalfState(99))
    leftover = admin.Leftover(kind=admin.ItemKind(99), managed=True, half_state=admin.HalfState(99))
    found = Collected("rds", error="cut off", volumes=[volume], leftovers=[leftover])

    device = read_device(found, NOW)

    assert not device.complete
    assert device.volumes[0].half_state is HalfState.ELSEWHERE
    assert not device.leftovers[0].managed
    assert device.leftovers[0].half_state is HalfState.COPYING


def test_an_attachment_whose_state_is_not_known_counts_as_attached() -> None:
    view = read_view(admin.Attachment(volume_id=V1, node_id="a", attachment_uid="u"))

    assert (view.state, view.admission) == (AttachmentState.ATTACHED, Admission.UNKNOWN)


@pytest.mark.parametrize(
    ("state", "is_up"),
    [(admin.ConnectionState.UP, True), (admin.ConnectionState.CONNECTING, False)],
)
def test_only_a_connection_that_is_up_is_up(
    state: admin.ConnectionState,
    is_up: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert read_link(admin.Connection(device="rds", state=state)).is_up is is_up
