"""Plans for snapshots."""

from dataclasses import replace

import pytest

from libs.core.errors import (
    Conflict,
    Exhausted,
    InUse,
    NotFound,
    Unsupported,
)
from libs.core.ids import SnapshotId, VolumeId
from libs.core.images import Image
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Branch, Pool, Subvolume
from services.controller.plan.copies import within
from services.controller.plan.snapshots import plan_delete_snapshot, plan_snapshot, snapshot_in
from services.controller.plan.steps import (
    CopyFile,
    Freeze,
    From,
    Look,
    RemoveBranch,
    RemoveFile,
)
from services.controller.requests.snapshots import NewSnapshot
from tests.unit.controller.copies import (
    FROZEN,
    LATER,
    NOTHING,
    PLACE,
    SNAPSHOT,
    SOURCE,
    SUB,
    SUB_NOTHING,
    SUB_SNAPSHOT,
    SUB_TERMS,
    WANTED,
    seen_snapshot,
)
from tests.unit.controller.values import (
    BASE,
    NAME,
    NOW,
    TERMS,
    claim,
    disk,
    state,
)

# Snapshots of files


def test_a_snapshot_of_a_file_is_a_copy_that_says_what_it_is() -> None:
    assert plan_snapshot(WANTED, SOURCE, TERMS, None) == (Look(SNAPSHOT.slot),)
    assert plan_snapshot(WANTED, SOURCE, TERMS, NOTHING) == (
        CopyFile(SNAPSHOT.slot, BASE.image_of(VolumeId.parse(NAME).slot), PLACE.path, GIB),
    )


def test_a_snapshot_that_is_there_needs_nothing_even_when_its_volume_is_gone() -> None:
    gone = From(state())

    assert plan_snapshot(WANTED, gone, TERMS, seen_snapshot()) == ()
    found = snapshot_in(seen_snapshot())
    assert found is not None
    assert (found.source, found.size, found.made, found.ready) == (NAME, GIB, NOW, True)


def test_a_copy_under_way_is_waited_for_and_a_dead_one_is_begun_again() -> None:
    half = seen_snapshot(GIB // 2)

    assert plan_snapshot(WANTED, SOURCE, TERMS, half) == ()
    found = snapshot_in(half)
    assert found is not None
    assert found.ready is False
    assert plan_snapshot(WANTED, SOURCE, LATER, half) == ()
    stalled = replace(LATER, stalled=frozenset([PLACE.path.text]))
    assert plan_snapshot(WANTED, SOURCE, stalled, half) == (RemoveFile(SNAPSHOT.slot, PLACE.path),)


def test_a_copy_whose_size_the_device_rounds_is_neither_ready_nor_dead() -> None:
    rounded = replace(seen_snapshot(), files=(BackingFile(PLACE.path.text, None),))
    stalled = replace(LATER, stalled=frozenset([PLACE.path.text]))

    found = snapshot_in(rounded)

    assert found is not None
    assert found.ready is False
    assert plan_snapshot(WANTED, SOURCE, stalled, rounded) == ()


def test_a_snapshot_name_belongs_to_one_volume() -> None:
    other = NewSnapshot(SNAPSHOT, VolumeId.parse("pvc-other"))

    with pytest.raises(Conflict, match=f"exists, but of volume {NAME}"):
        plan_snapshot(other, SOURCE, TERMS, seen_snapshot())


def test_no_snapshot_is_taken_of_what_is_not_there_or_does_not_fit() -> None:
    full = replace(NOTHING, pools=(Pool("raid10", 100 * GIB, GIB - 1),))

    with pytest.raises(NotFound, match=f"volume {NAME} does not exist"):
        plan_snapshot(WANTED, From(state()), TERMS, NOTHING)
    with pytest.raises(Exhausted):
        plan_snapshot(WANTED, SOURCE, TERMS, full)


def test_a_file_that_a_node_may_write_to_is_not_copied_unless_that_is_allowed() -> None:
    attached = From(state(disk()), (claim("worker-1"),))
    allowed = replace(TERMS, limits=replace(TERMS.limits, copy_attached=True))

    with pytest.raises(InUse, match="attached to worker-1, and its layout is file"):
        plan_snapshot(WANTED, attached, TERMS, NOTHING)
    (step,) = plan_snapshot(WANTED, attached, allowed, NOTHING)
    assert isinstance(step, CopyFile)


def test_a_deletion_removes_what_there_is_complete_or_not() -> None:
    for size in (GIB, GIB // 2):
        assert plan_delete_snapshot(SNAPSHOT, TERMS, seen_snapshot(size)) == (
            RemoveFile(SNAPSHOT.slot, PLACE.path, copies=0),
        )
    assert plan_delete_snapshot(SNAPSHOT, TERMS, NOTHING) == ()
    assert plan_delete_snapshot(SnapshotId.parse("pvc-1"), TERMS, None) == ()


def test_a_snapshot_stays_while_a_volume_is_being_copied_from_it() -> None:
    path = f"{BASE}/pvc-2.{NOW:x}-{GIB:x}.of.{SNAPSHOT}.img"
    copying = replace(seen_snapshot(), copies=(BackingFile(path, 0),))
    copied = replace(seen_snapshot(), copies=(BackingFile(path, GIB),), copied=2)

    with pytest.raises(InUse, match="is being copied to pvc-2"):
        plan_delete_snapshot(SNAPSHOT, TERMS, copying)
    assert plan_delete_snapshot(SNAPSHOT, TERMS, copied) == (
        RemoveFile(SNAPSHOT.slot, PLACE.path, copies=2),
    )


def test_what_lies_outside_the_allowed_directories_is_not_seen_at_all() -> None:
    outside = Image(DevicePath.parse("/raid10/x"), SNAPSHOT.slot, PLACE.origin)
    other = Subvolume("backup", "volumes/snap-nightly.1-1.of.pvc-1")
    pools = (Pool("raid10", 1, 1, label="main"),)
    seen = replace(
        seen_snapshot(),
        files=(BackingFile(outside.path.text, GIB), BackingFile(PLACE.path.text, GIB)),
        subvolumes=(other, replace(other, label="main")),
        pools=pools,
    )

    ours = within(seen, TERMS.bases)

    assert [file.path for file in ours.files] == [PLACE.path.text]
    assert [sub.label for sub in ours.subvolumes] == ["main"]


# Snapshots of subvolumes


def test_a_snapshot_of_a_subvolume_is_taken_at_once_though_it_is_attached() -> None:
    source = From(state(disk(path=SUB.path.text)), (claim("worker-1"),))

    assert plan_snapshot(WANTED, source, SUB_TERMS, SUB_NOTHING) == (
        Freeze(SNAPSHOT.slot, Branch("tank", FROZEN.subvolume, SUB.subvolume)),
    )
    assert plan_snapshot(WANTED, source, SUB_TERMS, SUB_SNAPSHOT) == ()
    found = snapshot_in(SUB_SNAPSHOT)
    assert found is not None
    assert (found.source, found.size, found.made, found.ready) == (NAME, GIB, NOW, True)


def test_a_subvolume_is_removed_by_its_own_name() -> None:
    assert plan_delete_snapshot(SNAPSHOT, SUB_TERMS, SUB_SNAPSHOT) == (
        RemoveBranch(SNAPSHOT.slot, FROZEN.path, Branch("tank", FROZEN.subvolume)),
    )


def test_a_pool_without_a_label_is_named() -> None:
    nameless = replace(SUB_NOTHING, pools=(Pool("btr", 1, 1, "btrfs"),))

    with pytest.raises(Unsupported, match="needs a Btrfs pool with a label"):
        plan_snapshot(WANTED, From(state(disk(path=SUB.path.text))), SUB_TERMS, nameless)
