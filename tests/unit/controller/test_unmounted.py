"""What plans conclude while pools are not mounted, as while a device starts."""

from dataclasses import replace

import pytest

from libs.core.errors import NotFound, Unreachable
from libs.core.ids import VolumeId
from libs.core.images import Image, Layout
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Pool, SlotState, Subvolume
from services.controller.plan.clone import plan_clone
from services.controller.plan.snapshots import found_snapshot, plan_delete_snapshot
from services.controller.plan.steps import (
    From,
    RemoveBranch,
    RemoveDisk,
    RemoveFile,
    check_listed,
    unmounted,
)
from services.controller.plan.volumes import Room, plan_delete
from services.controller.requests.volumes import Source, parse_create
from tests.unit.controller.copies import (
    FROZEN,
    PLACE,
    SNAPSHOT,
    SUB_SNAPSHOT,
    SUB_TERMS,
    seen_snapshot,
)
from tests.unit.controller.values import (
    BASE,
    NAME,
    OTHER_BASE,
    OTHER_POOL,
    SITES,
    TERMS,
    create_request,
    disk,
    state,
)

VOLUME = VolumeId.parse(NAME)
IMAGE = BASE.image_of(VOLUME.slot)
POOL = Pool("raid10", 100 * GIB, 10 * GIB)
EACH = [((POOL,), "ssd"), ((OTHER_POOL,), "raid10"), ((), "raid10, ssd")]
"""Which pools are mounted, and which are said not to be."""


def test_pools_of_the_directories_that_are_not_mounted_are_named_once_and_in_order() -> None:
    deeper = DevicePath.parse("/raid10/a/b/c")

    assert unmounted((OTHER_BASE, deeper, BASE), ()) == ("raid10", "ssd")
    assert unmounted((OTHER_BASE, deeper, BASE), (POOL, OTHER_POOL, Pool("x", 1, 1))) == ()
    assert unmounted((BASE,), (OTHER_POOL,)) == ("raid10",)


def test_what_was_not_seen_is_not_there_where_all_pools_are_mounted() -> None:
    check_listed("all", TERMS.bases, (POOL, OTHER_POOL))
    with pytest.raises(Unreachable) as caught:
        check_listed("volume a", TERMS.bases, (POOL,))

    assert caught.value.message == (
        "not mounted on the device: ssd; until it is, nobody can say what there is of volume a"
    )


@pytest.mark.parametrize(("pools", "missing"), EACH)
def test_a_volume_of_which_nothing_is_seen_may_be_in_a_pool_that_is_away(
    pools: tuple[Pool, ...], missing: str
) -> None:
    with pytest.raises(Unreachable, match=f"device: {missing};.* is of volume {NAME}$"):
        plan_delete(VOLUME, (), TERMS, replace(state(), pools=pools))


def test_a_disk_goes_only_while_its_own_pool_is_mounted() -> None:
    seen = state(disk())

    with pytest.raises(Unreachable, match="pool raid10 is not mounted"):
        plan_delete(VOLUME, (), TERMS, replace(seen, pools=(OTHER_POOL,)))
    assert plan_delete(VOLUME, (), TERMS, replace(seen, pools=(replace(POOL, free=0),))) == (
        RemoveDisk(VOLUME.slot, IMAGE, copied=True),
    )


def test_a_file_that_is_seen_goes_whatever_else_is_away() -> None:
    seen = replace(state(files=(IMAGE.text,)), pools=(POOL,))

    assert plan_delete(VOLUME, (), TERMS, seen) == (RemoveDisk(VOLUME.slot, IMAGE, copied=True),)


@pytest.mark.parametrize(("pools", "missing"), EACH)
def test_a_snapshot_that_is_not_seen_is_neither_gone_nor_deleted(
    pools: tuple[Pool, ...], missing: str
) -> None:
    nothing = SlotState(SNAPSHOT.slot, pools=pools)
    said = f"device: {missing};.* is of snapshot {SNAPSHOT}$"

    with pytest.raises(Unreachable, match=said):
        plan_delete_snapshot(SNAPSHOT, TERMS, nothing)
    with pytest.raises(Unreachable, match=said):
        found_snapshot(SNAPSHOT, TERMS.bases, nothing)
    with pytest.raises(Unreachable, match=said):
        plan_clone(
            parse_create(create_request("pvc-2"), SITES)[1],
            Source(SNAPSHOT.slot, is_snapshot=True),
            From(nothing),
            Room(),
            TERMS,
            replace(state(), slot=VolumeId.parse("pvc-2").slot),
        )


def test_a_snapshot_that_was_never_looked_for_is_not_known() -> None:
    with pytest.raises(Unreachable, match="raid10, ssd"):
        found_snapshot(SNAPSHOT, TERMS.bases, None)
    with pytest.raises(NotFound):
        found_snapshot(SNAPSHOT, (), None)


def test_a_snapshot_that_is_seen_is_found_and_removed_whatever_else_is_away() -> None:
    terms = replace(SUB_TERMS, bases=(*SUB_TERMS.bases, OTHER_BASE))
    seen = replace(seen_snapshot(), pools=(POOL,))

    assert found_snapshot(SNAPSHOT, TERMS.bases, seen).name == SNAPSHOT.slot.text
    removal = RemoveFile(SNAPSHOT.slot, PLACE.path, copies=0)
    assert plan_delete_snapshot(SNAPSHOT, TERMS, seen) == (removal,)
    (step,) = plan_delete_snapshot(SNAPSHOT, terms, SUB_SNAPSHOT)
    assert isinstance(step, RemoveBranch)
    assert step.path == FROZEN.path


def test_a_volume_in_a_subvolume_stays_while_its_pool_is_away() -> None:
    image = Image(SUB_TERMS.bases[0], VOLUME.slot, None, Layout.SUBVOLUME)
    path = image.path.text
    seen = SlotState(
        VOLUME.slot,
        disk(path=path),
        (BackingFile(path),),
        subvolumes=(Subvolume("tank", image.subvolume),),
    )

    with pytest.raises(Unreachable, match="pool btr is not mounted"):
        plan_delete(VOLUME, (), SUB_TERMS, seen)
    with pytest.raises(Unreachable, match="device: btr;"):
        plan_delete(VOLUME, (), SUB_TERMS, replace(seen, disk=None, files=()))
