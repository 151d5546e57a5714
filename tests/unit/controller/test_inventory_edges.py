"""What is taken for an orphan and what is not, case by case: whoever reads the list removes it."""

import pytest

from libs.core.images import INNER_NAME, Image
from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.rdsclient.model import BackingFile, FileDisk, Pool, Storage, Subvolume
from services.controller.plan.fingerprints import Kind
from services.controller.plan.inventory import Half, Inventory, Leftover, take_inventory
from tests.unit.controller.copies import BTRFS
from tests.unit.controller.values import BASE

POOLS = (Pool("raid10", 100 * GIB, GIB), Pool("btr", 100 * GIB, GIB, "btrfs", label="tank"))
BASES = (BASE, BTRFS)
SIZE = 0x64
OF_A = "1-64.of.pvc-a"
"""What follows the name of a copy of 100 bytes."""


def taken(
    *there: FileDisk | BackingFile | Subvolume, bases: tuple[DevicePath, ...] = BASES
) -> Inventory:
    storage = Storage(
        tuple(one for one in there if isinstance(one, FileDisk)),
        tuple(one for one in there if isinstance(one, BackingFile)),
        POOLS,
        tuple(one for one in there if isinstance(one, Subvolume)),
    )
    return take_inventory(storage, bases)


def disk(path: str, slot: str = "pvc-a") -> FileDisk:
    return FileDisk(slot, path, SIZE)


def file(stem: str, size: int | None = SIZE) -> BackingFile:
    return BackingFile(f"{BASE}/{stem}.img", size)


def inner(stem: str, size: int | None = SIZE, directory: DevicePath = BTRFS) -> BackingFile:
    return BackingFile(f"{directory}/{stem}/{INNER_NAME}", size)


def sub(name: str) -> Subvolume:
    return Subvolume("tank", f"volumes/{name}")


def only(found: Inventory) -> Leftover:
    (leftover,) = found.leftovers
    return leftover


# Subvolumes that hold what is used


@pytest.mark.parametrize(
    "used", ["volume.img", "deep/volume.img", "very/deep/volume.img", "very/deep/down.raw"]
)
def test_a_subvolume_is_not_left_over_however_deep_in_it_a_used_file_lies(used: str) -> None:
    theirs = disk(f"{BTRFS}/pvc-b/{used}", slot="theirs")

    found = taken(theirs, sub("pvc-b"))

    assert found.leftovers == ()


def test_every_subvolume_on_the_way_to_a_used_file_is_not_left_over() -> None:
    disks = (
        disk(f"{BTRFS}/pvc-b/one/two/x.img", "theirs"),
        disk(f"{BTRFS}/pvc-b/y.img", "others"),
    )
    way = [sub(name) for name in ("pvc-b", "pvc-b/one", "pvc-b/one/two")]

    found = taken(*disks, *way, sub("pvc-b/three"))

    assert only(found).path == f"{BTRFS}/pvc-b/three"


def test_a_subvolume_beside_one_that_is_used_is_left_over() -> None:
    used = disk(inner("pvc-ab").path, slot="pvc-ab")

    found = taken(used, inner("pvc-ab"), sub("pvc-ab"), sub("pvc-a"))

    assert only(found).path == f"{BTRFS}/pvc-a"


# Snapshots


def test_a_snapshot_that_is_a_subvolume_is_ready_and_neither_it_nor_its_file_is_left_over() -> None:
    stem = f"snap-c.{OF_A}"

    found = taken(sub(stem), inner(stem))

    (snapshot,) = found.snapshots
    assert (snapshot.path, snapshot.ready) == (f"{BTRFS}/{stem}", True)
    assert snapshot.image == Image.parse(inner(stem).path)
    assert found.leftovers == ()


@pytest.mark.parametrize(("size", "ready"), [(SIZE, True), (SIZE - 1, False), (None, False)])
def test_a_snapshot_that_is_a_file_is_ready_when_all_bytes_are_there(
    size: int | None,
    ready: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    copy = file(f"snap-c.{OF_A}", size)

    found = taken(copy)

    (snapshot,) = found.snapshots
    assert (snapshot.path, snapshot.ready) == (copy.path, ready)
    assert found.leftovers == ()


def test_of_two_snapshots_with_one_name_the_first_counts_and_the_other_is_left_to_people() -> None:
    first, second = file("snap-c.1-64.of.pvc-a"), file("snap-c.2-64.of.pvc-a")

    found = taken(second, first)

    (snapshot,) = found.snapshots
    assert snapshot.path == first.path
    assert (only(found).path, only(found).fingerprint) == (second.path, "")


@pytest.mark.parametrize(
    "stranger",
    [
        BackingFile(f"/raid10/backups/snap-c.{OF_A}.img", SIZE),
        file("snap-c"),
        file(f"theirs.{OF_A}"),
        inner(f"snap-c.{OF_A}", directory=BASE),
    ],
    ids=["elsewhere", "without an origin", "named otherwise", "in a plain directory"],
)
def test_a_file_that_the_driver_would_not_make_for_a_snapshot_is_left_to_people(
    stranger: BackingFile,
) -> None:
    found = taken(stranger)

    assert found.snapshots == ()
    assert (only(found).path, only(found).fingerprint) == (stranger.path, "")


def test_a_copy_that_was_to_become_a_volume_is_no_snapshot() -> None:
    found = taken(file("pvc-b.1-64.of.snap-c"), sub("pvc-d.1-64.of.snap-c"), sub("snap-c"))

    paths = [one.path for one in found.leftovers if one.fingerprint]
    assert found.snapshots == ()
    assert paths == [f"{BTRFS}/pvc-d.1-64.of.snap-c", f"{BASE}/pvc-b.1-64.of.snap-c.img"]


# Volumes


@pytest.mark.parametrize(
    "path",
    [
        f"{BASE}/pvc-b.img",
        f"{BASE}/deeper/pvc-a.img",
        "/raid10/backups/pvc-a.img",
        f"{BASE}/pvc-a.raw",
    ],
    ids=["the file of another", "below the directory", "beside the directory", "no image"],
)
def test_a_volume_whose_file_is_not_where_it_belongs_is_elsewhere(path: str) -> None:
    found = taken(disk(path), BackingFile(path, SIZE))

    (volume,) = found.volumes
    assert volume.half is Half.ELSEWHERE
    assert found.leftovers == ()


def test_a_volume_says_what_is_being_copied_from_it_until_that_is_complete() -> None:
    copies = [
        file(f"snap-z.{OF_A}", SIZE - 1),
        file(f"pvc-b.{OF_A}", None),
        file(f"snap-done.{OF_A}", SIZE),
        file("snap-other.1-64.of.pvc-ab", 1),
    ]

    found = taken(disk(file("pvc-a").path), file("pvc-a"), *copies)

    (volume,) = found.volumes
    assert volume.copying_to == ("pvc-b", "snap-z")


def test_the_fingerprint_of_a_volume_changes_when_a_copy_of_it_begins() -> None:
    used = (disk(file("pvc-a").path), file("pvc-a"))

    (before,) = taken(*used).volumes
    (during,) = taken(*used, file(f"snap-c.{OF_A}", 1)).volumes

    assert before.fingerprint != during.fingerprint


# What is left over


def test_a_subvolume_is_left_over_together_with_its_file_and_once() -> None:
    found = taken(sub("pvc-a"), inner("pvc-a", 7))

    left = only(found)
    assert (left.kind, left.path, left.size) == (Kind.SUBVOLUME, f"{BTRFS}/pvc-a", 7)
    assert left.image == Image.parse(inner("pvc-a").path)


def test_another_file_in_a_subvolume_that_is_left_over_is_told() -> None:
    notes = BackingFile(f"{BTRFS}/pvc-a/notes.txt", 1)

    found = taken(sub("pvc-a"), inner("pvc-a"), notes)

    assert [one.path for one in found.leftovers] == [f"{BTRFS}/pvc-a", notes.path]
    assert [bool(one.fingerprint) for one in found.leftovers] == [True, False]


@pytest.mark.parametrize(("size", "told"), [(7, 7), (None, 0)])
def test_a_file_is_left_over_with_its_size_where_that_is_known(size: int | None, told: int) -> None:
    found = taken(file("pvc-a", size))

    assert (only(found).kind, only(found).size) == (Kind.FILE, told)


def test_an_empty_subvolume_is_left_over_with_no_bytes() -> None:
    found = taken(sub("pvc-a"))

    assert only(found).size == 0


@pytest.mark.parametrize(
    ("there", "half"),
    [
        ((file("pvc-b"),), Half.NO_DISK),
        ((file(f"pvc-b.{OF_A}", SIZE),), Half.NO_DISK),
        ((file(f"pvc-b.{OF_A}", SIZE - 1),), Half.COPYING),
        ((file(f"pvc-b.{OF_A}", None),), Half.COPYING),
        ((sub(f"pvc-b.{OF_A}"), inner(f"pvc-b.{OF_A}", 1)), Half.NO_DISK),
    ],
    ids=["no copy", "complete", "incomplete", "perhaps incomplete", "made at once"],
)
def test_a_file_that_is_left_over_is_being_copied_while_bytes_are_missing(
    there: tuple[BackingFile | Subvolume, ...], half: Half
) -> None:
    found = taken(*there)

    assert only(found).half is half


def test_a_subvolume_is_found_in_its_directory_while_the_pool_of_another_is_not_mounted() -> None:
    gone = DevicePath.parse("/gone/volumes")

    found = taken(sub("-odd"), bases=(gone, BTRFS))

    assert only(found).path == f"{BTRFS}/-odd"
