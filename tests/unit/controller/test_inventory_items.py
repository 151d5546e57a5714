"""Single items of an inventory: what is whole, and what is somebody else's."""

from dataclasses import replace

import pytest

from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, FileDisk, Pool, Storage, Subvolume
from services.controller.happenings import ClaimName
from services.controller.plan.fingerprints import Kind
from services.controller.plan.inventory import Half, take_inventory
from services.controller.plan.snapshots import plan_delete_snapshot
from services.controller.requests.parameters import read_claim
from tests.unit.controller.copies import SNAPSHOT, SUB_SNAPSHOT, SUB_TERMS
from tests.unit.controller.values import BASE, disk

BTRFS = DevicePath.parse("/btr/volumes")
POOLS = (Pool("raid10", 100 * GIB, GIB), Pool("btr", 100 * GIB, GIB, "btrfs", label="tank"))
PVC = "csi.storage.k8s.io/pvc/"


@pytest.mark.parametrize(
    ("found", "half"), [(disk(), Half.WHOLE), (disk(exported=False), Half.NOT_EXPORTED)]
)
def test_a_volume_with_its_file_is_whole_where_it_is_exported(found: FileDisk, half: Half) -> None:
    storage = Storage((found,), (BackingFile(found.path, found.size),), POOLS)

    (volume,) = take_inventory(storage, (BASE,)).volumes

    assert volume.half is half


@pytest.mark.parametrize(
    ("subvolume", "paths"),
    [
        (Subvolume("tank", "volumes/deep/er"), ["/btr/volumes/deep/er"]),
        (Subvolume("tank", "elsewhere/x"), []),
        (Subvolume("another", "volumes/x"), []),
    ],
)
def test_a_subvolume_below_a_directory_is_left_over_and_nobodys_whatever_its_name(
    subvolume: Subvolume, paths: list[str]
) -> None:
    storage = Storage(pools=POOLS, subvolumes=(subvolume,))

    left = take_inventory(storage, (BASE, BTRFS)).leftovers

    assert [one.path for one in left] == paths
    assert all((one.kind, one.image, one.fingerprint) == (Kind.SUBVOLUME, None, "") for one in left)


@pytest.mark.parametrize(
    ("parameters", "claim"),
    [
        ({f"{PVC}namespace": "ns", f"{PVC}name": "data"}, ClaimName("ns", "data")),
        ({f"{PVC}namespace": "ns"}, None),
        ({f"{PVC}namespace": "ns", f"{PVC}name": "a/b"}, None),
        ({}, None),
    ],
)
def test_the_claim_of_a_volume_is_known_where_it_is_said(
    parameters: dict[str, str], claim: ClaimName | None
) -> None:
    assert read_claim(parameters) == claim


def test_a_snapshot_is_removed_by_itself_and_not_what_is_named_like_it_elsewhere() -> None:
    elsewhere = replace(SUB_SNAPSHOT.subvolumes[0], label="another")
    seen = replace(SUB_SNAPSHOT, subvolumes=(elsewhere, *SUB_SNAPSHOT.subvolumes))

    steps = plan_delete_snapshot(SNAPSHOT, SUB_TERMS, seen)

    assert steps == plan_delete_snapshot(SNAPSHOT, SUB_TERMS, SUB_SNAPSHOT)
    assert len(steps) == 1
