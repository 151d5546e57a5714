"""What a fingerprint tells apart: an approval to remove something holds for one state of it."""

from dataclasses import replace

import pytest

from libs.core.ids import Slot
from libs.rdsclient.model import BackingFile, Export, FileDisk, SlotState, Subvolume
from services.controller.plan.fingerprints import Kind, fingerprint

EXPORT = Export("nqn.1", 4420, "nqn.host")
DISK = FileDisk("pvc-a", "/p/v/pvc-a.img", 100, EXPORT)
USER = replace(DISK, slot="theirs")
COPY = BackingFile("/p/v/snap-c.1-64.of.pvc-a.img", 100)
SUB = Subvolume("tank", "v/pvc-a", "v/pvc-b", frozen=True)
BRANCH = Subvolume("tank", "v/snap-c.1-64.of.pvc-a")
STATE = SlotState(
    Slot("pvc-a"), DISK, (BackingFile(DISK.path, 100),), (COPY,), (USER,), (SUB,), (BRANCH,)
)


def printed(state: SlotState) -> str:
    return fingerprint(Kind.VOLUME, "pvc-a", state)


@pytest.mark.parametrize(
    "other",
    [
        replace(DISK, path="/p/v/another.img"),
        replace(DISK, is_restricted=True),
        replace(DISK, export=replace(EXPORT, nqn="nqn.2")),
        replace(DISK, export=replace(EXPORT, port=4421)),
        replace(DISK, export=replace(EXPORT, allowed_host="nqn.another")),
    ],
    ids=["path", "restricted", "nqn", "port", "host"],
)
def test_a_disk_that_was_set_otherwise_is_another_state(other: FileDisk) -> None:
    before, after = printed(STATE), printed(replace(STATE, disk=other))

    assert before != after


def test_another_disk_on_the_same_file_is_another_state() -> None:
    another = replace(STATE, users=(replace(USER, slot="somebody-else"),))

    before, after = printed(STATE), printed(another)

    assert before != after


def test_a_copy_that_grew_is_another_state() -> None:
    grown = replace(STATE, copies=(replace(COPY, size=101),))

    before, after = printed(STATE), printed(grown)

    assert before != after


@pytest.mark.parametrize(
    "other",
    [
        replace(SUB, label="another"),
        replace(SUB, name="w/pvc-a"),
        replace(SUB, parent="v/pvc-d"),
        replace(SUB, frozen=False),
    ],
    ids=["filesystem", "name", "parent", "frozen"],
)
def test_a_subvolume_that_is_another_or_can_be_written_is_another_state(other: Subvolume) -> None:
    before, after = printed(STATE), printed(replace(STATE, subvolumes=(other,)))

    assert before != after


@pytest.mark.parametrize(
    "other",
    [replace(BRANCH, label="another"), replace(BRANCH, name="v/snap-d.1-64.of.pvc-a")],
    ids=["filesystem", "name"],
)
def test_a_subvolume_made_of_it_that_is_another_is_another_state(other: Subvolume) -> None:
    before, after = printed(STATE), printed(replace(STATE, branches=(other,)))

    assert before != after


@pytest.mark.parametrize("name", ["snap-d.1-64.of.pvc-ab", "snap-d", "-odd.of.pvc-a"])
def test_what_is_no_copy_of_it_does_not_change_its_state(name: str) -> None:
    beside = replace(
        STATE,
        copies=(COPY, BackingFile(f"/p/v/{name}.img", 1)),
        branches=(BRANCH, Subvolume("tank", f"v/{name}")),
    )

    before, after = printed(STATE), printed(beside)

    assert before == after


@pytest.mark.parametrize(
    ("kind", "known"),
    [
        (Kind.VOLUME, "51aa04bc1970289af561dc9243897302"),
        (Kind.SNAPSHOT, "98df872b21cef4641d4ef1eaa1a8e699"),
        (Kind.FILE, "231b5842629fd1763f9ff7be77cba2ee"),
        (Kind.SUBVOLUME, "608226cf04fab05894900ec4a5db670a"),
    ],
)
def test_a_fingerprint_never_changes_as_approvals_are_kept_over_upgrades(
    kind: Kind, known: str
) -> None:
    print_ = fingerprint(kind, "pvc-a", STATE)

    assert print_ == known
