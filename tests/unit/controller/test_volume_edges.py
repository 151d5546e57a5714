"""What a plan for a volume tells the device, to the letter, and where it stops."""

from dataclasses import replace

import pytest

from libs.core.errors import (
    Conflict,
    Exhausted,
    InUse,
    NotFound,
    OutOfRange,
    Unreachable,
    Unsupported,
)
from libs.core.ids import VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.secret import Secret
from libs.core.size import GIB, TIB, CapacityRange
from libs.rdsclient.model import (
    BackingFile,
    Branch,
    DiskSpec,
    Export,
    FileDisk,
    Pool,
    SlotState,
    Subvolume,
)
from services.controller.plan.attach import NOBODY
from services.controller.plan.steps import (
    CreateDisk,
    GrowDisk,
    Limits,
    Look,
    RemoveDisk,
    RemoveFile,
)
from services.controller.plan.volumes import (
    Room,
    check_same,
    check_space,
    label_of,
    plan_create,
    plan_delete,
    plan_expand,
)
from services.controller.requests.volumes import NewVolume, Source, parse_create
from tests.unit.controller.copies import BTRFS
from tests.unit.controller.values import (
    BASE,
    NAME,
    NOW,
    NQN,
    SITES,
    TERMS,
    create_request,
    disk,
    state,
)

VOLUME = VolumeId.parse(NAME)
SLOT = VOLUME.slot
IMAGE = BASE.image_of(SLOT)
WANTED = parse_create(create_request(), SITES)[1]
THIN = replace(TERMS, limits=replace(TERMS.limits, overcommit=1.0))
TANK = Pool("btr", 100 * GIB, 10 * GIB, "btrfs", label="tank")
COPY = BackingFile(f"{BASE}/pvc-2.{NOW:x}-{GIB:x}.of.{NAME}.img", 1)
DEAD = replace(TERMS, now=NOW + 3600, stalled=frozenset([COPY.path]))


def with_parameters(wanted: NewVolume = WANTED, **fields: object) -> NewVolume:
    return replace(wanted, parameters=replace(wanted.parameters, **fields))  # type: ignore[arg-type]


# Creating


def test_a_disk_is_made_with_all_that_was_asked_for() -> None:
    password = Secret("x")
    wanted = replace(with_parameters(nvme_port=4421, fenced=True), password=password)

    assert plan_create(wanted, Room(), TERMS, None) == (
        CreateDisk(
            DiskSpec(
                slot=SLOT,
                path=IMAGE,
                size=GIB,
                nqn=WANTED.nqn,
                port=4421,
                allowed_host=NOBODY,
                password=password,
            )
        ),
    )
    (open_to_all,) = plan_create(WANTED, Room(), TERMS, state())
    assert isinstance(open_to_all, CreateDisk)
    assert open_to_all.spec.allowed_host == ""


def test_where_files_are_thin_a_creation_looks_first_and_asks_the_device_for_no_room() -> None:
    assert plan_create(WANTED, Room(0), THIN, None) == (Look(SLOT),)
    (step,) = plan_create(WANTED, Room(99 * GIB), THIN, state(free=0))
    assert isinstance(step, CreateDisk)
    assert step.spec.room == 0
    with pytest.raises(Exhausted, match="overcommit is 1"):
        plan_create(WANTED, Room(99 * GIB + 1), THIN, state())


def test_a_subvolume_is_made_with_its_pools_label_after_a_look() -> None:
    wanted = with_parameters(layout=Layout.SUBVOLUME, directory=BTRFS)

    assert plan_create(wanted, Room(), TERMS, None) == (Look(SLOT),)
    for there, branch in (("x", Branch("tank", f"volumes/{NAME}")), (f"volumes/{NAME}", None)):
        seen = replace(state(), pools=(TANK,), subvolumes=(Subvolume("tank", there),))
        (step,) = plan_create(wanted, Room(), TERMS, seen)
        assert isinstance(step, CreateDisk)
        assert step.spec.branch == branch
        assert step.spec.path.text == f"{BTRFS}/{NAME}/volume.img"


@pytest.mark.parametrize(
    ("pool", "says"),
    [
        (replace(TANK, filesystem="ext4"), "pool btr is ext4"),
        (replace(TANK, label=""), "pool btr is btrfs"),
        (replace(TANK, filesystem=""), "pool btr is of an unknown kind"),
    ],
)
def test_only_a_pool_of_btrfs_with_a_label_has_subvolumes(pool: Pool, says: str) -> None:
    assert label_of("btr", replace(TANK, free=0)) == "tank"
    with pytest.raises(Unsupported, match=says):
        label_of("btr", pool)
    with pytest.raises(Unreachable, match="btr is not mounted"):
        label_of("btr", None)


def test_room_is_checked_for_what_is_added_or_where_it_is_promised_for_what_is_written() -> None:
    pool, limits = Pool("p", 10, 5), replace(TERMS.limits, overcommit=2.0)

    check_space("p", pool, Room(), 5, limits)
    check_space("p", pool, Room(15), 5, limits, written=5)
    with pytest.raises(Exhausted, match="has 5 bytes free"):
        check_space("p", pool, Room(), 6, limits)
    with pytest.raises(Exhausted, match="promised"):
        check_space("p", pool, Room(16), 5, limits)
    with pytest.raises(Exhausted, match="free"):
        check_space("p", pool, Room(0), 6, limits, written=6)
    with pytest.raises(Unreachable, match="pool p is not mounted"):
        check_space("p", None, Room(0), 6, limits)


def test_limits_leave_thin_pools_and_torn_copies_off_unless_they_are_asked_for() -> None:
    limits = Limits(GIB, TIB)

    assert (limits.overcommit, limits.copy_attached, limits.file_copies) == (0, False, True)
    assert limits.copy_rate == 20 * 1024 * 1024


def test_a_disk_in_another_slot_that_uses_the_file_is_in_the_way_and_one_elsewhere_is_not() -> None:
    other = replace(disk(), slot="other")

    with pytest.raises(InUse, match="disk in slot other uses its backing file"):
        plan_create(WANTED, Room(), TERMS, replace(state(), users=(other,)))
    elsewhere = replace(other, path=f"/ssd/volumes/{NAME}.img")
    assert plan_create(WANTED, Room(), TERMS, replace(state(), users=(elsewhere,)))
    assert plan_create(WANTED, Room(), TERMS, state(files=(elsewhere.path,)))


# What is there already


def exported(**fields: object) -> FileDisk:
    return replace(disk(), export=replace(Export(NQN, 4420), **fields))  # type: ignore[arg-type]


def test_a_volume_whose_nqn_is_its_slot_is_the_same_one() -> None:
    check_same(WANTED, exported(nqn=NAME))


@pytest.mark.parametrize(
    ("wanted", "found", "says"),
    [
        (WANTED, exported(allowed_host=NOBODY), "but it is fenced$"),
        (with_parameters(fenced=True), exported(), "but it is not fenced$"),
        (WANTED, replace(exported(port=1), size=1), "its size is 1 bytes and its port is 1, not"),
        (
            replace(WANTED, source=Source(SLOT, is_snapshot=True)),
            exported(),
            "but it is not a copy$",
        ),
        (WANTED, replace(exported(), path="/raid10/volumes/x.qcow2"), "its backing file is /raid"),
        (WANTED, replace(exported(), path=f"{BASE}/pvc-9.img"), "its backing file is /raid10/"),
        (WANTED, replace(exported(), path=f"{BASE}/{NAME}/volume.img"), "its backing file is /r"),
        (
            WANTED,
            replace(exported(), path=Image(BASE, SLOT, Origin(NOW, GIB, "pvc-9")).path.text),
            "but it is a copy of pvc-9$",
        ),
    ],
)
def test_each_difference_is_named(wanted: NewVolume, found: FileDisk, says: str) -> None:
    with pytest.raises(Conflict, match=says):
        check_same(wanted, found)


def test_a_fenced_volume_is_the_same_whoever_is_let_in() -> None:
    check_same(with_parameters(fenced=True), exported(allowed_host="nqn.host"))


def test_a_copy_that_is_not_offered_yet_is_the_same_one() -> None:
    path = Image(BASE, SLOT, Origin(NOW, GIB, NAME)).path.text

    check_same(
        replace(WANTED, source=Source(SLOT, is_snapshot=True)),
        disk(exported=False, path=path),
    )


# Deleting


def test_a_volume_of_which_nothing_is_left_is_deleted() -> None:
    assert plan_delete(VOLUME, (), TERMS, state()) == ()


def test_a_volume_that_is_being_copied_is_not_deleted_and_dead_copies_go_first() -> None:
    seen = replace(state(disk()), copies=(COPY,))

    with pytest.raises(InUse, match=r"is being copied to pvc-2 .*; it can be deleted when"):
        plan_delete(VOLUME, (), TERMS, seen)
    (step,) = plan_delete(VOLUME, (), DEAD, seen)
    assert isinstance(step, RemoveFile)
    assert step.path.text == COPY.path


@pytest.mark.parametrize("path", [f"{BASE}/pvc-other.img", f"{BASE}/{NAME}.qcow2"])
def test_a_disk_with_somebody_elses_file_is_left_alone(path: str) -> None:
    with pytest.raises(InUse, match="nothing was removed"):
        plan_delete(VOLUME, (), TERMS, state(disk(path=path)))


def test_a_volume_in_a_subvolume_is_deleted_with_it_whether_its_disk_is_there_or_not() -> None:
    image = Image(BTRFS, SLOT, None, Layout.SUBVOLUME)
    terms = replace(TERMS, bases=(BTRFS,))
    bare = SlotState(SLOT, pools=(TANK,), subvolumes=(Subvolume("tank", image.subvolume),))
    whole = replace(bare, disk=disk(path=image.path.text), files=(BackingFile(image.path.text),))
    removal = (RemoveDisk(SLOT, image.path, Branch("tank", image.subvolume), copied=True),)

    assert plan_delete(VOLUME, (), terms, whole) == removal
    assert plan_delete(VOLUME, (), terms, bare) == removal
    assert plan_delete(VOLUME, (), terms, replace(whole, disk=None)) == removal
    pools = (TANK, *state().pools)
    assert plan_delete(VOLUME, (), TERMS, replace(bare, pools=pools)) == ()


def test_files_of_other_names_are_left_alone() -> None:
    files = (f"{BASE}/pvc-other.img", f"{BASE}/{NAME}.txt")

    assert plan_delete(VOLUME, (), TERMS, state(files=files)) == ()


# Growing


def test_a_volume_above_the_limit_stays_and_cannot_grow() -> None:
    terms = replace(TERMS, limits=replace(TERMS.limits, maximum=GIB))
    seen = state(disk(2 * GIB))

    assert plan_expand(VOLUME, CapacityRange(2 * GIB), Room(), terms, seen) == ()
    with pytest.raises(OutOfRange):
        plan_expand(VOLUME, CapacityRange(3 * GIB), Room(), terms, seen)


def test_where_files_are_thin_growing_needs_a_promise_and_no_room() -> None:
    grown = (GrowDisk(SLOT, 2 * GIB, 0, "raid10"),)
    asked = CapacityRange(2 * GIB)

    assert plan_expand(VOLUME, asked, Room(99 * GIB), THIN, state(disk(), free=0)) == grown
    with pytest.raises(Exhausted):
        plan_expand(VOLUME, asked, Room(99 * GIB + 1), THIN, state(disk()))


def test_a_volume_that_is_being_copied_does_not_grow_and_dead_copies_go_first() -> None:
    seen, asked = replace(state(disk()), copies=(COPY,)), CapacityRange(2 * GIB)

    with pytest.raises(InUse, match="; it can grow when"):
        plan_expand(VOLUME, asked, Room(), TERMS, seen)
    (step,) = plan_expand(VOLUME, asked, Room(), DEAD, seen)
    assert isinstance(step, RemoveFile)
    assert plan_expand(VOLUME, CapacityRange(GIB), Room(), TERMS, seen) == ()


def test_a_volume_that_is_not_there_does_not_grow() -> None:
    with pytest.raises(NotFound):
        plan_expand(VOLUME, CapacityRange(GIB), Room(), TERMS, state())
