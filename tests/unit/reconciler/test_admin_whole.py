"""What the reconciler's admin API tells, message by message, with every field."""

from datetime import UTC, datetime, timedelta

import pytest

from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler import servicer_answers as answers
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
from services.reconciler.model import ItemKind
from services.reconciler.workflow.board import Change, Entry
from services.reconciler.workflow.records import (
    Outcome,
    OutcomeState,
    PassRecord,
    PassResult,
    Trigger,
)
from services.reconciler.workflow.state import WatchState
from services.reconciler.workflow.triggers import Cause
from tests.unit.reconciler.values import NOW


def at(after: float) -> datetime:
    return datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=after)


ABOUT = Subject("v", "n", "pv", "va", "s", "vsc", "d", "/p", "ns/c")
TOLD_ABOUT = api.Subject(
    volume_id="v",
    node="n",
    persistent_volume="pv",
    volume_attachment="va",
    snapshot_id="s",
    volume_snapshot_content="vsc",
    device="d",
    path="/p",
    claim="ns/c",
)
ACTION = Action(ActionKind.DELETE_ORPHAN, "f", ABOUT, "remove it", "nobody needs it")
DECISION = OrphanDecision(DecisionKind.IGNORED, "print", "ann", "kept", NOW, NOW + 60)
ORPHAN = Orphan(ItemKind.SUBVOLUME, "rds", "/pool/x", 7, "print", DECISION)
TOLD_ORPHAN = api.Orphan(
    kind=admin.ItemKind.SUBVOLUME,
    device="rds",
    id="/pool/x",
    size_bytes=7,
    fingerprint="print",
    decision=api.Decision(
        kind=api.DecisionKind.IGNORED, by="ann", reason="kept", at=at(0), until=at(60)
    ),
)
RECORD = PassRecord(
    number=7,
    trigger=Trigger.RECONNECT,
    started_at=NOW,
    dry_run=True,
    ended_at=NOW + 5,
    result=PassResult.FAILED_ACTIONS,
    message="as it was",
    findings=3,
    planned=4,
    outcomes=[
        *[Outcome(ACTION, OutcomeState.DONE)] * 2,
        *[Outcome(ACTION, OutcomeState.FAILED, "busy")] * 3,
        Outcome(ACTION, OutcomeState.DROPPED),
    ],
)
TOLD_PASS = api.Pass(
    number=7,
    trigger=api.Trigger.RECONNECT,
    dry_run=True,
    started_at=at(0),
    ended_at=at(5),
    result=api.PassResult.FAILED_ACTIONS,
    message="as it was",
    findings=3,
    actions_planned=4,
    actions_done=2,
    actions_failed=3,
)


def told_action(state: api.ActionState, error: str = "") -> api.Action:
    return api.Action(
        kind=api.ActionKind.DELETE_ORPHAN,
        state=state,
        subject=TOLD_ABOUT,
        text="remove it",
        error=error,
        finding_id="f",
    )


def entry(state: FindingState = FindingState.BACKING_OFF, kind: str = "ORPHAN_FILE") -> Entry:
    finding = Finding(
        *("f", FindingKind[kind], state, ABOUT, "a reason", "an advice", NOW),
        due=NOW + 9,
        actions=(ACTION,),
        orphan=ORPHAN,
    )
    return Entry(finding, NOW + 1, failures=2, last_error="busy", next_try=NOW + 5)


TOLD_FINDING = api.Finding(
    id="f",
    kind=api.FindingKind.ORPHAN_FILE,
    state=api.FindingState.BACKING_OFF,
    subject=TOLD_ABOUT,
    reason="a reason",
    next="an advice",
    first_seen_at=at(0),
    last_seen_at=at(1),
    due_at=at(9),
    actions=[told_action(api.ActionState.WAITING)],
    failures=2,
    last_error="busy",
    next_try_at=at(5),
    orphan=TOLD_ORPHAN,
)


def test_a_moment_is_told_in_universal_time_and_none_where_there_is_none() -> None:
    assert answers.moment(NOW) == at(0)
    assert answers.moment(NOW).tzinfo is UTC  # type: ignore[union-attr]
    assert (answers.moment(0.0), answers.moment(None)) == (None, None)


def test_a_pass_is_told_with_what_it_did() -> None:
    states = [api.ActionState.DONE] * 2 + [api.ActionState.FAILED] * 3 + [api.ActionState.WAITING]

    told = answers.render_run(RECORD)

    assert told == api.RunPassResponse(
        pass_=TOLD_PASS,
        actions=[
            told_action(state, "busy" if state is api.ActionState.FAILED else "")
            for state in states
        ],
        actions_total=6,
    )
    assert answers.render_pass(RECORD) == TOLD_PASS


def test_of_a_pass_five_hundred_actions_are_told() -> None:
    rehearsed = [Outcome(ACTION, None)] * 501

    told = answers.render_run(PassRecord(1, Trigger.TIMER, NOW, outcomes=rehearsed))

    assert told.actions == [told_action(api.ActionState.PLANNED)] * 500
    assert told.actions_total == 501


def test_a_finding_is_told_whole() -> None:
    assert answers.render_entry(entry()) == TOLD_FINDING


@pytest.mark.parametrize("change", Change)
def test_a_change_is_told_with_its_finding_and_when_it_was_seen(change: Change) -> None:
    told = answers.render_change(change, entry())

    assert told == api.FindingChange(change=api.Change[change.name], finding=TOLD_FINDING, at=at(1))


def test_a_pause_is_told_whole() -> None:
    told = answers.render_paused(Pause("work", "ann", NOW, NOW + 60))

    assert told == api.Paused(reason="work", by="ann", since=at(0), until=at(60))


def test_how_a_collection_is_known_is_told_whole() -> None:
    state = WatchState("nodes", synced=True, objects=3, heard_at=NOW, error="why")

    assert answers.render_watch(state) == api.Watched(
        resource="nodes", synced=True, objects=3, heard_at=at(0), error="why"
    )


def test_findings_are_counted_by_their_kinds_in_the_order_of_their_names() -> None:
    kinds = ["UNREADABLE", "NODE_GONE", "ORPHAN_FILE", "NODE_GONE"]

    told = answers.render_counts([entry(kind=kind) for kind in kinds])

    assert told == [
        api.FindingCount(kind=api.FindingKind.NODE_GONE, count=2),
        api.FindingCount(kind=api.FindingKind.ORPHAN_FILE, count=1),
        api.FindingCount(kind=api.FindingKind.UNREADABLE, count=1),
    ]


@pytest.mark.parametrize(
    ("waiting", "length", "since"), [(Cause(Trigger.NODE, NOW), 1, at(0)), (None, 0, None)]
)
def test_what_waits_is_told_as_two_queues(
    waiting: Cause | None, length: int, since: datetime | None
) -> None:
    told = list(answers.render_queues(waiting, "abc", "d"))

    assert told == [
        api.Queue(name="events", length=length, oldest_since=since),
        api.Queue(name="actions", length=3, backing_off=1),
    ]
