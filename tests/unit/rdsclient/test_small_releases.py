"""Lines for devices that know less, for disks that ask for more, and odd listings."""

import json
from dataclasses import replace

import pytest

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.rdsclient import commands, health, images, replies
from libs.rdsclient.errors import GarbledReply
from libs.rdsclient.model import BackingFile, Branch, DiskSpec
from tests.strategies.device import LATEST

OLD = replace(LATEST, json=False, subvolumes=False, nqn=False)
SLOT = Slot.parse("pvc-1")
PATH = DevicePath.parse("/raid10/volumes/pvc-1.img")
SPEC = DiskSpec(SLOT, PATH, 1 << 30, Nqn.parse("nqn.2000-02.com.mikrotik:pvc-1"), 4420)
POOL = {"mount-point": "raid10", "size": 10, "free": 5}
DISK = {
    "slot": "pvc-1",
    "type": "file",
    "file-path": PATH.text,
    "size": 7,
    "nvme-tcp-export": False,
}


def answer(*documents: object) -> str:
    return "".join(json.dumps(document) + "\r\n" for document in documents)


# Lines


def test_a_value_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="valid UTF-8"):
        commands.quote("\ud800")


def test_a_release_without_subvolumes_is_not_asked_for_them() -> None:
    assert "fullname~" in commands.read_slot(LATEST, SLOT).line
    assert "fullname~" not in commands.read_slot(OLD, SLOT).line
    assert "fullname~" in images.list_snapshots(LATEST).line
    assert "fullname~" not in images.list_snapshots(OLD).line


def test_the_name_of_a_device_that_knows_no_json_is_asked_for_in_text() -> None:
    assert commands.read_identity(OLD).listings == 0
    assert commands.read_identity(LATEST).listings == 1


def test_a_disk_is_made_with_what_it_asks_for_and_the_release_knows() -> None:
    plain = images.create_disk(OLD, SPEC).line
    asked = replace(SPEC, allowed_host="nqn.host", password=Secret("s3cret-pass"))
    full = images.create_disk(LATEST, asked)

    assert "nvme-tcp-server-nqn" not in plain
    assert "nvme-tcp-server-allow-host-name" not in plain
    assert "nvme-tcp-server-password" not in plain
    assert 'nvme-tcp-server-allow-host-name="nqn.host"' in full.line
    assert 'nvme-tcp-server-password="s3cret-pass"' in full.line
    assert "s3cret-pass" not in full.shown


def test_a_subvolume_is_made_along_with_the_disk_in_it_of_its_parent_if_it_has_one() -> None:
    branch = Branch("data", "volumes/pvc-1")

    fresh = images.create_disk(LATEST, replace(SPEC, branch=branch)).line
    copied = images.create_disk(
        LATEST, replace(SPEC, branch=replace(branch, parent="volumes/pvc-0"), adopts=True)
    ).line

    assert "parent=" not in fresh
    assert "read-only" not in fresh
    assert 'parent="volumes/pvc-0"' in copied
    # The file comes with the copy of the subvolume, so that there is none to look for before.
    assert fresh.count("/file/find") > copied.count("/file/find")


def test_a_frozen_subvolume_is_read_only() -> None:
    line = images.freeze_branch(LATEST, SLOT, Branch("data", "snaps/a", "volumes/pvc-1")).line

    assert "read-only=yes" in line


@pytest.mark.parametrize("branch", [None, Branch("data", "volumes/pvc-1")])
def test_a_disk_goes_with_its_subvolume_if_it_has_one(branch: Branch | None) -> None:
    line = images.remove_disk(LATEST, SLOT, PATH, branch, copied=False).line

    assert ('"volumes/pvc-1"' in line) is (branch is not None)


def test_copies_are_looked_for_where_the_release_has_them() -> None:
    latest = images.remove_disk(LATEST, SLOT, PATH, None, copied=False).line
    old = images.remove_disk(OLD, SLOT, PATH, None, copied=False).line

    assert latest.count("fullname~") > old.count("fullname~")


# Answers


def test_a_size_that_the_device_rounds_is_not_known() -> None:
    command = commands.list_files(LATEST, PATH.parent)
    text = answer([{"name": "raid10/a.img", "size": "1.5GiB"}, {"name": "raid10/b.img", "size": 7}])

    assert replies.parse_files(text, command) == (
        BackingFile("/raid10/a.img", None),
        BackingFile("/raid10/b.img", 7),
    )


def test_an_inventory_is_disks_and_pools() -> None:
    command = commands.list_inventory(LATEST, ("pvc-",))

    disks, pools = replies.parse_inventory(answer([DISK], [POOL]), command)

    assert [disk.slot for disk in disks] == ["pvc-1"]
    assert [pool.mount_point for pool in pools] == ["raid10"]


def test_snapshots_are_files_and_subvolumes() -> None:
    sub = {"fs": "data", "fullname": "volumes/snap-1"}
    given = answer([{"name": "raid10/s.img", "size": 7}], [POOL], [sub])

    found = replies.parse_snapshots(given, images.list_snapshots(LATEST))
    old = replies.parse_snapshots(
        answer([], [POOL]), replace(images.list_snapshots(OLD), json=True)
    )

    assert [file.path for file in found.files] == ["/raid10/s.img"]
    assert [one.name for one in found.subvolumes] == ["volumes/snap-1"]
    assert old.subvolumes == ()


@pytest.mark.parametrize(("disks", "pools"), [([DISK, DISK], [POOL]), ([DISK], [POOL, POOL])])
def test_what_is_listed_twice_is_not_believed(disks: list[object], pools: list[object]) -> None:
    command = commands.read_slot(LATEST, SLOT)

    with pytest.raises(GarbledReply, match="more than once"):
        replies.parse_slot(answer(disks, [], pools, []), command, SLOT)


def test_a_pool_is_one_or_none() -> None:
    command = commands.read_pool(LATEST, "raid10")

    assert replies.parse_pool(answer([]), command) is None
    with pytest.raises(GarbledReply, match="more than once"):
        replies.parse_pool(answer([POOL, POOL]), command)


def test_a_disk_without_a_name_has_no_health_and_a_number_beyond_all_bounds_is_none() -> None:
    drive = {"slot": "nvme1", "type": "hardware", "temperature": 10**400}

    (disk,) = health.parse_health(answer([{"type": "hardware"}, drive]), health.list_health(LATEST))

    assert (disk.slot, disk.smart.temperature) == ("nvme1", None)
    assert disk.is_mute_drive


def test_a_drive_that_says_all_of_itself_is_not_mute() -> None:
    said = {"temperature": "38C", "percentage-used": "3%"}
    text = answer([{"slot": "nvme1", "type": "hardware", **said}])

    (disk,) = health.parse_health(text, health.list_health(LATEST))

    assert not disk.is_mute_drive
