"""What `rdsctl attachments` and `rdsctl volume` say of who has a volume."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from protos.gen.rdscsi.controller.v1 import Admission, Attachment, AttachmentState
from protos.gen.rdscsi.reconciler.v1 import (
    AttachmentRow,
    ExplainVolumeResponse,
    Finding,
    FindingKind,
    FindingState,
    ListAttachmentsResponse,
    Node,
    Subject,
    VolumeAttachment,
)
from rdsctl.blocks import Block, Cell, Line, Table, Tone
from rdsctl.views.attachments import Row, document, render, rows_of_all, rows_of_volume

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGO = NOW - timedelta(hours=3)
STUCK = FindingKind.ATTACHMENT_STUCK


def finding(key: str = "f", state: FindingState = FindingState.FOR_PEOPLE, **about: str) -> Finding:
    return Finding(id=key, kind=STUCK, state=state, reason="look at it", subject=Subject(**about))


def table_of(blocks: tuple[Block, ...]) -> Table:
    (found,) = (block for block in blocks if isinstance(block, Table))
    return found


def shown(row: Row, *, wide: bool = False) -> dict[str, str]:
    table = table_of(render([row], (), NOW, wide=wide))
    return dict(zip(table.headings, (cell.text for cell in table.rows[0]), strict=True))


def test_nothing_is_attached_where_all_is_known() -> None:
    assert render([], (), NOW, wide=False) == (Line("Nothing is attached.", Tone.GOOD),)


def test_what_is_not_known_is_said_first_and_is_not_nothing() -> None:
    said = render([], ["device rds\n is away"], NOW, wide=False)

    assert said == (
        Line("Not known: device rds  is away", Tone.WARN),
        Line("No attachment is known.", Tone.WARN),
    )


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (Row("v", "a"), "not attached"),
        (Row("v", "a", VolumeAttachment(attached=True)), "attached"),
        (Row("v", "a", VolumeAttachment()), "being attached"),
        (Row("v", "a", VolumeAttachment(attached=True, deleting_since=AGO)), "being detached"),
        (Row("v", "a", at_controller=Attachment(state=AttachmentState.ATTACHED)), "attached"),
        (Row("v", "a", VolumeAttachment(attached=True), Attachment()), "attached"),
        (
            Row(
                "v",
                "a",
                VolumeAttachment(attached=True, deleting_since=AGO),
                Attachment(state=AttachmentState.DETACHED),
            ),
            "detached, not gone yet",
        ),
    ],
)
def test_what_the_controller_says_of_an_attachment_counts_before_the_cluster(
    row: Row, words: str
) -> None:
    assert shown(row)["STATE"] == words


def test_the_age_is_that_of_the_claim_or_else_of_the_object() -> None:
    in_cluster = VolumeAttachment(created_at=AGO)

    assert (
        shown(Row("v", "a", in_cluster, Attachment(since=NOW - timedelta(hours=5))))["AGE"] == "5h"
    )
    assert shown(Row("v", "a", in_cluster))["AGE"] == "3h"
    assert shown(Row("v", "a"))["AGE"] == "-"


def test_a_finding_makes_a_row_wrong_until_it_is_settled() -> None:
    wrong = Row("v", "a", findings=[finding()])
    left = Row("v", "b", findings=[finding(state=FindingState.IGNORED)])

    said = render([wrong, left], (), NOW, wide=False)

    cells = [row[-1] for row in table_of(said).rows]
    assert cells == [
        Cell("attachment-stuck (for-people): look at it", Tone.BAD),
        Cell("attachment-stuck (ignored): look at it", Tone.PLAIN),
    ]
    assert said[-1] == Line("2 attachments, 1 of them wrong.", Tone.FAINT)


def test_a_node_that_the_device_shuts_out_stands_out() -> None:
    row = Row("v", "a", at_controller=Attachment(admission=Admission.SHUT_OUT))

    table = table_of(render([row], (), NOW, wide=False))

    assert table.rows[0][3] == Cell("shut-out", Tone.BAD)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (None, "-"),
        (Node(name="a"), "gone"),
        (Node(name="a", exists=True, ready=True), "yes"),
        (Node(name="a", exists=True), "no"),
        (Node(name="a", exists=True, out_of_service=True), "no, out of service"),
    ],
)
def test_a_wide_row_says_how_the_node_is(node: Node | None, words: str) -> None:
    assert shown(Row("v", "a", where=node), wide=True)["NODE READY"] == words


def test_a_wide_row_says_why_an_object_stays() -> None:
    in_cluster = VolumeAttachment(
        name="csi-1", deleting_since=AGO, finalizers=["x/a", "x/b"], detach_error="busy"
    )

    row = shown(Row("v", "a", in_cluster), wide=True)

    assert row["VOLUMEATTACHMENT"] == "csi-1"
    assert row["DELETING FOR"] == "3h"
    assert row["FINALIZERS"] == "x/a, x/b"
    assert row["ERROR"] == "busy"


def test_those_that_are_wrong_come_first_with_the_findings_that_are_known() -> None:
    answer = ListAttachmentsResponse(
        attachments=[
            AttachmentRow(volume_id="fine", node="a"),
            AttachmentRow(volume_id="bad", node="a", finding_ids=["f", "forgotten"]),
        ]
    )

    rows = rows_of_all(answer, [finding("f"), finding("g")])

    assert [(row.volume_id, [one.id for one in row.findings]) for row in rows] == [
        ("bad", ["f"]),
        ("fine", []),
    ]


def test_of_two_objects_to_one_node_each_meets_its_own_claim() -> None:
    answer = ExplainVolumeResponse(
        volume_id="v",
        attachments=[
            VolumeAttachment(name="old", node="a", uid="1"),
            VolumeAttachment(name="new", node="a", uid="2"),
        ],
        device_attachments=[
            Attachment(node_id="a", attachment_uid="2"),
            Attachment(node_id="a", attachment_uid="1"),
            Attachment(node_id="b", attachment_name="csi-b"),
        ],
        nodes=[Node(name="b")],
    )

    rows = rows_of_volume(answer)

    assert [
        (r.attachment_name, r.at_controller and r.at_controller.attachment_uid) for r in rows
    ] == [
        ("old", "1"),
        ("new", "2"),
        ("csi-b", ""),
    ]
    assert rows[2].where == Node(name="b")


def test_a_finding_is_about_the_object_that_it_names_or_else_about_the_node() -> None:
    of_object = finding("o", volume_attachment="old", node="b")
    of_node = finding("n", node="b")
    of_neither = Finding(id="x", kind=STUCK)
    of_another_kind = Finding(id="y", kind=FindingKind.ORPHAN_FILE, subject=Subject(node="b"))
    answer = ExplainVolumeResponse(
        attachments=[
            VolumeAttachment(name="old", node="a"),
            VolumeAttachment(name="new", node="b"),
        ],
        findings=[of_object, of_node, of_neither, of_another_kind],
    )

    rows = rows_of_volume(answer)

    assert [[one.id for one in row.findings] for row in rows] == [["o"], ["n"]]


def test_a_row_without_object_and_claim_has_the_name_that_its_finding_says() -> None:
    assert Row("v", "a", findings=[finding(volume_attachment="csi-1")]).attachment_name == "csi-1"


def test_scripts_get_each_side_and_whether_all_was_known() -> None:
    made: Any = document([Row("v", "a", VolumeAttachment(name="csi-1")), Row("w", "a")], ["x"])

    first, second = made["attachments"]
    assert (made["whole"], made["unknown"]) == (False, ["x"])
    assert (first["state"], first["in_cluster"]["name"]) == ("pending", "csi-1")
    assert first["at_controller"] is None
    assert second["state"] is None
