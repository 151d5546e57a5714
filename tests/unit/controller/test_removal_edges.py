"""What may be removed of what nobody needs, and what is left of creations that failed."""

from dataclasses import replace

import pytest

from libs.core.errors import InUse, Unreachable
from libs.core.ids import SnapshotId, VolumeId
from libs.core.images import Image, Layout, Origin
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, Branch, FileDisk, Pool, SlotState, Subvolume
from services.controller.plan.abandon import is_half_made, plan_abandon
from services.controller.plan.fingerprints import Kind, fingerprint
from services.controller.plan.orphans import (
    Orphan,
    check_unchanged,
    check_unneeded,
    plan_remove,
    size_of,
)
from services.controller.plan.steps import Look, RemoveBranch, RemoveDisk, RemoveFile
from tests.unit.controller.copies import BTRFS
from tests.unit.controller.values import BASE, NAME, NOW, TERMS, disk, state

VOLUME = VolumeId.parse(NAME)
SLOT = VOLUME.slot
PLAIN = BASE.image_of(SLOT)
SOURCE = "snap-1"
COPY = Image(BASE, SLOT, Origin(NOW, GIB, SOURCE)).path
NOT_OURS = DevicePath.parse(f"/raid10/backups/{NAME}.img")
SUB_TERMS = replace(TERMS, bases=(BTRFS,))
SUB = Image(BTRFS, SLOT, None, Layout.SUBVOLUME)
TANK = Pool("btr", 100 * GIB, 10 * GIB, "btrfs", label="tank")


def left(*files: BackingFile, users: tuple[FileDisk, ...] = ()) -> SlotState:
    return replace(state(), files=files, users=users)


def branch() -> SlotState:
    return SlotState(SLOT, pools=(TANK,), subvolumes=(Subvolume("tank", SUB.subvolume),))


def using(path: str) -> FileDisk:
    return replace(disk(path=path), slot="other")


# Creations that failed


def test_before_anything_of_a_creation_is_removed_it_is_looked_at() -> None:
    assert plan_abandon(VOLUME, "", frozenset(), TERMS, None) == (Look(SLOT),)


def test_what_a_creation_itself_made_goes_and_what_was_there_before_stays() -> None:
    seen = left(BackingFile(PLAIN.text, GIB))
    removal = (RemoveDisk(SLOT, PLAIN, copied=True),)

    assert plan_abandon(VOLUME, "", frozenset([PLAIN.text]), TERMS, seen) == removal
    assert plan_abandon(VOLUME, "", frozenset(), TERMS, seen) == ()
    assert plan_abandon(VOLUME, "", frozenset([COPY.text]), TERMS, seen) == ()


def test_a_disk_stays_whatever_state_it_is_in() -> None:
    seen = replace(left(BackingFile(PLAIN.text, 1)), disk=disk(exported=False))

    assert plan_abandon(VOLUME, "", frozenset([PLAIN.text]), TERMS, seen) == ()


def test_a_file_that_another_disk_uses_stays() -> None:
    seen = left(BackingFile(PLAIN.text, GIB), users=(using(PLAIN.text),))

    assert plan_abandon(VOLUME, "", frozenset([PLAIN.text]), TERMS, seen) == ()


@pytest.mark.parametrize(
    ("size", "source", "goes"),
    [
        (GIB - 1, SOURCE, True),
        (0, SOURCE, True),
        (GIB, SOURCE, False),
        (None, SOURCE, False),
        (0, "snap-2", False),
        (0, "", False),
    ],
    ids=["incomplete", "empty", "complete", "unknown", "of another", "of nothing"],
)
def test_only_a_copy_of_the_same_source_that_is_certainly_incomplete_goes(
    size: int | None,
    source: str,
    goes: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    steps = plan_abandon(VOLUME, source, frozenset(), TERMS, left(BackingFile(COPY.text, size)))

    assert steps == ((RemoveDisk(SLOT, COPY, copied=True),) if goes else ())


def test_a_subvolume_goes_with_the_disk_that_was_not_made_in_it() -> None:
    steps = plan_abandon(VOLUME, "", frozenset([SUB.path.text]), SUB_TERMS, branch())

    assert steps == (RemoveDisk(SLOT, SUB.path, Branch("tank", SUB.subvolume), copied=True),)


@pytest.mark.parametrize(
    ("seen", "yes"),
    [
        (None, False),
        (state(), False),
        (left(BackingFile(COPY.text, 1)), True),
        (left(BackingFile(PLAIN.text, 1)), False),
        (state(disk(path=COPY.text, exported=False)), True),
        (state(disk(path=COPY.text)), False),
        (replace(left(BackingFile(COPY.text, 1)), disk=disk()), False),
        (left(BackingFile("/raid10/x", 1), BackingFile(COPY.text, 1)), True),
    ],
)
def test_a_copy_that_is_not_given_out_yet_may_still_be_finished(
    seen: SlotState | None,
    yes: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    assert is_half_made(seen, SOURCE) is yes
    assert not is_half_made(seen, "snap-2")


# Orphans


def orphan(kind: Kind, path: DevicePath | None = None, mark: str = "") -> Orphan:
    subject = SnapshotId.parse("snap-1") if kind is Kind.SNAPSHOT else VOLUME
    return Orphan(kind, subject, path, mark)


def test_an_orphan_is_called_by_its_path_or_else_by_its_slot() -> None:
    assert (orphan(Kind.FILE, PLAIN).name, str(orphan(Kind.FILE, PLAIN))) == (
        PLAIN.text,
        f"file {PLAIN}",
    )
    assert (orphan(Kind.VOLUME).name, str(orphan(Kind.VOLUME))) == (NAME, f"volume {NAME}")
    assert orphan(Kind.SNAPSHOT).slot.text == "snap-1"


@pytest.mark.parametrize(
    ("what", "seen", "size"),
    [
        (orphan(Kind.VOLUME), state(disk(2 * GIB)), 2 * GIB),
        (orphan(Kind.VOLUME), left(BackingFile(PLAIN.text, 5), BackingFile(COPY.text, None)), 5),
        (orphan(Kind.VOLUME), state(), None),
        (orphan(Kind.VOLUME), branch(), 0),
        (orphan(Kind.SNAPSHOT), left(BackingFile("a", 2), BackingFile("b", 3)), 5),
        (orphan(Kind.SNAPSHOT), state(), None),
        (orphan(Kind.FILE, PLAIN), left(BackingFile(PLAIN.text, 7)), 7),
        (orphan(Kind.FILE, PLAIN), left(BackingFile(PLAIN.text, None)), 0),
        (orphan(Kind.FILE, PLAIN), left(BackingFile(COPY.text, 7)), None),
        (orphan(Kind.SUBVOLUME, SUB.path.parent), branch(), 0),
        (orphan(Kind.SUBVOLUME, PLAIN), branch(), None),
    ],
)
def test_the_size_of_an_orphan_is_told_and_none_where_it_is_gone(
    what: Orphan, seen: SlotState, size: int | None
) -> None:
    assert size_of(what, SUB_TERMS, replace(seen, pools=(TANK,))) == size


def test_an_orphan_that_cannot_be_seen_is_not_taken_for_gone() -> None:
    there = left(BackingFile(PLAIN.text, 7))

    assert size_of(orphan(Kind.FILE, PLAIN), SUB_TERMS, replace(there, pools=())) == 7
    with pytest.raises(Unreachable, match=f"not mounted on the device: btr;.* of file {COPY}"):
        size_of(orphan(Kind.FILE, COPY), SUB_TERMS, replace(there, pools=()))


def test_an_orphan_that_changed_since_it_was_listed_stays() -> None:
    seen = left(BackingFile(PLAIN.text, 7))
    listed = orphan(Kind.FILE, PLAIN, fingerprint(Kind.FILE, PLAIN.text, seen))

    check_unchanged(listed, seen)
    with pytest.raises(InUse, match="not any more what was listed"):
        check_unchanged(listed, left(BackingFile(PLAIN.text, 8)))


def test_what_somebody_refers_to_or_has_is_no_orphan() -> None:
    check_unneeded(orphan(Kind.VOLUME), [], [])
    with pytest.raises(InUse, match="pv-1, pv-2 refers to it"):
        check_unneeded(orphan(Kind.VOLUME), [], ["pv-1", "pv-2"])
    with pytest.raises(InUse, match="a, b"):
        check_unneeded(orphan(Kind.VOLUME), ["a", "b"], [])


def test_a_volume_and_a_snapshot_are_removed_as_any_other() -> None:
    assert plan_remove(orphan(Kind.VOLUME), TERMS, state(disk())) == (
        RemoveDisk(SLOT, PLAIN, copied=True),
    )
    frozen = Image(BASE, SnapshotId.parse("snap-1").slot, Origin(NOW, GIB, NAME)).path
    assert plan_remove(orphan(Kind.SNAPSHOT), TERMS, left(BackingFile(frozen.text, GIB))) == (
        RemoveFile(SnapshotId.parse("snap-1").slot, frozen, copies=0),
    )


def test_a_file_is_removed_by_itself_where_it_still_is() -> None:
    what = orphan(Kind.FILE, PLAIN)

    assert plan_remove(what, TERMS, None) == (Look(SLOT),)
    assert plan_remove(what, TERMS, left(BackingFile(PLAIN.text, 1))) == (RemoveFile(SLOT, PLAIN),)
    assert plan_remove(what, TERMS, left(BackingFile(COPY.text, 1))) == ()
    elsewhere = left(BackingFile(PLAIN.text, 1), users=(using(NOT_OURS.text),))
    assert plan_remove(what, TERMS, elsewhere) == (RemoveFile(SLOT, PLAIN),)


@pytest.mark.parametrize("path", [PLAIN.text, f"{PLAIN}/volume.img"])
def test_what_a_disk_uses_is_not_removed_whichever_slot_it_is_in(path: str) -> None:
    seen = left(BackingFile(PLAIN.text, 1))

    with pytest.raises(InUse, match="slot other; nothing was removed"):
        plan_remove(orphan(Kind.FILE, PLAIN), TERMS, replace(seen, users=(using(path),)))
    with pytest.raises(InUse, match=f"slot {NAME}; nothing was removed"):
        plan_remove(orphan(Kind.FILE, PLAIN), TERMS, replace(seen, disk=disk(path=path)))


def test_what_is_being_copied_or_made_is_not_removed() -> None:
    to = BackingFile(f"{BASE}/pvc-2.{NOW:x}-{GIB:x}.of.{NAME}.img", 1)
    made = left(BackingFile(COPY.text, 1))

    with pytest.raises(InUse, match="is being copied to pvc-2"):
        plan_remove(
            orphan(Kind.FILE, PLAIN), TERMS, replace(left(BackingFile(PLAIN.text, 1)), copies=(to,))
        )
    with pytest.raises(InUse, match=f"is being made, as a copy of {SOURCE}"):
        plan_remove(orphan(Kind.FILE, COPY), TERMS, made)


def test_a_copy_that_is_complete_or_dead_is_removed() -> None:
    dead = replace(TERMS, now=NOW + 3600, stalled=frozenset([COPY.text]))
    removal = (RemoveFile(SLOT, COPY),)

    assert plan_remove(orphan(Kind.FILE, COPY), TERMS, left(BackingFile(COPY.text, GIB))) == removal
    assert plan_remove(orphan(Kind.FILE, COPY), dead, left(BackingFile(COPY.text, 1))) == removal


def test_a_subvolume_is_removed_by_its_label_and_name_where_it_still_is() -> None:
    what = orphan(Kind.SUBVOLUME, SUB.path.parent)

    assert plan_remove(what, SUB_TERMS, branch()) == (
        RemoveBranch(SLOT, SUB.path, Branch("tank", SUB.subvolume)),
    )
    assert plan_remove(what, SUB_TERMS, replace(branch(), subvolumes=())) == ()
    assert plan_remove(orphan(Kind.SUBVOLUME, BTRFS), SUB_TERMS, branch()) == ()


def test_a_subvolume_that_is_somebody_elses_is_in_nobodys_way() -> None:
    what = orphan(Kind.SUBVOLUME, SUB.path.parent)
    theirs = Subvolume("theirs", SUB.subvolume)
    seen = replace(branch(), subvolumes=(theirs, *branch().subvolumes))

    assert plan_remove(what, SUB_TERMS, seen) == (
        RemoveBranch(SLOT, SUB.path, Branch("tank", SUB.subvolume)),
    )


def test_dead_copies_of_an_orphan_go_before_it() -> None:
    to = f"{BASE}/pvc-2.{NOW:x}-{GIB:x}.of.{NAME}.img"
    seen = replace(left(BackingFile(PLAIN.text, 1)), copies=(BackingFile(to, 1),))
    dead = replace(TERMS, now=NOW + 3600, stalled=frozenset([to]))

    steps = plan_remove(orphan(Kind.FILE, PLAIN), dead, seen)

    assert steps == (RemoveFile(SLOT, DevicePath.parse(to)),)
