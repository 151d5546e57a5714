"""Plans for volumes that begin as copies."""

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
)
from libs.core.ids import SnapshotId, VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Branch, Pool, SlotState, Subvolume
from protos.gen.csi import v1 as csi
from services.controller.plan.clone import plan_clone
from services.controller.plan.steps import (
    CopyFile,
    CreateDisk,
    ExportDisk,
    From,
    GrowDisk,
    Look,
    RemoveFile,
)
from services.controller.plan.volumes import Room
from services.controller.requests.volumes import NewVolume, Source, parse_create
from tests.unit.controller.copies import (
    BTRFS,
    FROZEN,
    LATER,
    NOTHING,
    PLACE,
    SNAPSHOT,
    SUB_NOTHING,
    SUB_SNAPSHOT,
    SUB_TERMS,
    seen_snapshot,
)
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
    return SlotState(CLONE, files=files, pools=(pool,))


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

    assert plan_clone(wanted, FROM, source, Room(), TERMS, None) == (Look(CLONE),)
    assert plan_clone(wanted, FROM, source, Room(), TERMS, seen_clone()) == (
        CopyFile(CLONE, PLACE.path, COPY.path, GIB),
    )
    with pytest.raises(Busy, match="512 MiB of 1 GiB done"):
        plan_clone(wanted, FROM, source, Room(), TERMS, seen_clone(GIB // 2))
    (step,) = plan_clone(wanted, FROM, source, Room(), TERMS, seen_clone(GIB))
    assert isinstance(step, CreateDisk)
    assert (step.spec.path, step.spec.size, step.spec.adopts) == (COPY.path, GIB, True)
    assert step.spec.exported is True
    assert plan_clone(wanted, FROM, source, Room(), TERMS, seen_disk(GIB, exported=True)) == ()


def test_a_larger_volume_is_offered_only_when_it_has_its_size() -> None:
    wanted, source = restore(2 * GIB), From(seen_snapshot())

    (step,) = plan_clone(wanted, FROM, source, Room(), TERMS, seen_clone(GIB))
    assert isinstance(step, CreateDisk)
    assert step.spec.exported is False
    assert plan_clone(wanted, FROM, source, Room(), TERMS, seen_disk(GIB, exported=False)) == (
        GrowDisk(CLONE, 2 * GIB, GIB, "raid10"),
    )
    assert plan_clone(wanted, FROM, source, Room(), TERMS, seen_disk(2 * GIB, exported=False)) == (
        ExportDisk(CLONE),
    )
    with pytest.raises(Conflict, match="its size is 1073741824"):
        plan_clone(wanted, FROM, source, Room(), TERMS, seen_disk(GIB, exported=True))


def test_a_finished_volume_does_not_need_its_source_any_more() -> None:
    gone = From(NOTHING)

    assert plan_clone(restore(), FROM, gone, Room(), TERMS, seen_disk(GIB, exported=True)) == ()
    with pytest.raises(NotFound, match="snapshot snap-nightly does not exist"):
        plan_clone(restore(), FROM, gone, Room(), TERMS, seen_clone())


def test_a_volume_of_another_source_is_a_conflict() -> None:
    other = Source(SnapshotId.from_name("other").slot, is_snapshot=True)

    with pytest.raises(Conflict, match="it is a copy of snap-nightly"):
        plan_clone(
            replace(restore(), source=other),
            other,
            From(NOTHING),
            Room(),
            TERMS,
            seen_disk(GIB, exported=True),
        )


def test_a_copy_that_the_device_gave_up_is_begun_again() -> None:
    stalled = replace(LATER, stalled=frozenset([COPY.path.text]))

    steps = plan_clone(restore(), FROM, From(seen_snapshot()), Room(), stalled, seen_clone(1))

    assert steps == (RemoveFile(CLONE, COPY.path),)


def test_a_copy_is_never_smaller_than_its_source() -> None:
    source = From(seen_snapshot())

    (step,) = plan_clone(restore(GIB // 2), FROM, source, Room(), TERMS, seen_clone(GIB))
    assert isinstance(step, CreateDisk)
    assert step.spec.size == GIB
    with pytest.raises(OutOfRange, match="limit_bytes"):
        plan_clone(restore(GIB // 2, GIB // 2), FROM, source, Room(), TERMS, seen_clone())


def test_nothing_is_copied_from_a_snapshot_that_is_not_ready() -> None:
    with pytest.raises(Busy, match="is being made"):
        plan_clone(restore(), FROM, From(seen_snapshot(1)), Room(), TERMS, seen_clone())


def test_a_left_over_file_is_not_taken_for_a_copy() -> None:
    plain = BackingFile(BASE.image_of(CLONE).text, GIB)
    seen = replace(seen_clone(), files=(plain,))

    with pytest.raises(InUse, match="may hold data"):
        plan_clone(restore(), FROM, From(seen_snapshot()), Room(), TERMS, seen)


def test_an_attached_file_is_not_cloned() -> None:
    source = Source(VolumeId.parse(NAME).slot, is_snapshot=False)
    attached = From(state(disk()), (claim("worker-1"),))

    with pytest.raises(InUse, match="attached to worker-1"):
        plan_clone(restore(), source, attached, Room(), TERMS, seen_clone())


def test_a_file_cannot_become_a_subvolume() -> None:
    wanted, seen = restore(layout="subvolume"), From(seen_snapshot())

    with pytest.raises(InvalidRequest, match=r"parameters\.layout=subvolume .* is a file"):
        plan_clone(wanted, FROM, seen, Room(), TERMS, seen_clone())


def branched(required: int = 0) -> NewVolume:
    wanted = restore(required, layout="subvolume")
    return replace(wanted, parameters=replace(wanted.parameters, directory=BTRFS))


BRANCH = Image(BTRFS, CLONE, Origin(NOW, GIB, SNAPSHOT.text), Layout.SUBVOLUME)


def test_a_subvolume_is_cloned_and_offered_in_one_step() -> None:
    seen = replace(SUB_NOTHING, slot=CLONE)

    (step,) = plan_clone(branched(), FROM, From(SUB_SNAPSHOT), Room(), SUB_TERMS, seen)

    assert isinstance(step, CreateDisk)
    assert step.spec.path == BRANCH.path
    assert step.spec.branch == Branch("tank", BRANCH.subvolume, FROZEN.subvolume)
    assert (step.spec.exported, step.spec.adopts, step.spec.room) == (True, True, 0)


@pytest.mark.parametrize("source", [SUB_SNAPSHOT, SUB_NOTHING], ids=["there", "gone"])
@pytest.mark.parametrize("size", [None, 2 * GIB])
def test_a_subvolume_that_was_cloned_needs_only_its_disk_and_not_its_source(
    source: SlotState, size: int | None
) -> None:
    begun = replace(BRANCH, origin=Origin(NOW - 99, GIB, SNAPSHOT.text))
    files = (BackingFile(begun.path.text, size),)
    there = (Subvolume("tank", begun.subvolume),)
    half = replace(SUB_NOTHING, slot=CLONE, files=files, subvolumes=there)

    (step,) = plan_clone(branched(2 * GIB), FROM, From(source), Room(), SUB_TERMS, half)

    assert isinstance(step, CreateDisk)
    assert (step.spec.path, step.spec.branch) == (begun.path, None)
    assert (step.spec.size, step.spec.exported) == (size or GIB, size == 2 * GIB)
    assert (step.spec.adopts, step.spec.room) == (True, 0)


def test_a_subvolume_that_was_cloned_is_not_promised_more_than_there_is() -> None:
    thin = replace(SUB_TERMS, limits=replace(SUB_TERMS.limits, overcommit=1.0))
    there = (Subvolume("tank", BRANCH.subvolume),)
    half = replace(SUB_NOTHING, slot=CLONE, subvolumes=there)

    with pytest.raises(Exhausted, match="promised"):
        plan_clone(branched(), FROM, From(SUB_NOTHING), Room(100 * GIB), thin, half)


def test_a_subvolume_whose_source_is_gone_is_not_begun() -> None:
    seen = replace(SUB_NOTHING, slot=CLONE)

    with pytest.raises(NotFound, match="snapshot snap-nightly does not exist"):
        plan_clone(branched(), FROM, From(SUB_NOTHING), Room(), SUB_TERMS, seen)
