"""Whole messages of the admin API, field by field."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from libs.core.ids import NodeId, Slot, VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Export, Pool
from libs.rdsclient.state import LinkState
from protos.gen.rdscsi.controller import v1 as admin
from services.controller import admin_answers as answers
from services.controller.plan.attach import Fencing
from services.controller.plan.fingerprints import Kind
from services.controller.plan.inventory import Found, Frozen, Half, Inventory, Leftover
from services.controller.plan.orphans import Orphan
from services.controller.ports import Attachment, KnownClaim, Node
from services.controller.sites import Site
from services.controller.workflow.links import Link
from services.controller.workflow.repair import Detached
from services.controller.workflow.stock import Held, Holdings, Stock
from tests.unit.controller.values import BASE, NAME, NOW, NQN, OTHER_BASE, SETTINGS, disk

SITE, SECOND = Site(SETTINGS), Site(replace(SETTINGS, rds_name="rack-2"), "b")
VOLUME, NODE = VolumeId.parse(NAME), NodeId("a")
HOST = "nqn.2014-08.org.nvmexpress:uuid:11111111-1111-4111-8111-111111111111"
WHEN = datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
COPY = Image(BASE, Slot(NAME), Origin(NOW, 2 * GIB, "pvc-x"), Layout.SUBVOLUME)
PLAIN = Image(BASE, Slot(NAME))

FOUND = Found(
    replace(disk(), export=Export(NQN, 4421, HOST), is_restricted=True),
    BackingFile("/f", 3 * GIB),
    COPY,
    Half.COPYING,
    ("pvc-y", "snap-z"),
    "print",
)
TOLD = admin.Volume(
    volume_id=f"{NAME}@b",
    slot=NAME,
    size_bytes=GIB,
    path=f"{BASE}/{NAME}.img",
    file_present=True,
    file_size_bytes=3 * GIB,
    layout=admin.Layout.SUBVOLUME,
    exported=True,
    nqn=NQN,
    port=4421,
    fenced=True,
    allowed_hosts=[HOST],
    created_from="pvc-x@b",
    half_state=admin.HalfState.COPYING,
    copying_to=["pvc-y@b", "snap-z@b"],
    fingerprint="print",
)
FROZEN = Frozen("/s", replace(COPY, slot=Slot("snap-z")), ready=True, fingerprint="s")
SNAPSHOT = admin.Snapshot(
    snapshot_id="snap-z@b",
    source_volume_id="pvc-x@b",
    size_bytes=2 * GIB,
    created_at=WHEN,
    ready=True,
    layout=admin.Layout.SUBVOLUME,
    path="/s",
    fingerprint="s",
)
LEFT = Leftover(Kind.SUBVOLUME, "/l", 7, COPY, Half.NO_DISK, "l")
LEFTOVER = admin.Leftover(
    kind=admin.ItemKind.SUBVOLUME,
    path="/l",
    size_bytes=7,
    managed=True,
    volume_id=f"{NAME}@b",
    created_from="pvc-x@b",
    half_state=admin.HalfState.NO_DISK,
    fingerprint="l",
)


def inventory(items: Inventory) -> list[admin.GetInventoryResponse]:
    return list(answers.render_stock(Stock(SECOND, NOW, items)))


def items_of(messages: Iterable[admin.GetInventoryResponse]) -> list[admin.DeviceItems]:
    return [message.items for message in messages if message.items is not None]


def test_an_inventory_is_told_whole() -> None:
    site = Site(replace(SECOND.settings, volume_base_paths=(BASE, OTHER_BASE)), "b")
    pools = (Pool("raid10", 100, 10, "xfs", "clean"),)
    all_of_it = Inventory((FOUND,), (FROZEN,), (LEFT,), pools)

    messages = list(answers.render_stock(Stock(site, NOW, all_of_it)))

    begin = admin.DeviceBegin(
        is_default=False,
        base_paths=["/raid10/volumes", "/ssd/volumes"],
        managed_prefixes=["pvc-", "vol-", "snap-"],
    )
    pool = admin.Pool(
        mount_point="raid10", size_bytes=100, free_bytes=10, filesystem="xfs", state="clean"
    )
    end = admin.DeviceEnd(
        reachable=True, taken_at=WHEN, volumes=1, snapshots=1, leftovers=1, pools=[pool]
    )
    items = [
        admin.DeviceItems(volumes=[TOLD]),
        admin.DeviceItems(snapshots=[SNAPSHOT]),
        admin.DeviceItems(leftovers=[LEFTOVER]),
    ]
    assert messages == [
        admin.GetInventoryResponse(device="rack-2", begin=begin),
        *(admin.GetInventoryResponse(device="rack-2", items=one) for one in items),
        admin.GetInventoryResponse(device="rack-2", end=end),
    ]


def test_a_part_has_200_items_at_most() -> None:
    messages = inventory(Inventory((FOUND,) * 401, (), (), ()))

    assert [len(one.volumes) for one in items_of(messages)] == [200, 200, 1]


def test_a_device_that_could_not_be_read_is_told_with_the_reason() -> None:
    first, last = answers.render_stock(Stock(SITE, NOW, None, reachable=False, error="silence"))

    begin = admin.DeviceBegin(
        is_default=True,
        base_paths=["/raid10/volumes", "/ssd/volumes"],
        managed_prefixes=["pvc-", "vol-", "snap-"],
    )
    end = admin.DeviceEnd(reachable=False, error="silence", taken_at=WHEN)
    assert first == admin.GetInventoryResponse(device="rds", begin=begin)
    assert last == admin.GetInventoryResponse(device="rds", end=end)


@pytest.mark.parametrize(
    ("file", "present", "size"), [(None, False, 0), (BackingFile("/f"), True, 0)]
)
def test_a_volume_that_lacks_something_is_told_without_it(
    file: BackingFile | None, size: int, *, present: bool
) -> None:
    bare = Found(disk(exported=False), file, PLAIN, Half.NOT_EXPORTED, (), "")

    assert answers.render_volume(bare, SITE) == admin.Volume(
        volume_id=NAME,
        slot=NAME,
        size_bytes=GIB,
        path=f"{BASE}/{NAME}.img",
        file_present=present,
        file_size_bytes=size,
        layout=admin.Layout.FILE,
        half_state=admin.HalfState.NOT_EXPORTED,
    )


def test_what_was_copied_from_nothing_has_no_origin() -> None:
    frozen = Frozen("/s", PLAIN, ready=False, fingerprint="")
    left = Leftover(Kind.FILE, "/l", 0, PLAIN, Half.COPYING, "")

    snapshots, leftovers = items_of(inventory(Inventory((), (frozen,), (left,), ())))

    assert snapshots.snapshots == [
        admin.Snapshot(snapshot_id=f"{NAME}@b", layout=admin.Layout.FILE, path="/s")
    ]
    assert leftovers.leftovers == [
        admin.Leftover(
            kind=admin.ItemKind.FILE,
            path="/l",
            managed=True,
            volume_id=f"{NAME}@b",
            half_state=admin.HalfState.COPYING,
        )
    ]


def test_attachments_are_told_whole() -> None:
    claim = Attachment("a", True, ("", ""), float(NOW), read_only=True, id="uid-1")  # noqa: FBT003
    known = KnownClaim(NAME, claim, released=False, name="csi-1", volume_known=True)
    held = Held(known, Node("a", HOST), asked=True, disk=disk())

    messages = list(answers.render_holdings(Holdings((held,), (("rack-2", "silence"),), NOW)))

    told = admin.Attachment(
        volume_id=NAME,
        node_id="a",
        state=admin.AttachmentState.ATTACHED,
        attachment_uid="uid-1",
        attachment_name="csi-1",
        since=WHEN,
        read_only=True,
        node_exists=True,
        node_host_nqn=HOST,
        admission=admin.Admission.EVERYBODY,
        volume_known=True,
    )
    silence = admin.DeviceError(device="rack-2", error="silence")
    assert messages == [
        admin.ListAttachmentsResponse(unknown=[silence], taken_at=WHEN),
        admin.ListAttachmentsResponse(attachments=[told]),
        admin.ListAttachmentsResponse(last=True),
    ]


def test_a_detach_is_told_whole() -> None:
    claim = Attachment("a", True, ("", ""), id="uid-1")  # noqa: FBT003
    done = Detached((KnownClaim(NAME, claim),), Fencing.NO_VOLUME, ("b", "c"))

    told = answers.render_detached(VOLUME, NODE, done)

    assert told == admin.DetachResponse(
        was_attached=True,
        attachment_uids=["uid-1"],
        fencing=admin.FencingResult.NO_VOLUME,
        remaining_nodes=["b", "c"],
        summary=f"volume {NAME} was detached from a; the device has no such volume",
    )


@pytest.mark.parametrize(
    ("size", "told"),
    [
        (7, admin.DeleteOrphanResponse(True, 7, f"volume {NAME} was removed")),  # noqa: FBT003
        (0, admin.DeleteOrphanResponse(True, 0, f"volume {NAME} was removed")),  # noqa: FBT003
        (None, admin.DeleteOrphanResponse(False, 0, f"volume {NAME} was gone already")),  # noqa: FBT003
    ],
)
def test_a_removal_is_told_whole(size: int | None, told: admin.DeleteOrphanResponse) -> None:
    assert answers.render_removed(Orphan(Kind.VOLUME, VOLUME, None, "f"), size) == told


def test_connections_are_told_whole() -> None:
    link = Link("rds", LinkState.AWAY, "silence", 2, NOW)

    assert answers.render_links([link]) == admin.WatchConnectionsResponse(
        connections=[
            admin.Connection(
                device="rds",
                state=admin.ConnectionState.AWAY,
                reason="silence",
                reconnects=2,
                changed_at=WHEN,
            )
        ]
    )
