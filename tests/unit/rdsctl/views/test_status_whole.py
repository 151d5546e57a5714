"""All that `rdsctl status` and `rdsctl volume` say, line by line."""

from datetime import UTC, datetime, timedelta

import pytest

from protos.gen.rdscsi.controller.v1 import (
    Connection,
    ConnectionState,
    HalfState,
    ItemKind,
    Layout,
    Leftover,
    Snapshot,
    Volume,
)
from protos.gen.rdscsi.reconciler.v1 import (
    ControllerLink,
    ExplainVolumeResponse,
    Finding,
    FindingCount,
    FindingKind,
    FindingState,
    GetStatusResponse,
    Node,
    Pass,
    PassResult,
    Paused,
    PersistentVolume,
    Queue,
    Trigger,
    VolumeAttachment,
    Watched,
)
from rdsctl.views import status, volume
from tests.unit.rdsctl.views.lines import lines_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGO, LATER = NOW - timedelta(hours=3), NOW + timedelta(hours=5)


def reconciler() -> GetStatusResponse:
    return GetStatusResponse(
        replica="r1",
        version="1.2",
        holder="r2",
        lease_renewed_at=AGO,
        lease_expires_at=LATER,
        controller=ControllerLink(address="c:1", error="refused"),
        last_pass=Pass(
            number=3,
            trigger=Trigger.TIMER,
            result=PassResult.INCOMPLETE,
            ended_at=AGO,
            findings=2,
            actions_planned=1,
            actions_failed=1,
        ),
        current_pass=Pass(number=4, trigger=Trigger.REQUEST, started_at=AGO),
        next_pass_at=LATER,
        orphans_dry_run=True,
        findings=[FindingCount(kind=FindingKind.NODE_GONE, count=2)],
        devices=[
            Connection(device="a", state=ConnectionState.UP, changed_at=AGO, reconnects=7),
            Connection(device="b", state=ConnectionState.CONNECTING, reason="silence"),
            Connection(device="c", state=ConnectionState.AWAY, changed_at=AGO, reason="gone"),
        ],
        queues=[Queue(name="idle"), Queue("events", 5, 2, AGO)],
        watched=[
            Watched(resource="pods", synced=True, objects=9, heard_at=AGO),
            Watched(resource="nodes", synced=False, objects=3, heard_at=AGO, error="403"),
        ],
    )


SAID = [
    "The last pass did not go well: incomplete (bad)",
    "The controller at c:1 is not reached: refused (bad)",
    "nodes are not kept up to date: 403 (bad)",
    "The device c is away: gone (bad)",
    "= ",
    "Replica: r1 (standing by; r2 leads)",
    "Lease: renewed 3h ago, ends in 5h",
    (
        "Last pass: number 3 (timer), 3h ago: incomplete, 2 findings, 1 action planned, 0 done, "
        "1 failed (bad)"
    ),
    "Running: number 4 (request), 3h so far",
    "Next pass: in 5h, or earlier",
    "Orphans: only reported",
    "Controller: c:1, not connected",
    "Version: 1.2",
    "# Findings: KIND | COUNT",
    "node-gone | 2",
    "# Devices: DEVICE | STATE | FOR | RECONNECTS | REASON",
    "a | up (good) | 3h | 7 | -",
    "b | connecting (warn) | - | 0 | silence",
    "c | away (bad) | 3h | 0 | gone",
]


def test_the_status_is_told_line_by_line() -> None:
    assert lines_of(status.render(reconciler(), NOW, wide=False)) == [
        *SAID,
        "# Waiting: QUEUE | LENGTH | AFTER A FAILURE | OLDEST",
        "events | 5 | 2 | 3h",
        "# Watched: RESOURCE | UP TO DATE | OBJECTS | LAST HEARD | ERROR",
        "nodes | no (bad) | 3 | 3h ago | 403",
    ]


def test_a_wide_status_has_what_is_in_order_too() -> None:
    assert lines_of(status.render(reconciler(), NOW, wide=True)) == [
        *SAID,
        "# Waiting: QUEUE | LENGTH | AFTER A FAILURE | OLDEST",
        "idle | 0 | 0 | -",
        "events | 5 | 2 | 3h",
        "# Watched: RESOURCE | UP TO DATE | OBJECTS | LAST HEARD | ERROR",
        "pods | yes (good) | 9 | 3h ago | -",
        "nodes | no (bad) | 3 | 3h ago | 403",
    ]


@pytest.mark.parametrize(("late", "wrong"), [(0, 0), (30, 0), (31, 1)])
def test_a_lease_ran_out_where_it_is_over_by_more_than_clocks_differ(late: int, wrong: int) -> None:
    given = GetStatusResponse(holder="r1", lease_expires_at=NOW - timedelta(seconds=late))

    assert len(status.problems(given, NOW)) == wrong


@pytest.mark.parametrize(
    ("result", "is_bad"),
    [
        (PassResult.UNSPECIFIED, False),
        (PassResult.DONE, False),
        (PassResult.INCOMPLETE, True),
        (PassResult.STOPPED, True),
        (PassResult.FAILED_ACTIONS, True),
        (PassResult.FAILED, True),
    ],
)
def test_a_pass_that_was_not_done_is_a_problem(*, result: PassResult, is_bad: bool) -> None:
    given = GetStatusResponse(holder="r1", last_pass=Pass(result=result))

    assert bool(status.problems(given, NOW)) is is_bad


@pytest.mark.parametrize(
    ("paused", "text"),
    [
        (
            Paused(),
            "Paused: no reason given (somebody, at an unknown time; until somebody resumes)",
        ),
        (
            Paused(since=AGO, by="ann", reason="work", until=LATER),
            "Paused: work (ann, 3h ago; resumes in 5h)",
        ),
    ],
)
def test_a_pause_is_told_with_its_end(paused: Paused, text: str) -> None:
    assert lines_of(status.render_pause(paused, NOW)) == [
        f"{text}. (warn)",
        "Nothing is repaired until then. End it with: rdsctl resume (faint)",
    ]


# One volume


def explained() -> ExplainVolumeResponse:
    return ExplainVolumeResponse(
        volume_id="v",
        device="rds",
        sentences=["It is\non node a."],
        unknown=["device b"],
        findings=[
            Finding(kind=FindingKind.NODE_GONE, state=FindingState.ACTING, reason="it is gone")
        ],
        persistent_volume=PersistentVolume(
            name="pv",
            phase="Bound",
            claim="ns/data",
            storage_class="fast",
            capacity_bytes=2 << 30,
            access_modes=["ReadWriteOnce", "ReadOnlyMany"],
            reclaim_policy="Delete",
            created_at=AGO,
            deleting_since=AGO,
            finalizers=["x/a", "x/b"],
        ),
        volume=Volume(
            slot="s",
            size_bytes=1 << 30,
            path="/p/v.img",
            layout=Layout.SUBVOLUME,
            half_state=HalfState.NO_FILE,
        ),
        attachments=[VolumeAttachment(name="csi-1", node="a", attached=True, created_at=AGO)],
        nodes=[
            Node(name="a", exists=True, ready=True, ready_changed_at=AGO, reports_volume=True),
            Node(name="b", exists=True, out_of_service=True),
            Node(name="c"),
        ],
        snapshots=[Snapshot(snapshot_id="s1", created_at=AGO, size_bytes=1 << 30, path="/p/s1")],
        leftovers=[Leftover(path="/p/x.img", kind=ItemKind.FILE, half_state=HalfState.NO_DISK)],
    )


def test_a_volume_is_told_line_by_line() -> None:
    assert lines_of(volume.render(explained(), NOW, wide=False)) == [
        "Volume v on device rds (strong)",
        "It is on node a.",
        "Not known: device b (warn)",
        "# Findings: KIND | STATE | SUBJECT | NODE | AGE | REASON",
        "node-gone | acting (warn) | - | - | - | it is gone",
        "= PersistentVolume",
        "Name: pv",
        "Phase: Bound",
        "Claim: ns/data",
        "Class: fast",
        "Capacity: 2 GiB",
        "Access: ReadWriteOnce, ReadOnlyMany",
        "Reclaim: Delete",
        "Made: 3h ago",
        "Deleting: for 3h; kept by x/a, x/b (warn)",
        "= On the device",
        "State: no-file (bad)",
        "Slot: s",
        "Size: 1 GiB",
        "File: /p/v.img (missing)",
        "Layout: subvolume",
        "Exported: no",
        "Lets in: every host (not fenced)",
        "# Attachments: VOLUME | NODE | STATE | DEVICE | AGE | WRONG",
        "v | a | attached | - | 3h | -",
        "# Nodes: NODE | READY | FOR | OUT OF SERVICE | REPORTS THE VOLUME",
        "a | yes (good) | 3h | no | yes",
        "b | no (bad) | - | yes | no",
        "c | gone (bad) | - | no | no",
        "# Snapshots: SNAPSHOT | SIZE | AGE | READY | PATH",
        "s1 | 1 GiB | 3h | no | /p/s1",
        "# Left over on the device: PATH | KIND | SIZE | STATE",
        "/p/x.img | file | - | no-disk",
    ]


@pytest.mark.parametrize(
    ("half", "state", "is_good"),
    [
        (HalfState.UNSPECIFIED, "State: - (good)", True),
        (HalfState.WHOLE, "State: whole (good)", True),
        (HalfState.NO_DISK, "State: no-disk (bad)", False),
    ],
)
def test_a_volume_that_is_whole_is_good(*, half: HalfState, state: str, is_good: bool) -> None:
    answer = ExplainVolumeResponse(volume=Volume(half_state=half))

    assert state in lines_of(volume.render(answer, NOW, wide=False))
    assert volume.is_good(answer) is is_good
