"""Plans for snapshots and clones."""

from dataclasses import replace

import pytest

from libs.core.errors import (
    Busy,
    Conflict,
    Exhausted,
    InUse,
    InvalidRequest,
    NotFound,
    OutOfRange,
    Unsupported,
)
from libs.core.ids import SnapshotId, VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Branch, Pool, SlotState, Subvolume
from protos.gen.csi import v1 as csi
from services.controller.plan.clone import plan_clone
from services.controller.plan.snapshots import plan_delete_snapshot, plan_snapshot, snapshot_in
from services.controller.plan.steps import (
    CopyFile,
    CreateDisk,
    ExportDisk,
    Freeze,
    From,
    GrowDisk,
    Look,
    RemoveBranch,
    RemoveFile,
)
from services.controller.requests.snapshots import NewSnapshot
from services.controller.requests.volumes import NewVolume, Source, parse_create
from tests.unit.controller.values import (
    BASE,
    NAME,
    NOW,
    SITES,
    TERMS,
    claim,
    create_request,
    disk,
    state,
)

SNAPSHOT = SnapshotId.from_name("nightly")
WANTED = NewSnapshot(SNAPSHOT, VolumeId.parse(NAME))
SOURCE = From(state(disk()))
LATER = replace(TERMS, now=NOW + 3600)
PLACE = Image(BASE, SNAPSHOT.slot, Origin(NOW, GIB, NAME))
BTRFS = DevicePath.parse("/btr/volumes")


def seen_snapshot(size: int = GIB) -> SlotState:
    return SlotState(
        SNAPSHOT.slot,
        files=(BackingFile(PLACE.path.text, size),),
        pool=Pool("raid10", 100 * GIB, 10 * GIB),
        asked_pool="raid10",
    )


NOTHING = SlotState(
    SNAPSHOT.slot, pool=Pool("raid10", 100 * GIB, 10 * GIB, label="raid10"), asked_pool="raid10"
)


# Snapshots of files


def test_a_snapshot_of_a_file_is_a_copy_that_says_what_it_is() -> None:
    assert plan_snapshot(WANTED, SOURCE, TERMS, None) == (Look(SNAPSHOT.slot, "raid10"),)
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
    assert plan_snapshot(WANTED, SOURCE, LATER, half) == (RemoveFile(SNAPSHOT.slot, PLACE.path),)


def test_a_snapshot_name_belongs_to_one_volume() -> None:
    other = NewSnapshot(SNAPSHOT, VolumeId.parse("pvc-other"))

    with pytest.raises(Conflict, match=f"exists, but of volume {NAME}"):
        plan_snapshot(other, SOURCE, TERMS, seen_snapshot())


def test_no_snapshot_is_taken_of_what_is_not_there_or_does_not_fit() -> None:
    full = replace(NOTHING, pool=Pool("raid10", 100 * GIB, GIB - 1))

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
            RemoveFile(SNAPSHOT.slot, PLACE.path),
        )
    assert plan_delete_snapshot(SNAPSHOT, TERMS, NOTHING) == ()
    assert plan_delete_snapshot(SnapshotId.parse("pvc-1"), TERMS, None) == ()


def test_a_snapshot_stays_while_a_volume_is_being_copied_from_it() -> None:
    path = f"{BASE}/pvc-2.{NOW:x}-{GIB:x}.of.{SNAPSHOT}.img"
    copying = replace(seen_snapshot(), copies=(BackingFile(path, 0),))
    copied = replace(seen_snapshot(), copies=(BackingFile(path, GIB),))

    with pytest.raises(InUse, match="is being copied to volume pvc-2"):
        plan_delete_snapshot(SNAPSHOT, TERMS, copying)
    assert plan_delete_snapshot(SNAPSHOT, TERMS, copied)


def test_a_snapshot_outside_the_allowed_directories_is_left_alone() -> None:
    outside = Image(DevicePath.parse("/raid10/x"), SNAPSHOT.slot, PLACE.origin)
    seen = replace(seen_snapshot(), files=(BackingFile(outside.path.text, GIB),))

    with pytest.raises(InUse, match="nothing was removed"):
        plan_delete_snapshot(SNAPSHOT, TERMS, seen)


# Snapshots of subvolumes

SUB_TERMS = replace(TERMS, bases=(BTRFS,))
SUB = Image(BTRFS, VolumeId.parse(NAME).slot, None, Layout.SUBVOLUME)
FROZEN = Image(BTRFS, SNAPSHOT.slot, Origin(NOW, GIB, NAME), Layout.SUBVOLUME)
SUB_NOTHING = SlotState(
    SNAPSHOT.slot, pool=Pool("btr", 100 * GIB, 10 * GIB, "btrfs", label="tank"), asked_pool="btr"
)
SUB_SNAPSHOT = replace(SUB_NOTHING, subvolumes=(Subvolume("tank", FROZEN.subvolume),))


def test_a_snapshot_of_a_subvolume_is_taken_at_once_though_it_is_attached() -> None:
    source = From(state(disk(path=SUB.path.text)), (claim("worker-1"),))

    assert plan_snapshot(WANTED, source, SUB_TERMS, SUB_NOTHING) == (
        Freeze(SNAPSHOT.slot, "btr", Branch("tank", FROZEN.subvolume, SUB.subvolume)),
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
    nameless = replace(SUB_NOTHING, pool=Pool("btr", 1, 1, "btrfs"))

    with pytest.raises(Unsupported, match="pool btr has no label"):
        plan_snapshot(WANTED, From(state(disk(path=SUB.path.text))), SUB_TERMS, nameless)


# Volumes from snapshots and volumes


def restore(required: int = 0, limit: int = 0, layout: str = "file") -> NewVolume:
    content = csi.VolumeContentSource(
        snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id=SNAPSHOT.text)
    )
    request = create_request(
        "pvc-00000000-0000-0000-0000-000000000001",
        required=required,
        limit=limit,
        source=content,
        parameters={"layout": layout},
    )
    return parse_create(request, SITES)[1]


FROM = Source(SNAPSHOT.slot, is_snapshot=True)
CLONE = restore().volume.slot
COPY = Image(BASE, CLONE, Origin(NOW, GIB, SNAPSHOT.text))


def seen_clone(size: int | None = None) -> SlotState:
    files = () if size is None else (BackingFile(COPY.path.text, size),)
    pool = Pool("raid10", 100 * GIB, 10 * GIB)
    return SlotState(CLONE, files=files, pool=pool, asked_pool="raid10")


def seen_disk(size: int, *, exported: bool) -> SlotState:
    found = replace(disk(size, path=COPY.path.text), slot=CLONE.text)
    if exported:
        assert found.export is not None
        found = replace(found, export=replace(found.export, nqn=restore().nqn.text))
    else:
        found = replace(found, export=None)
    return replace(seen_clone(GIB), disk=found)


def test_a_volume_from_a_snapshot_is_copied_then_offered() -> None:
    wanted, source = restore(), From(seen_snapshot())

    assert plan_clone(wanted, FROM, source, TERMS, None) == (Look(CLONE, "raid10"),)
    assert plan_clone(wanted, FROM, source, TERMS, seen_clone()) == (
        CopyFile(CLONE, PLACE.path, COPY.path, GIB),
    )
    with pytest.raises(Busy, match="512 MiB of 1 GiB done"):
        plan_clone(wanted, FROM, source, TERMS, seen_clone(GIB // 2))
    (step,) = plan_clone(wanted, FROM, source, TERMS, seen_clone(GIB))
    assert isinstance(step, CreateDisk)
    assert (step.spec.path, step.spec.size, step.spec.adopts) == (COPY.path, GIB, True)
    assert step.spec.exported is True
    assert plan_clone(wanted, FROM, source, TERMS, seen_disk(GIB, exported=True)) == ()


def test_a_larger_volume_is_offered_only_when_it_has_its_size() -> None:
    wanted, source = restore(2 * GIB), From(seen_snapshot())

    (step,) = plan_clone(wanted, FROM, source, TERMS, seen_clone(GIB))
    assert isinstance(step, CreateDisk)
    assert step.spec.exported is False
    assert plan_clone(wanted, FROM, source, TERMS, seen_disk(GIB, exported=False)) == (
        GrowDisk(CLONE, 2 * GIB, GIB, "raid10"),
    )
    assert plan_clone(wanted, FROM, source, TERMS, seen_disk(2 * GIB, exported=False)) == (
        ExportDisk(CLONE, "raid10"),
    )
    with pytest.raises(Conflict, match="its size is 1073741824"):
        plan_clone(wanted, FROM, source, TERMS, seen_disk(GIB, exported=True))


def test_a_finished_volume_does_not_need_its_source_any_more() -> None:
    gone = From(NOTHING)

    assert plan_clone(restore(), FROM, gone, TERMS, seen_disk(GIB, exported=True)) == ()
    with pytest.raises(NotFound, match="snapshot snap-nightly does not exist"):
        plan_clone(restore(), FROM, gone, TERMS, seen_clone())


def test_a_volume_of_another_source_is_a_conflict() -> None:
    other = Source(SnapshotId.from_name("other").slot, is_snapshot=True)

    with pytest.raises(Conflict, match="it is a copy of snap-nightly"):
        plan_clone(
            replace(restore(), source=other),
            other,
            From(NOTHING),
            TERMS,
            seen_disk(GIB, exported=True),
        )


def test_a_copy_that_the_device_gave_up_is_begun_again() -> None:
    steps = plan_clone(restore(), FROM, From(seen_snapshot()), LATER, seen_clone(GIB // 2))

    assert steps == (RemoveFile(CLONE, COPY.path),)


def test_a_copy_is_never_smaller_than_its_source() -> None:
    source = From(seen_snapshot())

    (step,) = plan_clone(restore(GIB // 2), FROM, source, TERMS, seen_clone(GIB))
    assert isinstance(step, CreateDisk)
    assert step.spec.size == GIB
    with pytest.raises(OutOfRange, match="limit_bytes"):
        plan_clone(restore(GIB // 2, GIB // 2), FROM, source, TERMS, seen_clone())


def test_nothing_is_copied_from_a_snapshot_that_is_not_ready() -> None:
    with pytest.raises(Busy, match="is being made"):
        plan_clone(restore(), FROM, From(seen_snapshot(1)), TERMS, seen_clone())


def test_a_left_over_file_is_not_taken_for_a_copy() -> None:
    plain = BackingFile(BASE.image_of(CLONE).text, GIB)
    seen = replace(seen_clone(), files=(plain,))

    with pytest.raises(InUse, match="may hold data"):
        plan_clone(restore(), FROM, From(seen_snapshot()), TERMS, seen)


def test_an_attached_file_is_not_cloned() -> None:
    source = Source(VolumeId.parse(NAME).slot, is_snapshot=False)
    attached = From(state(disk()), (claim("worker-1"),))

    with pytest.raises(InUse, match="attached to worker-1"):
        plan_clone(restore(), source, attached, TERMS, seen_clone())


def test_a_file_cannot_become_a_subvolume() -> None:
    wanted, seen = restore(layout="subvolume"), From(seen_snapshot())

    with pytest.raises(InvalidRequest, match=r"parameters\.layout=subvolume .* is a file"):
        plan_clone(wanted, FROM, seen, TERMS, seen_clone())


def test_a_subvolume_is_cloned_and_offered_in_one_step() -> None:
    wanted = restore(layout="subvolume")
    wanted = replace(wanted, parameters=replace(wanted.parameters, directory=BTRFS))
    image = Image(BTRFS, CLONE, Origin(NOW, GIB, SNAPSHOT.text), Layout.SUBVOLUME)
    begun = replace(image, origin=Origin(NOW - 99, GIB, SNAPSHOT.text))
    seen = replace(SUB_NOTHING, slot=CLONE)
    half = replace(seen, subvolumes=(Subvolume("tank", begun.subvolume),))

    for before, place in ((seen, image), (half, begun)):
        (step,) = plan_clone(wanted, FROM, From(SUB_SNAPSHOT), SUB_TERMS, before)
        assert isinstance(step, CreateDisk)
        assert step.spec.path == place.path
        assert step.spec.branch == Branch("tank", place.subvolume, FROZEN.subvolume)
        assert step.spec.exported is True
