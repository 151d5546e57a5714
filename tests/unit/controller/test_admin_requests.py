"""What the admin API asks for, and what it refuses before anything is looked at."""

from dataclasses import replace

import pytest

from libs.core.errors import InvalidRequest, NotFound
from libs.core.ids import NodeId, SnapshotId, VolumeId
from libs.core.paths import DevicePath
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as admin
from services.controller.admin_requests import Pair, parse_device, parse_orphan, parse_pair
from services.controller.plan.fingerprints import Kind
from services.controller.plan.orphans import Orphan
from services.controller.requests.snapshots import (
    NewSnapshot,
    SnapshotQuery,
    parse_query,
    parse_snapshot,
)
from services.controller.requests.volumes import MAX_PAGE
from services.controller.sites import Site, Sites
from tests.unit.controller.values import BASE, NAME, SETTINGS

SECOND = Site(replace(SETTINGS, rds_name="rack-2"), "b")
SITES = Sites([Site(SETTINGS), SECOND])
SNAPSHOT = NAME.replace("pvc-", "snap-")
FOREIGN = "vm-storage-001"

Item = admin.ItemKind


def asked(
    kind: admin.ItemKind, of: str, device: str = "", **fields: str
) -> admin.DeleteOrphanRequest:
    given = {"fingerprint": "f", "reason": "nobody needs it"} | fields
    return admin.DeleteOrphanRequest(kind=kind, id=of, device=device, **given)


def test_a_detach_is_about_a_volume_a_node_and_perhaps_one_claim() -> None:
    message = admin.DetachRequest(volume_id=NAME, node_id="a", attachment_uid="u", reason="gone")

    assert parse_pair(message) == Pair(VolumeId.parse(NAME), NodeId("a"), "u")


def test_an_unfence_is_about_no_claim() -> None:
    assert not parse_pair(admin.UnfenceRequest(volume_id=NAME, node_id="a", reason="back")).claim


def test_nothing_is_done_to_a_volume_that_this_driver_did_not_make() -> None:
    with pytest.raises(InvalidRequest, match="is not one that this driver makes"):
        parse_pair(admin.FenceRequest(volume_id=FOREIGN, node_id="a", reason="gone"))


def test_a_reason_may_have_500_characters() -> None:
    message = admin.FenceRequest(volume_id=NAME, node_id="a", reason="x" * 500)

    assert parse_pair(message) == Pair(VolumeId.parse(NAME), NodeId("a"), "")


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 501])
def test_nothing_is_done_without_a_reason_that_can_be_read(reason: str) -> None:
    with pytest.raises(InvalidRequest, match="reason must say why"):
        parse_pair(admin.FenceRequest(volume_id=NAME, node_id="a", reason=reason))


@pytest.mark.parametrize(
    ("message", "orphan"),
    [
        (asked(Item.VOLUME, NAME), Orphan(Kind.VOLUME, VolumeId.parse(NAME), None, "f")),
        (
            asked(Item.SNAPSHOT, SNAPSHOT),
            Orphan(Kind.SNAPSHOT, SnapshotId.parse(SNAPSHOT), None, "f"),
        ),
        (
            asked(Item.FILE, f"{BASE}/{NAME}.img", SITES.default.name),
            Orphan(Kind.FILE, VolumeId.parse(NAME), DevicePath.parse(f"{BASE}/{NAME}.img"), "f"),
        ),
        (
            asked(Item.SUBVOLUME, f"{BASE}/{NAME}", SITES.default.name),
            Orphan(Kind.SUBVOLUME, VolumeId.parse(NAME), DevicePath.parse(f"{BASE}/{NAME}"), "f"),
        ),
    ],
    ids=lambda value: value.kind.name if isinstance(value, Orphan) else "",
)
def test_an_orphan_is_read_with_what_it_is_named_for(
    message: admin.DeleteOrphanRequest, orphan: Orphan
) -> None:
    assert parse_orphan(message, SITES) == (SITES.default, orphan)


def test_the_device_of_an_orphan_is_the_one_of_its_id() -> None:
    site, orphan = parse_orphan(asked(Item.VOLUME, f"{NAME}@b", SECOND.name), SITES)

    assert site is SECOND
    assert str(orphan.subject) == f"{NAME}@b"


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (asked(Item.VOLUME, NAME, reason=" "), "^reason must say why"),
        (asked(Item.VOLUME, NAME, fingerprint=""), "^fingerprint must be"),
        (asked(Item.VOLUME, ""), "^id must not be empty"),
        (asked(Item.SNAPSHOT, ""), "^id must not be empty"),
        (asked(Item.FILE, "x", SITES.default.name), "^id must be"),
        (asked(Item.UNSPECIFIED, NAME), "kind must be"),
        (asked(Item.VOLUME, FOREIGN), "is not one that this driver makes"),
        (asked(Item.SNAPSHOT, "nightly-1"), "is not one that this driver makes"),
        (asked(Item.VOLUME, NAME, "rack-2"), "and the ID names"),
        (
            asked(Item.FILE, f"{BASE}/{NAME}.img", "nowhere"),
            "^device must be one of rds, rack-2, not",
        ),
        (asked(Item.FILE, f"/raid10/{NAME}.img", SITES.default.name), "never removed"),
        (asked(Item.FILE, f"{BASE}/{FOREIGN}.img", SITES.default.name), "never removed"),
        (asked(Item.FILE, f"{BASE}/{NAME}.txt", SITES.default.name), "never removed"),
    ],
)
def test_what_may_not_be_removed_is_refused(message: admin.DeleteOrphanRequest, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        parse_orphan(message, SITES)


def test_a_device_is_known_by_its_name() -> None:
    assert parse_device("rack-2", SITES) is SECOND


def test_a_snapshot_is_named_like_its_claim_on_its_volumes_device() -> None:
    request = csi.CreateSnapshotRequest(
        name="snapshot-0f1e2d3c-4b5a-6978-8796-a5b4c3d2e1f0",
        source_volume_id=f"{NAME}@b",
        parameters={"csi.storage.k8s.io/volumesnapshot/name": "s"},
    )

    wanted = parse_snapshot(request)

    volume = VolumeId.parse(f"{NAME}@b")
    assert wanted == NewSnapshot(SnapshotId.from_name(request.name, device="b"), volume)


def test_a_class_of_snapshots_has_no_parameters() -> None:
    request = csi.CreateSnapshotRequest(
        name="s", source_volume_id=NAME, parameters={"layout": "file"}
    )

    with pytest.raises(InvalidRequest, match="unknown keys 'layout'"):
        parse_snapshot(request)


@pytest.mark.parametrize(
    ("name", "volume", "message"),
    [
        ("", FOREIGN, "^name must not be empty"),
        ("n" * 129, FOREIGN, "^name must be at most 128 bytes"),
        ("s", "", "^source_volume_id must not be empty"),
    ],
)
def test_a_snapshot_that_cannot_be_is_refused_before_its_volume_is_missed(
    name: str, volume: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message):
        parse_snapshot(csi.CreateSnapshotRequest(name=name, source_volume_id=volume))


def test_there_is_nothing_to_take_a_snapshot_of_in_a_volume_that_is_not_ours() -> None:
    with pytest.raises(NotFound):
        parse_snapshot(csi.CreateSnapshotRequest(name="s", source_volume_id=FOREIGN))


def test_a_listing_of_snapshots_is_restricted_by_what_is_asked() -> None:
    request = csi.ListSnapshotsRequest(max_entries=7, snapshot_id=SNAPSHOT, source_volume_id=NAME)

    assert parse_query(request) == SnapshotQuery(
        7, "", SnapshotId.parse(SNAPSHOT), VolumeId.parse(NAME), is_empty=False
    )
    assert parse_query(csi.ListSnapshotsRequest()) == SnapshotQuery(MAX_PAGE, "")


@pytest.mark.parametrize(
    "request_",
    [
        csi.ListSnapshotsRequest(snapshot_id="/etc/passwd"),
        csi.ListSnapshotsRequest(source_volume_id="/etc/passwd"),
    ],
)
def test_of_what_cannot_exist_nothing_is_listed(request_: csi.ListSnapshotsRequest) -> None:
    assert parse_query(request_).is_empty
