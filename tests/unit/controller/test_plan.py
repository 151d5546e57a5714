from dataclasses import replace

import pytest

from libs.core.errors import Conflict, Exhausted, InUse, NotFound, OutOfRange, Unreachable
from libs.core.ids import VolumeId
from libs.core.size import GIB, CapacityRange
from libs.rdsclient.model import Export, FileDisk
from services.controller.plan.attach import plan_publish
from services.controller.plan.steps import CreateDisk, GrowDisk, Look, RemoveDisk
from services.controller.plan.volumes import Room, plan_create, plan_delete, plan_expand
from services.controller.requests.volumes import parse_create
from tests.unit.controller.values import (
    BASE,
    NAME,
    OTHER_BASE,
    SITES,
    TERMS,
    claim,
    create_request,
    disk,
    publication,
    state,
)

VOLUME = VolumeId.parse(NAME)
IMAGE = BASE.image_of(VOLUME.slot)
WANTED = parse_create(create_request(), SITES)[1]


# Create


def test_the_first_step_of_a_creation_needs_no_look() -> None:
    (step,) = plan_create(WANTED, Room(), TERMS, None)

    assert isinstance(step, CreateDisk)
    assert step.spec.size == GIB
    assert step.spec.path == IMAGE


def test_a_volume_that_is_as_wanted_needs_nothing() -> None:
    assert plan_create(WANTED, Room(), TERMS, state(disk())) == ()


def test_a_volume_that_has_grown_meanwhile_still_satisfies_an_open_range() -> None:
    assert plan_create(WANTED, Room(), TERMS, state(disk(2 * GIB))) == ()


@pytest.mark.parametrize(
    ("found", "message"),
    [
        (disk(GIB // 2), "its size is 536870912 bytes"),
        (disk(path=f"/ssd/volumes/{NAME}.img"), "its backing file is /ssd/volumes"),
        (replace(disk(), export=Export("nqn.2000-02.com.other:x", 4420)), "its NQN is nqn"),
        (replace(disk(), export=Export(WANTED.nqn.text, 4421)), "its port is 4421, not 4420"),
    ],
)
def test_a_volume_with_other_parameters_is_a_conflict(found: FileDisk, message: str) -> None:
    with pytest.raises(Conflict, match=message):
        plan_create(WANTED, Room(), TERMS, state(found))


def test_a_half_deleted_volume_is_not_given_out_again() -> None:
    with pytest.raises(InUse, match="not exported"):
        plan_create(WANTED, Room(), TERMS, state(disk(exported=False)))


def test_a_left_over_backing_file_is_never_reused() -> None:
    with pytest.raises(InUse, match="may hold data"):
        plan_create(WANTED, Room(), TERMS, state(files=(IMAGE.text,)))


def test_a_pool_without_room_or_without_a_mount_is_told_apart() -> None:
    with pytest.raises(Exhausted, match="512 MiB free, not the 1 GiB"):
        plan_create(WANTED, Room(), TERMS, state(free=GIB // 2))
    with pytest.raises(Unreachable, match="raid10 is not mounted"):
        plan_create(WANTED, Room(), TERMS, state(free=None))


def test_an_absurd_size_is_refused_before_anything_is_planned() -> None:
    wanted = parse_create(create_request(required=2**63 - 1), SITES)[1]

    with pytest.raises(OutOfRange):
        plan_create(wanted, Room(), TERMS, None)


# Delete


def test_a_deletion_starts_where_volumes_usually_are() -> None:
    assert plan_delete(VOLUME, (), TERMS, None) == (RemoveDisk(VOLUME.slot, IMAGE),)


def test_a_volume_in_another_allowed_directory_is_found_there() -> None:
    other = OTHER_BASE.image_of(VOLUME.slot)

    assert plan_delete(VOLUME, (), TERMS, state(disk(path=other.text))) == (
        RemoveDisk(VOLUME.slot, other, copied=True),
    )


def test_the_file_of_a_half_deleted_volume_is_removed_and_a_copy_elsewhere_is_not() -> None:
    copy = f"/raid10/backups/{NAME}.img"

    assert plan_delete(VOLUME, (), TERMS, state(files=(IMAGE.text, copy))) == (
        RemoveDisk(VOLUME.slot, IMAGE, copied=True),
    )
    assert plan_delete(VOLUME, (), TERMS, state(files=(copy,))) == ()


def test_a_file_that_a_disk_in_another_slot_uses_is_left_alone() -> None:
    seen = replace(state(files=(IMAGE.text,)), users=(replace(disk(), slot="renamed"),))

    with pytest.raises(InUse, match="slot renamed; nothing was removed"):
        plan_delete(VOLUME, (), TERMS, seen)


def test_a_disk_outside_the_allowed_directories_is_left_alone() -> None:
    with pytest.raises(InUse, match="nothing was removed"):
        plan_delete(VOLUME, (), TERMS, state(disk(path=f"/raid10/vms/{NAME}.img")))


def test_an_attached_volume_is_not_deleted() -> None:
    with pytest.raises(InUse, match="attached to worker-1, worker-2"):
        plan_delete(VOLUME, (claim("worker-2"), claim("worker-1")), TERMS, None)


@pytest.mark.parametrize("slot", ["raid10", "vm-storage-001", "pvc"])
def test_somebody_elses_disk_is_never_touched(slot: str) -> None:
    volume = VolumeId.parse(slot)

    assert plan_delete(volume, (), TERMS, None) == ()
    with pytest.raises(NotFound):
        plan_expand(volume, CapacityRange(GIB), Room(), TERMS, None)
    with pytest.raises(NotFound):
        plan_publish(replace(publication(), volume=volume), None, TERMS, None)


# Expand


def test_an_expansion_looks_grows_and_is_done() -> None:
    asked = CapacityRange(2 * GIB)

    assert plan_expand(VOLUME, asked, Room(), TERMS, None) == (Look(VOLUME.slot),)
    assert plan_expand(VOLUME, asked, Room(), TERMS, state(disk())) == (
        GrowDisk(VOLUME.slot, 2 * GIB, GIB, "raid10"),
    )
    assert plan_expand(VOLUME, asked, Room(), TERMS, state(disk(2 * GIB))) == ()


def test_a_volume_never_shrinks() -> None:
    assert plan_expand(VOLUME, CapacityRange(1), Room(), TERMS, state(disk())) == ()
    with pytest.raises(OutOfRange):
        plan_expand(VOLUME, CapacityRange(0, GIB // 2), Room(), TERMS, state(disk()))


def test_an_expansion_needs_room_for_what_it_adds_and_no_more() -> None:
    asked = CapacityRange(3 * GIB)

    assert plan_expand(VOLUME, asked, Room(), TERMS, state(disk(), free=2 * GIB))
    with pytest.raises(Exhausted):
        plan_expand(VOLUME, asked, Room(), TERMS, state(disk(), free=2 * GIB - 1))


# Publish


def test_a_volume_that_is_free_can_be_published() -> None:
    assert plan_publish(publication(), None, TERMS, state(disk())) == ()


def test_a_volume_that_is_gone_or_not_exported_cannot() -> None:
    with pytest.raises(NotFound):
        plan_publish(publication(), None, TERMS, state())
    with pytest.raises(InUse, match="not exported"):
        plan_publish(publication(), None, TERMS, state(disk(exported=False)))
