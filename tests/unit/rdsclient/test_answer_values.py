"""What each property of an answer may be, to the last digit, and what becomes of it."""

import json
from typing import Any

import pytest

from libs.core.ids import Slot
from libs.rdsclient import commands, images, replies
from libs.rdsclient.errors import GarbledReply, NoSuchItem
from libs.rdsclient.model import BackingFile, Export, FileDisk, Pool, SlotState, Subvolume
from tests.strategies.device import LATEST

DISK: dict[str, Any] = {
    "slot": "pvc-1",
    "type": "file",
    "file-path": "X1/volumes/pvc-1.img",
    "size": 4096,
    "nvme-tcp-export": True,
    "nvme-tcp-server-port": 4420,
    "nvme-tcp-server-nqn": "nqn.2000-02.com.mikrotik:pvc-1",
    "nvme-tcp-server-allow-host-name": "nqn.2014-08.org.nvmexpress:uuid:node-1",
}
OTHER = {"slot": "their-disk", "type": "file", "file-path": "X1/volumes/pvc-1.img", "size": 4096}
POOL = {"mount-point": "X1", "size": 10, "free": 5}
LIST = commands.list_disks(LATEST, ("pvc-",))
SLOT = Slot.parse("pvc-1")
LAST = 2**63 - 1


def answer(*documents: object) -> str:
    return "".join(json.dumps(document) + "\r\n" for document in documents)


def read(**properties: object) -> FileDisk:
    changes = {name.replace("_", "-"): value for name, value in properties.items()}
    (disk,) = replies.parse_disks(answer([DISK | changes]), LIST)
    return disk


def test_a_disk_is_read_with_who_may_connect_to_it() -> None:
    host = "nqn.2014-08.org.nvmexpress:uuid:node-1"
    export = Export("nqn.2000-02.com.mikrotik:pvc-1", 4420, host)

    disk = read()

    assert disk == FileDisk("pvc-1", "/X1/volumes/pvc-1.img", 4096, export, is_restricted=True)


def test_an_export_without_an_nqn_of_its_own_has_the_slot() -> None:
    disk = read(nvme_tcp_server_nqn="", nvme_tcp_server_allow_host_name="")

    assert disk.export == Export("pvc-1", 4420)


@pytest.mark.parametrize(
    ("size", "number"),
    [
        (0, 0),
        ("0", 0),
        (LAST, LAST),
        (str(LAST), LAST),
        ("0000000000000000001", 1),
        (443.0, 443),
    ],
)
def test_a_size_is_whatever_an_int64_can_be(size: object, number: int) -> None:
    disk = read(size=size)

    assert disk.size == number


@pytest.mark.parametrize(
    "size", [LAST + 1, str(LAST + 1), "00000000000000000001", "\u0661\u0662", "\u00a01", " ", 0.5]
)
def test_a_size_that_is_no_int64_is_refused(size: object) -> None:
    with pytest.raises(GarbledReply, match="size of 'pvc-1' should be a whole number"):
        read(size=size)


def test_a_size_of_millions_of_digits_is_refused_and_not_counted_out() -> None:
    text = answer([DISK]).replace("4096", "1e99999999")

    with pytest.raises(GarbledReply, match="size of 'pvc-1' should be a whole number"):
        replies.parse_disks(text, LIST)


@pytest.mark.parametrize(
    ("value", "is_exported"),
    [
        *[(True, True), ("yes", True), ("true", True)],
        *[(False, False), ("no", False), ("false", False)],
    ],
)
def test_a_flag_is_a_truth_value_or_a_word_for_one(value: object, *, is_exported: bool) -> None:
    disk = read(nvme_tcp_export=value)

    assert (disk.export is not None) is is_exported


@pytest.mark.parametrize("value", [1, 0, 1.0, "YES", "", None, []])
def test_a_flag_that_is_something_else_is_refused(value: object) -> None:
    with pytest.raises(GarbledReply, match="nvme-tcp-export of 'pvc-1' should be yes or no"):
        read(nvme_tcp_export=value)


@pytest.mark.parametrize(
    ("item", "message", "detail"),
    [
        ({"slot": "a", "name": "b", ".id": "*1"}, "'a'", "missing in "),
        ({"name": "b", ".id": "*1", "mount-point": 7}, "'b'", "'7' in "),
        ({".id": "*1"}, "'*1'", "missing in "),
        ({}, "'?'", "missing in "),
    ],
)
def test_an_item_that_cannot_be_read_is_told_by_the_best_name_that_it_has(
    item: dict[str, object], message: str, detail: str
) -> None:
    text = answer([item | {"size": 10, "free": 5}])

    with pytest.raises(GarbledReply) as caught:
        replies.parse_pool(text, commands.read_pool(LATEST, "X1"))

    said = f"the device's answer cannot be read: mount-point of {message} should be a text"
    assert str(caught.value) == said
    assert caught.value.detail.startswith(detail)


def test_what_comes_after_all_that_was_asked_for_is_an_error() -> None:
    with pytest.raises(NoSuchItem):
        replies.parse_disks(answer([DISK]) + "no such item", LIST)


def test_all_that_belongs_to_a_slot_is_told_apart_by_its_names() -> None:
    disks = [DISK, OTHER | {"nvme-tcp-export": "no"}]
    names = ["X1/volumes/pvc-1.img", "X1/volumes/snap-1.6-1000.of.pvc-1.img", "X1/notes.txt"]
    files = [{"name": name, "size": 4096} for name in names]
    branches = [
        {"fs": "btr", "fullname": "volumes/pvc-1", "name": "pvc-1"},
        {"fs": "btr", "fullname": "snaps/s.6-1.of.pvc-1", "parent": "p", "read-only": True},
    ]
    mounts = [POOL, {"mount-point": "tmp", "size": 1}, {"mount-point": "usb", "free": 1}]

    state = replies.parse_slot(
        answer(disks, files, mounts, branches), commands.read_slot(LATEST, SLOT), SLOT
    )

    assert state == SlotState(
        SLOT,
        disk=read(),
        users=(FileDisk("their-disk", "/X1/volumes/pvc-1.img", 4096),),
        files=(BackingFile("/X1/volumes/pvc-1.img", 4096),),
        copies=tuple(BackingFile(f"/{name}", 4096) for name in names[1:]),
        copied=2,
        subvolumes=(Subvolume("btr", "volumes/pvc-1"),),
        branches=(Subvolume("btr", "snaps/s.6-1.of.pvc-1", "p", frozen=True),),
        pools=(Pool("X1", 10, 5),),
    )


def test_a_slot_without_a_disk_of_its_own_has_only_users_of_its_file() -> None:
    disks = [OTHER | {"nvme-tcp-export": "no"}]

    state = replies.parse_slot(answer(disks, [], [], []), commands.read_slot(LATEST, SLOT), SLOT)

    assert state == SlotState(SLOT, users=(FileDisk("their-disk", "/X1/volumes/pvc-1.img", 4096),))


def test_the_state_of_a_snapshot_has_its_files_pools_and_subvolumes() -> None:
    branch = {"fs": "btr", "fullname": "snaps/s", "parent": "volumes/a", "read-only": "yes"}
    text = answer([{"name": "X1/s.img", "size": 7}], [POOL], [branch])

    state = replies.parse_snapshots(text, images.list_snapshots(LATEST))

    assert state == SlotState(
        Slot("snap"),
        files=(BackingFile("/X1/s.img", 7),),
        subvolumes=(Subvolume("btr", "snaps/s", "volumes/a", frozen=True),),
        pools=(Pool("X1", 10, 5),),
    )
