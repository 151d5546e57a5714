"""What the reconciler's admin API tells of attachments and of a volume, with every field."""

from datetime import UTC, datetime, timedelta

from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler import servicer_answers as answers
from services.reconciler.findings import (
    Finding,
    FindingKind,
    FindingState,
    Subject,
)
from services.reconciler.model import Ready
from services.reconciler.workflow.attaching import Attached, AttachedVolume, Wanted
from services.reconciler.workflow.board import Entry
from services.reconciler.workflow.explaining import Explained, VolumeOnDevice
from tests.unit.reconciler.values import NOW, V1, in_use, node, pv, va


def at(after: float) -> datetime:
    return datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=after)


ENTRY = Entry(
    Finding("f", FindingKind.NODE_GONE, FindingState.WAITING, Subject(volume_id=V1), "r", "n", NOW),
    NOW + 1,
)
HELD = va(
    created=NOW,
    deleting_since=NOW + 1,
    attach_error="not yet",
    detach_error="not ever",
    finalizers=("a/b", "c/d"),
)
TOLD_HELD = api.VolumeAttachment(
    name=HELD.name,
    uid=HELD.uid,
    node="a",
    attached=True,
    created_at=at(0),
    deleting_since=at(1),
    finalizers=["a/b", "c/d"],
    attach_error="not yet",
    detach_error="not ever",
)
THERE = node("a", Ready.YES, ready_since=NOW, out_of_service=True, **in_use(V1))
TOLD_THERE = api.Node(
    name="a",
    exists=True,
    ready=True,
    ready_changed_at=at(0),
    out_of_service=True,
    reports_volume=True,
)
AT_CONTROLLER = admin.Attachment(volume_id=V1, node_id="a")


def test_an_attachment_is_told_whole() -> None:
    full = AttachedVolume(V1, "a", HELD, AT_CONTROLLER, THERE, finding_ids=["f", "g"])
    rest = [AttachedVolume("w", "b"), AttachedVolume("x", "b", node_known=False)]
    listing = Attached(Wanted(), (full, *rest, full), NOW, NOW + 2, ("why", "so"))

    told = answers.render_attached(listing, [full, *rest], "next")

    assert told == api.ListAttachmentsResponse(
        attachments=[
            api.AttachmentRow(
                volume_id=V1,
                node="a",
                volume_attachment=TOLD_HELD,
                at_controller=AT_CONTROLLER,
                node_state=TOLD_THERE,
                finding_ids=["f", "g"],
            ),
            api.AttachmentRow(volume_id="w", node="b", node_state=api.Node(name="b")),
            api.AttachmentRow(volume_id="x", node="b"),
        ],
        next_page_token="next",
        total=4,
        as_of=at(2),
        unknown=["why", "so"],
    )


def test_all_that_is_known_of_a_volume_is_told_whole() -> None:
    volume = pv(
        phase="Released",
        storage_class="fast",
        reclaim_policy="Retain",
        capacity=9,
        access_modes=("ReadWriteOnce",),
        created=NOW,
        deleting_since=NOW + 3,
        finalizers=("a/b",),
    )
    disk, snapshot = admin.Volume(volume_id=V1, path="/p/x"), admin.Snapshot(snapshot_id="s")
    leftover = admin.Leftover(path="/p/l")
    on_device = VolumeOnDevice("rds", disk, (AT_CONTROLLER,), (snapshot,), (leftover,), ("so",))
    nodes = {"a": THERE, "b": None, "c": node("c", Ready.NO)}
    explained = Explained(V1, volume, (HELD,), nodes, on_device, (ENTRY,), ("why",))

    told = answers.render_explained(explained)

    assert told == api.ExplainVolumeResponse(
        volume_id=V1,
        sentences=list(explained.sentences()),
        persistent_volume=api.PersistentVolume(
            name=V1,
            phase="Released",
            claim=f"ns/{V1}",
            reclaim_policy="Retain",
            storage_class="fast",
            capacity_bytes=9,
            access_modes=["ReadWriteOnce"],
            created_at=at(0),
            deleting_since=at(3),
            finalizers=["a/b"],
        ),
        attachments=[TOLD_HELD],
        nodes=[TOLD_THERE, api.Node(name="b"), api.Node(name="c", exists=True)],
        volume=disk,
        device_attachments=[AT_CONTROLLER],
        snapshots=[snapshot],
        leftovers=[leftover],
        findings=[answers.render_entry(ENTRY)],
        unknown=["why"],
        device="rds",
    )
