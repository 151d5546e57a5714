"""All that `rdsctl attachments` says, line by line and as JSON, and which findings go where."""

from datetime import UTC, datetime, timedelta

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
from rdsctl.jsonform import to_json
from rdsctl.views.attachments import KINDS, Row, document, render, rows_of_all, rows_of_volume
from tests.unit.rdsctl.views.lines import lines_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGO = NOW - timedelta(hours=3)


def whole() -> list[Row]:
    return [
        Row(
            "v",
            "a",
            VolumeAttachment(
                name="csi-1",
                attached=True,
                deleting_since=AGO,
                finalizers=["x/a", "x/b"],
                attach_error="late",
                detach_error="busy",
            ),
            Attachment(
                state=AttachmentState.ATTACHED,
                admission=Admission.NO_VOLUME,
                since=AGO,
                attachment_name="other",
            ),
            Node(name="a", exists=True, ready=True, out_of_service=True),
            [
                Finding(kind=FindingKind.NODE_GONE, state=FindingState.ACTING, reason="gone"),
                Finding(
                    kind=FindingKind.ATTACHMENT_STUCK, state=FindingState.IGNORED, reason="stuck"
                ),
            ],
        ),
        Row("w", "b", findings=[Finding(kind=FindingKind.NODE_GONE, state=FindingState.RESOLVED)]),
    ]


HEAD = "# : VOLUME | NODE | STATE | DEVICE | AGE | WRONG"
FIRST = (
    "v | a | being detached | no-volume (bad) | 3h | "
    "node-gone (acting): gone; attachment-stuck (ignored): stuck (bad)"
)
SECOND = "w | b | not attached | - | - | node-gone (resolved):"
TAIL = "2 attachments, 1 of them wrong. (faint)"


def test_attachments_are_told_line_by_line() -> None:
    assert lines_of(render(whole(), ["device b"], NOW, wide=False)) == [
        "Not known: device b (warn)",
        HEAD,
        FIRST,
        SECOND,
        TAIL,
    ]


def test_wide_attachments_say_what_keeps_them() -> None:
    assert lines_of(render(whole(), (), NOW, wide=True)) == [
        f"{HEAD} | NODE READY | VOLUMEATTACHMENT | DELETING FOR | FINALIZERS | ERROR",
        f"{FIRST} | yes, out of service | csi-1 | 3h | x/a, x/b | late; busy",
        f"{SECOND} | - | - | - | - | -",
        TAIL,
    ]


def test_attachments_of_which_none_is_wrong_are_said_to_be_so() -> None:
    assert lines_of(render([Row("v", "a")], (), NOW, wide=False)) == [
        HEAD,
        "v | a | not attached | - | - | -",
        "1 attachment, none of them wrong. (faint)",
    ]


def test_scripts_get_all_of_each_attachment() -> None:
    first, second = whole()

    assert document([first, second], []) == {
        "attachments": [
            {
                "volume_id": "v",
                "node": "a",
                "volume_attachment": "csi-1",
                "state": "attached",
                "wrong": True,
                "in_cluster": to_json(first.in_cluster),
                "at_controller": to_json(first.at_controller),
                "node_state": to_json(first.where),
                "findings": to_json(first.findings),
            },
            {
                "volume_id": "w",
                "node": "b",
                "volume_attachment": "",
                "state": None,
                "wrong": False,
                "in_cluster": None,
                "at_controller": None,
                "node_state": None,
                "findings": to_json(second.findings),
            },
        ],
        "whole": True,
        "unknown": [],
    }


def test_a_row_has_all_that_the_answer_says_of_it() -> None:
    in_cluster, known = VolumeAttachment(name="csi-1"), Attachment(node_id="a")
    where, finding = Node(name="a"), Finding(id="f")
    item = AttachmentRow(
        volume_id="v",
        node="a",
        volume_attachment=in_cluster,
        at_controller=known,
        node_state=where,
        finding_ids=["f"],
    )

    assert rows_of_all(ListAttachmentsResponse(attachments=[item]), [finding]) == [
        Row("v", "a", in_cluster, known, where, [finding])
    ]


def test_kinds_of_findings_about_attachments_are_told_of_a_volume_and_no_others() -> None:
    about = Subject(node="a")
    answer = ExplainVolumeResponse(
        attachments=[VolumeAttachment(name="csi-1", node="a")],
        findings=[Finding(id=str(kind.value), kind=kind, subject=about) for kind in FindingKind],
    )

    (row,) = rows_of_volume(answer)

    assert [finding.kind for finding in row.findings] == [
        FindingKind.NODE_GONE,
        FindingKind.NODE_OUT_OF_SERVICE,
        FindingKind.NODE_NOT_READY,
        FindingKind.ATTACHMENT_UNUSED,
        FindingKind.ATTACHMENT_STUCK,
        FindingKind.FENCING_MISMATCH,
        FindingKind.MIGRATION_OVERDUE,
    ]
    assert len(KINDS) == 7


@pytest.mark.parametrize(
    ("known", "names"),
    [
        (Attachment(node_id="a", attachment_uid="1"), ["1"]),
        (Attachment(node_id="a"), [""]),
        (Attachment(node_id="a", attachment_uid="2"), [None, "2"]),
        (Attachment(node_id="b", attachment_uid="1"), [None, "1"]),
        (Attachment(node_id="b"), [None, ""]),
    ],
)
def test_a_claim_belongs_to_the_object_on_its_node_with_its_uid_or_with_none(
    known: Attachment, names: list[str | None]
) -> None:
    answer = ExplainVolumeResponse(
        attachments=[VolumeAttachment(name="csi-1", node="a", uid="1")],
        device_attachments=[known],
    )

    rows = rows_of_volume(answer)

    assert [row.at_controller and row.at_controller.attachment_uid for row in rows] == names


def test_of_two_claims_of_one_object_the_second_has_a_row_of_its_own() -> None:
    answer = ExplainVolumeResponse(
        attachments=[VolumeAttachment(name="csi-1", node="a", uid="1")],
        device_attachments=[
            Attachment(node_id="a", attachment_uid="1", since=NOW),
            Attachment(node_id="a", attachment_uid="1", since=AGO),
        ],
    )

    rows = rows_of_volume(answer)

    assert [
        (row.in_cluster is not None, row.at_controller and row.at_controller.since) for row in rows
    ] == [(True, NOW), (False, AGO)]


def test_a_claim_without_an_object_never_takes_the_row_of_another_one() -> None:
    answer = ExplainVolumeResponse(
        volume_id="v",
        attachments=[VolumeAttachment(name="csi-1", node="a")],
        device_attachments=[Attachment(node_id="b"), Attachment(node_id="b"), Attachment("v", "a")],
        nodes=[Node(name="b", ready=True), Node(name="a")],
    )

    rows = rows_of_volume(answer)

    assert [(row.volume_id, row.node, row.attachment_name, row.where) for row in rows] == [
        ("v", "a", "csi-1", Node(name="a")),
        ("v", "b", "", Node(name="b", ready=True)),
        ("v", "b", "", Node(name="b", ready=True)),
    ]


def test_a_row_is_named_after_the_first_finding_that_has_a_subject() -> None:
    nameless = Row("v", "a", findings=[Finding()])
    named = Row("v", "a", findings=[Finding(), Finding(subject=Subject(volume_attachment="csi-1"))])

    assert (nameless.attachment_name, named.attachment_name) == ("", "csi-1")
