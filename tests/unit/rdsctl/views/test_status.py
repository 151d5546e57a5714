"""What `rdsctl status`, `pause` and `volume` say."""

from datetime import UTC, datetime, timedelta

import pytest

from protos.gen.rdscsi.controller.v1 import (
    Connection,
    ConnectionState,
    HalfState,
    ItemKind,
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
    Watched,
)
from rdsctl.blocks import Block, Facts, Line, Table, Tone
from rdsctl.views import status, volume

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGO, LATER = NOW - timedelta(hours=3), NOW + timedelta(hours=5)


def facts(blocks: tuple[Block, ...], title: str = "") -> dict[str, str]:
    (found,) = (b for b in blocks if isinstance(b, Facts) and b.title == title)
    return {name: cell.text for name, cell in found.pairs}


def rows(blocks: tuple[Block, ...], title: str) -> list[list[str]]:
    (found,) = (b for b in blocks if isinstance(b, Table) and b.title == title)
    return [[cell.text for cell in row] for row in found.rows]


# Status

SOUND = GetStatusResponse(
    replica="r1",
    holder="r1",
    is_leader=True,
    lease_renewed_at=NOW,
    lease_expires_at=LATER,
    controller=ControllerLink(address="c:1", connected=True),
    last_pass=Pass(number=3, result=PassResult.DONE, ended_at=AGO),
    next_pass_at=LATER,
)


def test_a_reconciler_that_does_its_work_says_so_first() -> None:
    blocks = status.render(SOUND, NOW, wide=False)

    assert blocks[0] == Line("The reconciler does its work.", Tone.GOOD)
    said = facts(blocks)
    assert said["Replica"] == "r1 (the leader)"
    assert said["Next pass"] == "in 5h, or earlier"
    assert said["Controller"] == "c:1, connected"
    assert said["Orphans"] == "removed when due"
    assert said["Last pass"].startswith("number 3 (no reason given), 3h ago: done")
    assert "Running" not in said


def test_a_replica_that_knows_nothing_yet_says_that() -> None:
    given = GetStatusResponse(orphans_dry_run=True, holder="r2", current_pass=Pass(started_at=AGO))

    said = facts(status.render(given, NOW, wide=False))

    assert said["Replica"] == "- (standing by; r2 leads)"
    assert said["Last pass"] == "none yet"
    assert said["Next pass"] == "not known"
    assert said["Controller"] == "not known yet"
    assert said["Orphans"] == "only reported"
    assert said["Running"].endswith("3h so far")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (GetStatusResponse(), "No replica leads, so nothing is repaired."),
        (
            GetStatusResponse(holder="r1", lease_expires_at=AGO),
            "The lease of r1 ran out 3h ago; nobody took over.",
        ),
        (
            GetStatusResponse(holder="r1", paused=Paused(since=AGO)),
            "Paused: no reason given (somebody, 3h ago; until somebody resumes).",
        ),
        (
            GetStatusResponse(holder="r1", last_pass=Pass(result=PassResult.STOPPED)),
            "The last pass did not go well: stopped",
        ),
        (
            GetStatusResponse(holder="r1", last_pass=Pass(result=PassResult.FAILED, message="x")),
            "The last pass did not go well: x",
        ),
        (
            GetStatusResponse(
                holder="r1", controller=ControllerLink(address="c:1", error="refused")
            ),
            "The controller at c:1 is not reached: refused",
        ),
        (
            GetStatusResponse(holder="r1", watched=[Watched(resource="nodes", error="403")]),
            "nodes are not kept up to date: 403",
        ),
        (
            GetStatusResponse(
                holder="r1",
                devices=[Connection(device="rds", state=ConnectionState.AWAY, reason="silence")],
            ),
            "The device rds is away: silence",
        ),
    ],
)
def test_what_keeps_it_from_its_work_is_a_sentence(given: GetStatusResponse, problem: str) -> None:
    assert status.problems(given, NOW) == [problem]
    assert status.render(given, NOW, wide=False)[0] == Line(problem, Tone.BAD)


def test_a_lease_that_only_the_clock_here_calls_over_is_no_problem() -> None:
    given = GetStatusResponse(holder="r1", lease_expires_at=NOW - timedelta(seconds=29))

    assert status.problems(given, NOW) == []


def test_what_is_in_order_is_no_problem() -> None:
    given = GetStatusResponse(
        holder="r1",
        watched=[Watched(resource="nodes", synced=True)],
        devices=[Connection(device="rds", state=ConnectionState.UP)],
    )

    assert status.problems(given, NOW) == []


@pytest.mark.parametrize(("wide", "queues", "watched"), [(False, 1, 1), (True, 2, 2)])
def test_empty_queues_and_what_is_up_to_date_are_for_the_wide_form(
    wide: bool,  # noqa: FBT001 (a case)
    queues: int,
    watched: int,
) -> None:
    given = GetStatusResponse(
        queues=[Queue(name="empty"), Queue(name="full", length=2, oldest_since=AGO)],
        watched=[Watched(resource="nodes", synced=True), Watched(resource="pods")],
        findings=[FindingCount(kind=FindingKind.NODE_GONE, count=4)],
        devices=[Connection(device="rds", state=ConnectionState.UP, changed_at=AGO)],
    )

    blocks = status.render(given, NOW, wide=wide)

    assert len(rows(blocks, "Waiting")) == queues
    assert len(rows(blocks, "Watched")) == watched
    assert rows(blocks, "Findings") == [["node-gone", "4"]]
    assert rows(blocks, "Devices") == [["rds", "up", "3h", "0", "-"]]


def test_a_pause_says_how_it_ends() -> None:
    first, second = status.render_pause(Paused(since=AGO, by="ann", reason="x", until=LATER), NOW)

    assert first == Line("Paused: x (ann, 3h ago; resumes in 5h).", Tone.WARN)
    assert isinstance(second, Line)
    assert "rdsctl resume" in second.text


# One volume


def test_a_volume_that_only_its_id_is_known_of_has_no_facts() -> None:
    blocks = volume.render(
        ExplainVolumeResponse(volume_id="v", unknown=["no device"]), NOW, wide=False
    )

    assert blocks[0] == Line("Volume v on device -", Tone.STRONG)
    assert blocks[1] == Line("Not known: no device", Tone.WARN)
    assert not [block for block in blocks if isinstance(block, Facts)]


def test_all_that_is_known_of_a_volume_is_there_piece_by_piece() -> None:
    answer = ExplainVolumeResponse(
        volume_id="v",
        device="rds",
        sentences=["It is on node a."],
        persistent_volume=PersistentVolume(name="pv", created_at=AGO),
        volume=Volume(slot="v", path="/p/v.img", half_state=HalfState.WHOLE, file_present=True),
        nodes=[
            Node(name="a", exists=True, ready=True, reports_volume=True),
            Node(name="b", out_of_service=True),
        ],
        snapshots=[Snapshot(snapshot_id="s", created_at=AGO, ready=True, size_bytes=1 << 30)],
        leftovers=[Leftover(path="/p/x.img", kind=ItemKind.FILE, half_state=HalfState.NO_DISK)],
    )

    blocks = volume.render(answer, NOW, wide=False)

    assert blocks[1] == Line("It is on node a.")
    assert facts(blocks, "PersistentVolume")["Made"] == "3h ago"
    assert "Deleting" not in facts(blocks, "PersistentVolume")
    assert rows(blocks, "Nodes") == [
        ["a", "yes", "-", "no", "yes"],
        ["b", "gone", "-", "yes", "no"],
    ]
    assert rows(blocks, "Snapshots") == [["s", "1 GiB", "3h", "yes", "-"]]
    assert rows(blocks, "Left over on the device") == [["/p/x.img", "file", "-", "no-disk"]]


def test_an_object_that_is_being_deleted_says_what_keeps_it() -> None:
    kept = PersistentVolume(name="pv", deleting_since=AGO, finalizers=["x/a"])

    said = facts(
        volume.render(ExplainVolumeResponse(persistent_volume=kept), NOW, wide=False),
        "PersistentVolume",
    )

    assert said["Deleting"] == "for 3h; kept by x/a"


@pytest.mark.parametrize(
    ("there", "name", "text"),
    [
        (Volume(path="/p/v.img"), "File", "/p/v.img (missing)"),
        (Volume(path="/p/v.img", file_present=True), "File", "/p/v.img"),
        (Volume(), "Exported", "no"),
        (Volume(exported=True, nqn="n", port=4420), "Exported", "as n, port 4420"),
        (Volume(), "Lets in", "every host (not fenced)"),
        (Volume(fenced=True), "Lets in", "no host"),
        (Volume(fenced=True, allowed_hosts=["h1", "h2"]), "Lets in", "h1, h2"),
        (Volume(created_from="w"), "Copy of", "w"),
        (Volume(copying_to=["x", "y"]), "Copied to", "x, y"),
    ],
)
def test_a_volume_on_its_device_is_told_in_facts(there: Volume, name: str, text: str) -> None:
    blocks = volume.render(ExplainVolumeResponse(volume=there), NOW, wide=False)

    assert facts(blocks, "On the device")[name] == text


@pytest.mark.parametrize(
    ("answer", "is_good"),
    [
        (ExplainVolumeResponse(), True),
        (ExplainVolumeResponse(volume=Volume(half_state=HalfState.WHOLE)), True),
        (ExplainVolumeResponse(findings=[Finding(state=FindingState.RESOLVED)]), True),
        (ExplainVolumeResponse(volume=Volume(half_state=HalfState.NO_FILE)), False),
        (ExplainVolumeResponse(findings=[Finding(state=FindingState.ACTING)]), False),
        (ExplainVolumeResponse(unknown=["x"]), False),
    ],
)
def test_a_volume_is_good_where_all_is_known_whole_and_settled(
    answer: ExplainVolumeResponse,
    is_good: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert volume.is_good(answer) is is_good
