"""Among what is ours lies what is not: files of other kinds, subvolumes of other pools."""

from dataclasses import replace

import pytest

from libs.core.errors import Conflict, NotFound
from libs.core.ids import VolumeId
from libs.core.images import INNER_NAME, Image, Layout, Origin
from libs.core.size import GIB, GRANULE
from libs.rdsclient.model import BackingFile, Branch, SlotState, Subvolume
from services.controller.plan.clone import plan_clone
from services.controller.plan.copies import branch_of, copies_in, plan_take_back, within
from services.controller.plan.snapshots import (
    found_snapshot,
    plan_delete_snapshot,
    plan_snapshot,
    snapshots_in,
)
from services.controller.plan.steps import (
    AdmitHost,
    CreateDisk,
    From,
    RemoveBranch,
    RemoveDisk,
    RemoveFile,
    found,
)
from services.controller.plan.volumes import Room
from tests.unit.controller.copies import (
    BTRFS,
    FROZEN,
    LATER,
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
from tests.unit.controller.test_copy_edges import CLONE, COPY, EMPTY, FROM, copied, restore
from tests.unit.controller.values import BASE, NAME, NOW, TERMS, disk, state

SLOT = VolumeId.parse(NAME).slot
OTHER_POOL = Subvolume("theirs", f"volumes/{SNAPSHOT}")
PLAIN = Subvolume("tank", f"volumes/{SNAPSHOT}")
ODD = Subvolume("tank", "volumes/-odd")
STRANGERS = (OTHER_POOL, PLAIN, ODD)


def test_a_file_of_another_kind_is_no_copy() -> None:
    files = (BackingFile(f"{BASE}/notes.txt", 1), BackingFile(f"{BASE}/{NAME}.img", 1))

    assert copies_in(files) == ()


def test_a_copy_is_taken_back_whatever_lies_beside_it() -> None:
    seen = replace(copied(1), files=(BackingFile(f"{BASE}/x.img"), *copied(1).files))

    assert plan_take_back(CLONE, COPY.path, TERMS, seen) == (RemoveFile(CLONE, COPY.path),)


def test_the_subvolume_of_a_volume_is_found_whatever_lies_beside_it() -> None:
    there = Subvolume("tank", SUB.subvolume)
    seen = replace(SUB_SNAPSHOT, subvolumes=(*STRANGERS, there))

    assert branch_of(SUB, seen) == Branch("tank", SUB.subvolume)


def test_a_subvolume_with_an_odd_name_is_not_ours() -> None:
    seen = replace(SUB_SNAPSHOT, subvolumes=(ODD, *SUB_SNAPSHOT.subvolumes))

    assert within(seen, SUB_TERMS.bases).subvolumes == SUB_SNAPSHOT.subvolumes


def test_a_clone_finds_its_source_and_its_own_beginning_whatever_lies_beside_them() -> None:
    wanted = restore(layout="subvolume")
    wanted = replace(wanted, parameters=replace(wanted.parameters, directory=BTRFS))
    begun = Image(BTRFS, CLONE, Origin(NOW - 9, GIB, SNAPSHOT.text), Layout.SUBVOLUME)
    source = replace(SUB_SNAPSHOT, subvolumes=(*STRANGERS, *SUB_SNAPSHOT.subvolumes))
    seen = replace(
        SUB_SNAPSHOT,
        slot=CLONE,
        subvolumes=(
            Subvolume("theirs", begun.subvolume),
            Subvolume("tank", f"volumes/{CLONE}"),
            Subvolume("tank", begun.subvolume),
        ),
    )

    fresh = replace(seen, subvolumes=seen.subvolumes[:2])
    (first,) = plan_clone(wanted, FROM, From(source), Room(), SUB_TERMS, fresh)
    (step,) = plan_clone(wanted, FROM, From(source), Room(), SUB_TERMS, seen)

    assert isinstance(first, CreateDisk)
    assert isinstance(step, CreateDisk)
    mine = replace(begun, origin=Origin(NOW, GIB, SNAPSHOT.text))
    assert first.spec.branch == Branch("tank", mine.subvolume, FROZEN.subvolume)
    assert (step.spec.path, step.spec.branch) == (begun.path, None)


def test_a_disk_that_is_not_offered_and_is_no_such_copy_is_not_finished() -> None:
    path = Image(BASE, CLONE, Origin(NOW, GIB, "snap-other")).path.text
    strange = replace(disk(path=path, exported=False), slot=CLONE.text)

    with pytest.raises(Conflict, match="it is a copy of snap-other"):
        plan_clone(restore(), FROM, From(NOTHING), Room(), TERMS, replace(EMPTY, disk=strange))


def test_a_copy_that_became_larger_than_it_had_to_is_taken_as_large_as_it_is() -> None:
    (step,) = plan_clone(
        restore(), FROM, From(seen_snapshot()), Room(), TERMS, copied(GIB + GRANULE)
    )

    assert isinstance(step, CreateDisk)
    assert step.spec.size == GIB + GRANULE


def test_only_subvolumes_with_an_origin_are_snapshots() -> None:
    (only,) = snapshots_in((), (*STRANGERS, *SUB_SNAPSHOT.subvolumes))

    assert (only.name, only.source) == (SNAPSHOT.text, NAME)
    assert found_snapshot(SNAPSHOT, SUB_TERMS.bases, SUB_SNAPSHOT) == only


def test_the_file_within_a_subvolume_goes_with_it_and_not_by_itself() -> None:
    inner = BackingFile(f"{FROZEN.path.parent}/{INNER_NAME}", 1)
    seen = replace(SUB_SNAPSHOT, files=(inner,))
    late = replace(SUB_TERMS, now=LATER.now, stalled=frozenset([inner.path]))

    assert plan_delete_snapshot(SNAPSHOT, SUB_TERMS, seen) == (
        RemoveBranch(SNAPSHOT.slot, FROZEN.path, Branch("tank", FROZEN.subvolume)),
    )
    assert plan_snapshot(WANTED, SOURCE, late, seen) == ()


def test_a_step_cuts_nobody_off_and_trusts_no_copies_unless_it_says_so() -> None:
    assert AdmitHost(SLOT, "h") == AdmitHost(SLOT, "h", only_fenced=False, cut=False)
    assert RemoveDisk(SLOT, PLACE.path).copied is False


@pytest.mark.parametrize("seen", [None, state()])
def test_a_volume_that_was_not_seen_is_not_found(seen: SlotState | None) -> None:
    with pytest.raises(NotFound, match=f"volume {NAME} does not exist"):
        found(VolumeId.parse(NAME), seen)
