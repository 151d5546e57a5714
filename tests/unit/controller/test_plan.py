from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import Conflict, Exhausted, InUse, NotFound, OutOfRange, Unreachable
from libs.core.ids import NodeId, VolumeId
from libs.core.size import GIB, CapacityRange
from libs.rdsclient.model import Export, FileDisk
from services.controller import requests
from services.controller.plan import (
    CreateDisk,
    GrowDisk,
    Look,
    RemoveDisk,
    check_holders,
    plan_create,
    plan_delete,
    plan_expand,
    plan_publish,
)
from services.controller.ports import Attachment
from tests.unit.controller.values import (
    BASE,
    LIMITS,
    NAME,
    OTHER_BASE,
    SETTINGS,
    Mode,
    block,
    create_request,
    disk,
    mount,
    state,
)

VOLUME = VolumeId.parse(NAME)
BASES = (BASE, OTHER_BASE)
IMAGE = BASE.image_of(VOLUME.slot)
WANTED = requests.parse_create(create_request(), SETTINGS)


def publication(
    node: str = "worker-1", mode: Mode = Mode.SINGLE_NODE_WRITER, *, raw: bool = False
) -> requests.Publication:
    capability = requests.parse_capability(block(mode) if raw else mount(mode))
    return requests.Publication(VOLUME, NodeId.parse(node), capability, "192.0.2.2")


def claim(node: str, order: int = 0, *, attached: bool = True) -> Attachment:
    return Attachment(node, attached, (f"{order:04}", node))


# Create


def test_the_first_step_of_a_creation_needs_no_look() -> None:
    (step,) = plan_create(WANTED, LIMITS, None)

    assert isinstance(step, CreateDisk)
    assert step.spec.size == GIB
    assert step.spec.path == IMAGE


def test_a_volume_that_is_as_wanted_needs_nothing() -> None:
    assert plan_create(WANTED, LIMITS, state(disk())) == ()


def test_a_volume_that_has_grown_meanwhile_still_satisfies_an_open_range() -> None:
    assert plan_create(WANTED, LIMITS, state(disk(2 * GIB))) == ()


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
        plan_create(WANTED, LIMITS, state(found))


def test_a_half_deleted_volume_is_not_given_out_again() -> None:
    with pytest.raises(InUse, match="not exported"):
        plan_create(WANTED, LIMITS, state(disk(exported=False)))


def test_a_left_over_backing_file_is_never_reused() -> None:
    with pytest.raises(InUse, match="may hold data"):
        plan_create(WANTED, LIMITS, state(files=(IMAGE.text,)))


def test_a_pool_without_room_or_without_a_mount_is_told_apart() -> None:
    with pytest.raises(Exhausted, match="512 MiB free, not the 1 GiB"):
        plan_create(WANTED, LIMITS, state(free=GIB // 2))
    with pytest.raises(Unreachable, match="raid10 is not mounted"):
        plan_create(WANTED, LIMITS, state(free=None))


def test_an_absurd_size_is_refused_before_anything_is_planned() -> None:
    wanted = requests.parse_create(create_request(required=2**63 - 1), SETTINGS)

    with pytest.raises(OutOfRange):
        plan_create(wanted, LIMITS, None)


# Delete


def test_a_deletion_starts_where_volumes_usually_are() -> None:
    assert plan_delete(VOLUME, BASES, (), None) == (RemoveDisk(VOLUME.slot, IMAGE),)


def test_a_volume_in_another_allowed_directory_is_found_there() -> None:
    other = OTHER_BASE.image_of(VOLUME.slot)

    assert plan_delete(VOLUME, BASES, (), state(disk(path=other.text))) == (
        RemoveDisk(VOLUME.slot, other),
    )


def test_the_file_of_a_half_deleted_volume_is_removed_and_a_copy_elsewhere_is_not() -> None:
    copy = f"/raid10/backups/{NAME}.img"

    assert plan_delete(VOLUME, BASES, (), state(files=(IMAGE.text, copy))) == (
        RemoveDisk(VOLUME.slot, IMAGE),
    )
    assert plan_delete(VOLUME, BASES, (), state(files=(copy,))) == ()


def test_a_file_that_a_disk_in_another_slot_uses_is_left_alone() -> None:
    seen = replace(state(files=(IMAGE.text,)), users=(replace(disk(), slot="renamed"),))

    with pytest.raises(InUse, match="slot renamed; nothing was removed"):
        plan_delete(VOLUME, BASES, (), seen)


def test_a_disk_outside_the_allowed_directories_is_left_alone() -> None:
    with pytest.raises(InUse, match="nothing was removed"):
        plan_delete(VOLUME, BASES, (), state(disk(path=f"/raid10/vms/{NAME}.img")))


def test_an_attached_volume_is_not_deleted() -> None:
    with pytest.raises(InUse, match="attached to worker-1, worker-2"):
        plan_delete(VOLUME, BASES, (claim("worker-2"), claim("worker-1")), None)


@pytest.mark.parametrize("slot", ["raid10", "vm-storage-001", "pvc"])
def test_somebody_elses_disk_is_never_touched(slot: str) -> None:
    volume = VolumeId.parse(slot)

    assert plan_delete(volume, BASES, (), None) == ()
    with pytest.raises(NotFound):
        plan_expand(volume, CapacityRange(GIB), LIMITS, "raid10", None)
    with pytest.raises(NotFound):
        plan_publish(replace(publication(), volume=volume), (), "raid10", None)


# Expand


def test_an_expansion_looks_grows_and_is_done() -> None:
    asked = CapacityRange(2 * GIB)

    assert plan_expand(VOLUME, asked, LIMITS, "raid10", None) == (Look(VOLUME.slot, "raid10"),)
    assert plan_expand(VOLUME, asked, LIMITS, "raid10", state(disk())) == (
        GrowDisk(VOLUME.slot, 2 * GIB, GIB, "raid10"),
    )
    assert plan_expand(VOLUME, asked, LIMITS, "raid10", state(disk(2 * GIB))) == ()


def test_a_volume_never_shrinks() -> None:
    assert plan_expand(VOLUME, CapacityRange(1), LIMITS, "raid10", state(disk())) == ()
    with pytest.raises(OutOfRange):
        plan_expand(VOLUME, CapacityRange(0, GIB // 2), LIMITS, "raid10", state(disk()))


def test_an_expansion_needs_room_for_what_it_adds_and_no_more() -> None:
    asked = CapacityRange(3 * GIB)

    assert plan_expand(VOLUME, asked, LIMITS, "raid10", state(disk(), free=2 * GIB))
    with pytest.raises(Exhausted):
        plan_expand(VOLUME, asked, LIMITS, "raid10", state(disk(), free=2 * GIB - 1))


# Publish


def test_a_volume_that_is_free_can_be_published() -> None:
    assert plan_publish(publication(), (), "raid10", state(disk())) == ()


def test_a_volume_that_is_gone_or_not_exported_cannot() -> None:
    with pytest.raises(NotFound):
        plan_publish(publication(), (), "raid10", state())
    with pytest.raises(InUse, match="not exported"):
        plan_publish(publication(), (), "raid10", state(disk(exported=False)))


def test_another_node_in_the_way_is_named() -> None:
    with pytest.raises(InUse, match="attached to worker-2"):
        check_holders(publication(), (claim("worker-2"),))


def test_readers_share_and_a_raw_block_volume_migrates_between_two() -> None:
    held = (claim("worker-2"),)

    check_holders(publication(mode=Mode.MULTI_NODE_READER_ONLY), held)
    check_holders(publication(mode=Mode.MULTI_NODE_MULTI_WRITER, raw=True), held)
    with pytest.raises(InUse, match="worker-2, worker-3"):
        check_holders(
            publication(mode=Mode.MULTI_NODE_MULTI_WRITER, raw=True), (*held, claim("worker-3"))
        )


orders = st.lists(st.integers(0, 9), min_size=2, max_size=5)


@given(orders, st.sets(st.integers(0, 4), max_size=1))
def test_of_several_claims_to_a_volume_at_most_one_is_granted(
    ages: list[int], attached: set[int]
) -> None:
    held = [claim(f"n{i}", age, attached=i in attached) for i, age in enumerate(ages)]

    granted = [node for node in (c.node for c in held) if may_publish(node, held)]

    assert len(granted) == 1
    assert (
        not attached
        or granted == [f"n{i}" for i in attached if i < len(ages)]
        or max(attached) >= len(ages)
    )


def may_publish(node: str, held: list[Attachment]) -> bool:
    try:
        check_holders(publication(node), held)
    except InUse:
        return False
    return True
