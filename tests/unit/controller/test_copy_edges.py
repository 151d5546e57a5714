"""Copies at the edges: when one is complete, dead, ours; and what a copy needs before it begins."""

from dataclasses import replace

import pytest

from libs.core.errors import Conflict, Exhausted, InvalidRequest, NotFound, Unsupported
from libs.core.ids import SnapshotId, VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.paths import DevicePath
from libs.core.size import GIB, MIB
from libs.rdsclient.model import BackingFile, Branch, Pool, SlotState, Subvolume
from protos.gen.csi import v1 as csi
from services.controller.plan.clone import plan_clone
from services.controller.plan.copies import branch_of, copies_in, plan_take_back, within
from services.controller.plan.migration import (
    MigrationTimedOut,
    check_migration,
    source_of_migration,
)
from services.controller.plan.snapshots import (
    found_snapshot,
    plan_delete_snapshot,
    plan_snapshot,
    snapshot_in,
)
from services.controller.plan.steps import CopyFile, CreateDisk, From, GrowDisk, Look, RemoveFile
from services.controller.plan.volumes import Room
from services.controller.requests.volumes import NewVolume, Source, parse_create
from tests.unit.controller.copies import (
    BTRFS,
    FROZEN,
    NOTHING,
    PLACE,
    SNAPSHOT,
    SOURCE,
    SUB,
    SUB_SNAPSHOT,
    SUB_TERMS,
    WANTED,
    seen_snapshot,
)
from tests.unit.controller.values import (
    BASE,
    NAME,
    NOW,
    SITES,
    TERMS,
    Mode,
    claim,
    create_request,
    disk,
    publication,
    state,
)

SLOT = VolumeId.parse(NAME).slot
CLONE = VolumeId.parse("pvc-00000000-0000-0000-0000-000000000001").slot
FROM = Source(SNAPSHOT.slot, is_snapshot=True)
COPY = Image(BASE, CLONE, Origin(NOW, GIB, SNAPSHOT.text))
POOL = Pool("raid10", 100 * GIB, 10 * GIB)
EMPTY = SlotState(CLONE, pools=(POOL,))
THIN = replace(TERMS, limits=replace(TERMS.limits, overcommit=1.0))
NO_COPIES = replace(TERMS, limits=replace(TERMS.limits, file_copies=False))
TORN = replace(TERMS, limits=replace(TERMS.limits, copy_attached=True))


def restore(required: int = 0, layout: str = "file") -> NewVolume:
    content = csi.VolumeContentSource(
        snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id=SNAPSHOT.text)
    )
    request = create_request(
        CLONE.text, required=required, source=content, parameters={"layout": layout}
    )
    return parse_create(request, SITES)[1]


def copied(size: int | None) -> SlotState:
    return replace(EMPTY, files=(BackingFile(COPY.path.text, size),))


# When a copy is complete, and when it is dead


@pytest.mark.parametrize(
    ("done", "after", "stalled", "dead"),
    [
        (1, 111, True, False),
        (1, 112, True, True),
        (1, 112, False, False),
        (GIB, 112, True, False),
        (None, 112, True, False),
    ],
    ids=["in its time", "overdue", "growing", "complete", "unknown"],
)
def test_a_copy_is_dead_that_had_its_time_and_does_not_grow(
    done: int | None,
    after: int,
    stalled: bool,  # noqa: FBT001 (a row of the table)
    dead: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    (copy,) = copies_in((BackingFile(COPY.path.text, done),))
    limits = replace(TERMS.limits, copy_rate=20 * MIB)
    watched = frozenset([COPY.path.text] if stalled else [])

    assert copy.is_dead(replace(TERMS, limits=limits, now=NOW + after, stalled=watched)) is dead


@pytest.mark.parametrize(
    ("done", "complete"),
    [(GIB - 1, False), (GIB, True), (GIB + 1, True), (None, False)],
)
def test_a_copy_is_complete_that_has_all_its_bytes(
    done: int | None,
    complete: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    (copy,) = copies_in((BackingFile(COPY.path.text, done), BackingFile(f"{BASE}/pvc-1.img", 1)))

    assert copy.is_complete is complete


@pytest.mark.parametrize(("done", "told"), [(GIB // 2, "512 MiB"), (None, "unknown")])
def test_a_copy_says_how_far_it_is(done: int | None, told: str) -> None:
    (copy,) = copies_in((BackingFile(COPY.path.text, done),))

    assert str(copy) == f"{CLONE} ({told} of 1 GiB done)"


def test_a_copy_that_must_not_become_complete_is_removed_where_it_is_or_may_be() -> None:
    removal = (RemoveFile(CLONE, COPY.path),)

    assert plan_take_back(CLONE, COPY.path, TERMS, None) == removal
    assert plan_take_back(CLONE, COPY.path, TERMS, copied(1)) == removal
    assert plan_take_back(CLONE, PLACE.path, TERMS, copied(1)) == ()


# What is ours


def test_copies_and_branches_outside_the_directories_are_not_seen() -> None:
    inside, outside = (
        Image(DevicePath.parse(base), CLONE, Origin(NOW, GIB, NAME))
        for base in (BASE.text, "/raid10/x")
    )
    here = Subvolume("main", f"volumes/{CLONE}.1-1.of.{NAME}")
    seen = SlotState(
        SLOT,
        copies=(BackingFile(inside.path.text), BackingFile(outside.path.text), BackingFile("/x")),
        branches=(here, replace(here, label="other"), replace(here, name=f"x/{CLONE}")),
        pools=(replace(POOL, label="main"),),
    )

    ours = within(seen, TERMS.bases)

    assert [file.path for file in ours.copies] == [inside.path.text]
    assert ours.branches == (here,)


def test_the_subvolume_of_a_volume_is_the_one_of_its_name_in_its_pool() -> None:
    tank = Pool("btr", GIB, GIB, "btrfs", label="tank")
    there = Subvolume("tank", SUB.subvolume)
    seen = SlotState(SLOT, pools=(tank,), subvolumes=(there,))

    assert branch_of(SUB, seen) == Branch("tank", SUB.subvolume)
    assert branch_of(replace(SUB, layout=Layout.FILE), seen) is None
    assert branch_of(SUB, replace(seen, pools=())) is None
    assert branch_of(SUB, replace(seen, subvolumes=(replace(there, label="x"),))) is None
    assert branch_of(SUB, replace(seen, subvolumes=(replace(there, name="x"),))) is None


# Clones


def test_a_clone_looks_at_its_pool_for_what_is_written_at_once() -> None:
    source = From(seen_snapshot())
    full = replace(EMPTY, pools=(replace(POOL, free=GIB - 1),))

    with pytest.raises(Exhausted, match="free"):
        plan_clone(restore(), FROM, source, Room(0), THIN, full)
    with pytest.raises(Exhausted, match="promised"):
        plan_clone(restore(2 * GIB), FROM, source, Room(99 * GIB), THIN, EMPTY)
    assert plan_clone(restore(2 * GIB), FROM, source, Room(98 * GIB), THIN, EMPTY)
    with pytest.raises(Exhausted, match="promised"):
        plan_clone(restore(), FROM, source, Room(100 * GIB), THIN, copied(GIB))
    (step,) = plan_clone(restore(), FROM, source, Room(), THIN, copied(GIB))
    assert isinstance(step, CreateDisk)
    assert step.spec.room == 0


def test_a_clone_that_is_not_offered_yet_grows_as_its_pool_gives_room() -> None:
    found = replace(disk(path=COPY.path.text, exported=False), slot=CLONE.text)
    seen = replace(EMPTY, disk=found)

    def grown(room: Room, seen: SlotState) -> object:
        return plan_clone(restore(2 * GIB), FROM, From(NOTHING), room, THIN, seen)

    assert grown(Room(0), seen) == (GrowDisk(CLONE, 2 * GIB, 0, "raid10"),)
    with pytest.raises(Exhausted, match="promised"):
        grown(Room(100 * GIB), seen)
    with pytest.raises(Exhausted, match="free"):
        grown(Room(), replace(seen, pools=(replace(POOL, free=GIB - 1),)))


def test_a_copy_of_something_else_under_the_same_name_is_a_conflict() -> None:
    other = Source(SnapshotId.from_name("other").slot, is_snapshot=True)

    with pytest.raises(Conflict, match=f"copy of {SNAPSHOT}, not of snap-other"):
        plan_clone(restore(), other, From(seen_snapshot()), Room(), TERMS, copied(1))


def test_files_are_not_copied_where_that_is_switched_off() -> None:
    with pytest.raises(Unsupported, match="--file-copies=false"):
        plan_clone(restore(), FROM, From(seen_snapshot()), Room(), NO_COPIES, EMPTY)
    with pytest.raises(Unsupported, match="--file-copies=false"):
        plan_snapshot(WANTED, SOURCE, NO_COPIES, NOTHING)


def test_a_file_in_use_is_cloned_where_torn_copies_are_allowed_or_only_readers_have_it() -> None:
    source = Source(SLOT, is_snapshot=False)
    written = From(state(disk()), (claim("worker-1"),))
    read = From(state(disk()), (claim("worker-1", read_only=True),))

    for from_, terms in ((written, TORN), (read, TERMS)):
        (step,) = plan_clone(restore(), source, from_, Room(), terms, EMPTY)
        assert isinstance(step, CopyFile)
        assert step.source == BASE.image_of(SLOT)


@pytest.mark.parametrize("seen", [state(), state(disk(path="/raid10/x.qcow2"))])
def test_what_is_not_there_or_not_ours_is_not_cloned(seen: SlotState) -> None:
    with pytest.raises(NotFound, match=f"volume {NAME} does not exist"):
        plan_clone(restore(), Source(SLOT, is_snapshot=False), From(seen), Room(), TERMS, EMPTY)


def test_a_subvolume_is_cloned_within_its_pool_only() -> None:
    wanted = restore(layout="subvolume")

    with pytest.raises(InvalidRequest, match="which is in another pool"):
        plan_clone(wanted, FROM, From(SUB_SNAPSHOT), Room(), SUB_TERMS, EMPTY)


def test_a_subvolume_begun_from_something_else_is_not_taken_for_this_clone() -> None:
    wanted = restore(2 * GIB, layout="subvolume")
    wanted = replace(wanted, parameters=replace(wanted.parameters, directory=BTRFS))
    other = Image(BTRFS, CLONE, Origin(NOW - 9, GIB, "snap-x"), Layout.SUBVOLUME)
    seen = replace(SUB_SNAPSHOT, slot=CLONE, subvolumes=(Subvolume("tank", other.subvolume),))
    mine = replace(other, origin=Origin(NOW, GIB, SNAPSHOT.text))

    (step,) = plan_clone(wanted, FROM, From(SUB_SNAPSHOT), Room(), SUB_TERMS, seen)

    assert isinstance(step, CreateDisk)
    assert step.spec.branch == Branch("tank", mine.subvolume, FROZEN.subvolume)
    assert (step.spec.exported, step.spec.adopts, step.spec.room) == (False, True, 0)
    thin = replace(SUB_TERMS, limits=THIN.limits)
    with pytest.raises(Exhausted, match="promised"):
        plan_clone(wanted, FROM, From(SUB_SNAPSHOT), Room(99 * GIB), thin, seen)


# Snapshots


def test_a_snapshot_needs_a_look_and_a_place_of_ours() -> None:
    with pytest.raises(NotFound, match=f"snapshot {SNAPSHOT} does not exist"):
        found_snapshot(SNAPSHOT, TERMS.bases, NOTHING)
    assert snapshot_in(None) is None
    assert plan_delete_snapshot(SNAPSHOT, TERMS, None) == (Look(SNAPSHOT.slot),)
    for path in ("/raid10/x.qcow2", f"/raid10/elsewhere/{NAME}.img"):
        with pytest.raises(Unsupported, match="is not where this driver puts them"):
            plan_snapshot(WANTED, From(state(disk(path=path))), TERMS, NOTHING)


# Live migrations


def test_a_migration_is_as_old_as_the_first_claim_of_its_target() -> None:
    wanted = publication("worker-1", Mode.MULTI_NODE_MULTI_WRITER, raw=True)
    claims = [claim("worker-1", since=NOW - 100), claim("worker-1", since=NOW - 301)]

    check_migration(wanted, "worker-2", claims[:1], NOW)
    check_migration(wanted, "worker-2", [], NOW)
    with pytest.raises(MigrationTimedOut, match="from worker-2 to worker-1 has taken 301 s"):
        check_migration(wanted, "worker-2", claims, NOW)


def test_a_migration_comes_from_whoever_has_the_volume_and_may_write() -> None:
    wanted = publication("worker-1", Mode.MULTI_NODE_MULTI_WRITER, raw=True)
    waiting, has = claim("worker-3", attached=False), claim("worker-2")

    assert source_of_migration(wanted, [claim("worker-1"), waiting, has]) == "worker-2"
    assert source_of_migration(wanted, [claim("worker-1"), waiting]) == ""
    assert source_of_migration(publication(mode=Mode.MULTI_NODE_READER_ONLY), [has]) == ""
