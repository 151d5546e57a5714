"""The values that decisions are made of: names, what is so where nothing is said, and guards."""

from enum import Enum

import pytest

from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler.findings import (
    ATTACHMENT_KINDS,
    Action,
    ActionKind,
    Decision,
    Finding,
    FindingKind,
    FindingState,
    Guard,
    Notice,
    Orphan,
    Subject,
    orphan_key,
    reports,
)
from services.reconciler.memory import DecisionKind, Memory
from services.reconciler.model import (
    Admission,
    AttachmentState,
    DeviceListing,
    HalfState,
    ItemKind,
    Leftover,
    Listing,
    Node,
    PersistentVolume,
    Ready,
    Snapshot,
    SnapshotContent,
    Volume,
    VolumeAttachment,
)
from services.reconciler.ports import DeviceLink
from services.reconciler.workflow.state import ControllerState, LeaseState, WatchState
from tests.unit.reconciler.values import NOW, V1, in_use, node, volume_id

ABOUT = Subject(volume_id=V1)


@pytest.mark.parametrize(
    "names",
    [
        *(FindingKind, FindingState, ActionKind, DecisionKind, HalfState, ItemKind),
        *(AttachmentState, Admission),
    ],
)
def test_what_is_kept_counted_and_logged_is_called_by_its_name(names: type[Enum]) -> None:
    words = {one.name: one.value for one in names}

    assert words == {name: name.lower().replace("_", "-") for name in words}


@pytest.mark.parametrize(
    ("own", "told"),
    [
        (FindingKind, api.FindingKind),
        (FindingState, api.FindingState),
        (ActionKind, api.ActionKind),
        (DecisionKind, api.DecisionKind),
        (HalfState, admin.HalfState),
        (ItemKind, admin.ItemKind),
        (AttachmentState, admin.AttachmentState),
        (Admission, admin.Admission),
    ],
)
def test_the_api_knows_the_same_names_and_one_for_none(own: type[Enum], told: type[Enum]) -> None:
    names = {one.name for one in own}
    assert {one.name for one in told} - names <= {"UNSPECIFIED", "UNKNOWN"}
    assert names <= {one.name for one in told}


def test_a_node_is_ready_as_kubernetes_says_it() -> None:
    assert [one.value for one in Ready] == ["True", "False", "Unknown"]


LISTING: Listing[Node] = Listing((), complete=True, read_at=NOW)


@pytest.mark.parametrize(
    ("short", "whole"),
    [
        (LISTING, Listing((), complete=True, read_at=NOW, error="")),
        (Node("a", "u"), Node("a", "u", Ready.YES, 0.0, False, frozenset(), "")),  # noqa: FBT003
        (
            VolumeAttachment("a", "u", "1", "d", "n"),
            VolumeAttachment(
                *("a", "u", "1", "d", "n", "", ""),
                attached=False,
                created=0.0,
                deleting_since=None,
                finalizers=(),
                attach_error="",
                detach_error="",
            ),
        ),
        (
            PersistentVolume("a", "u", "d", "h"),
            PersistentVolume(
                *("a", "u", "d", "h", "Bound", "", "Delete", "", None),
                read_only=False,
                migration_timeout=0.0,
                created=0.0,
                capacity=0,
                access_modes=(),
                finalizers=(),
            ),
        ),
        (SnapshotContent("a", "u", "d"), SnapshotContent("a", "u", "d", (), "", "Delete", None)),
        (
            Volume("v", "s", "p", "f"),
            Volume("v", "s", "p", "f", HalfState.WHOLE, 0, False, (), ()),  # noqa: FBT003
        ),
        (Snapshot("s", "v", "p", "f"), Snapshot("s", "v", "p", "f", 0, ready=True)),
        (
            Leftover(ItemKind.FILE, "p", managed=True),
            Leftover(ItemKind.FILE, "p", True, "", "", HalfState.NO_DISK, 0),  # noqa: FBT003
        ),
        (
            DeviceListing("d", True, (), (), (), (), (), True, NOW),  # noqa: FBT003
            DeviceListing("d", True, (), (), (), (), (), True, NOW, error=""),  # noqa: FBT003
        ),
        (DeviceLink("d", is_up=True), DeviceLink("d", is_up=True, reason="", reconnects=0)),
        (Subject(), Subject("", "", "", "", "", "", "", "", "")),
        (Guard("a"), Guard("a", "", ready=None, out_of_service=False, unreported="")),
        (
            Action(ActionKind.FENCE, "f", ABOUT, "t", "r"),
            Action(ActionKind.FENCE, "f", ABOUT, "t", "r", "", "", "", None, "", "", None),
        ),
        (
            Finding("f", FindingKind.NODE_GONE, FindingState.WAITING, ABOUT, "r", "n", NOW),
            Finding(
                *("f", FindingKind.NODE_GONE, FindingState.WAITING, ABOUT, "r", "n", NOW),
                due=None,
                actions=(),
                orphan=None,
            ),
        ),
        (Notice("R", "t"), Notice("R", "t", is_warning=False, volume="")),
        (Decision((), (), Memory()), Decision((), (), Memory(), (), "", None, {}, ())),
        (WatchState("nodes", True, 1, None), WatchState("nodes", True, 1, None, "")),  # noqa: FBT003
        (
            ControllerState("a"),
            ControllerState("a", False, "it has not been reached yet", 0, ()),  # noqa: FBT003
        ),
        (LeaseState(), LeaseState("", None, None)),
    ],
)
def test_what_is_not_said_of_something_counts_as_nothing(short: object, whole: object) -> None:
    assert short == whole


@pytest.mark.parametrize(
    ("finding_kind", "is_attachments"),
    [
        (kind, kind.value.startswith(("node-", "attachment-", "fencing-", "migration-")))
        for kind in FindingKind
    ],
)
def test_findings_about_attachments_are_known_by_their_kind(
    finding_kind: FindingKind,
    is_attachments: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert (finding_kind in ATTACHMENT_KINDS) is is_attachments


A = node("a", **in_use(V1))
OFF = node("a", Ready.NO, out_of_service=True)


@pytest.mark.parametrize(
    ("guard", "there", "holds"),
    [
        (Guard("a"), None, True),
        (Guard("a"), A, False),
        (Guard("a"), Node("a", ""), False),
        (Guard("a", "uid-a"), None, False),
        (Guard("a", "uid-a"), A, True),
        (Guard("a", "uid-b"), A, False),
        (Guard("a", "uid-a", ready=True), A, True),
        (Guard("a", "uid-a", ready=False), A, False),
        (Guard("a", "uid-a", ready=True), node("a", Ready.UNKNOWN), False),
        (Guard("a", "uid-a", ready=False), node("a", Ready.UNKNOWN), True),
        (Guard("a", "uid-a", ready=False), node("a", Ready.NO), True),
        (Guard("a", "uid-a", out_of_service=True), A, False),
        (Guard("a", "uid-a", out_of_service=True), OFF, True),
        (Guard("a", "uid-a"), OFF, True),
        (Guard("a", "uid-a", unreported=V1), A, False),
        (Guard("a", "uid-a", unreported=volume_id(2)), A, True),
        (Guard("a", "uid-a", unreported=f"{V1}@b"), A, False),
    ],
)
def test_a_guard_holds_while_all_that_it_says_is_so(
    guard: Guard,
    there: Node | None,
    holds: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert guard.holds(there) is holds


@pytest.mark.parametrize(
    ("reported", "volume", "is_reported"),
    [
        ((), V1, False),
        ((V1,), V1, True),
        ((f"{V1}@b",), V1, True),
        ((V1,), f"{V1}@b", True),
        ((f"{V1}@b",), f"{V1}@c", True),
        ((volume_id(2), volume_id(3)), V1, False),
        ((volume_id(2), V1), V1, True),
        ((f"x@{V1}",), V1, False),
        (("x@b@c",), "x", True),
        (("x@b@c",), "x@b", True),
        (("x",), "x@b@c", True),
    ],
)
def test_a_node_reports_a_volume_on_whatever_device(
    reported: tuple[str, ...],
    volume: str,
    is_reported: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert reports(node("a", **in_use(*reported)), volume) is is_reported


@pytest.mark.parametrize(
    ("subject", "item", "key"),
    [
        (Subject(volume_id=V1, node="a", volume_attachment="va"), None, "va"),
        (Subject(volume_id=V1, device="rds"), ItemKind.FILE, "file rds /x"),
        (Subject(volume_id=V1, device="b"), ItemKind.FILE, "file b /x"),
        (Subject(volume_id=V1, node="a", device="b"), None, f"{V1} a"),
    ],
)
def test_actions_on_one_object_have_one_key(
    subject: Subject, item: ItemKind | None, key: str
) -> None:
    action = Action(ActionKind.FENCE, "f", subject, "t", "r", item=item, item_id="/x")

    assert action.key == key


def test_decisions_about_an_orphan_are_kept_under_its_kind_its_device_and_its_id() -> None:
    orphan = Orphan(ItemKind.FILE, "rds", "/p/x.img", 1, "print")

    assert orphan.key == orphan_key(ItemKind.FILE, "rds", "/p/x.img") == "file rds /p/x.img"
    assert orphan == Orphan(ItemKind.FILE, "rds", "/p/x.img", 1, "print", None)


@pytest.mark.parametrize(("is_default", "suffix"), [(True, ""), (False, "@d")])
def test_ids_end_in_their_device_where_that_is_not_the_default_one(
    is_default: bool,  # noqa: FBT001 (a field)
    suffix: str,
) -> None:
    listing = DeviceListing("d", is_default, (), (), (), (), (), complete=True, read_at=NOW)

    assert listing.suffix == suffix
