"""The tools of filesystems on real ones, sound and broken."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from libs.core.size import MIB
from libs.nvmeof import filesystems
from libs.nvmeof.errors import ToolFailed
from libs.nvmeof.filesystems import Check, Damaged
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.offload import Offload
from tests.component.node.rig import SIZES, needs_mounts
from tests.component.nvmeof.disks import attach, make_disk, only_for_now, run

pytestmark = needs_mounts

LIMIT = 60.0
NQN = "nqn.2000-02.com.mikrotik:pvc-1"


@pytest.fixture
def point(tmp_path: Path) -> Iterator[Path]:
    with only_for_now(tmp_path):
        point = tmp_path / "point"
        point.mkdir()
        yield point


async def make(point: Path, fs_type: str, size: int = 0) -> BlockDevice:
    """Make a filesystem with a file on it."""
    device = make_disk(point.with_name("disk.img"), size or SIZES[fs_type])
    await filesystems.make(device, fs_type, uuid4(), ())
    run("mount", device.path, point)
    (point / "file").write_bytes(b"x" * 100_000)
    run("umount", point)
    return device


def spoil(point: Path, offset: int, content: bytes) -> None:
    with point.with_name("disk.img").open("r+b") as image:
        image.seek(offset)
        image.write(content)


@pytest.mark.parametrize("fs_type", SIZES)
async def test_a_filesystem_that_was_made_is_found_and_is_fine(point: Path, fs_type: str) -> None:
    device = make_disk(point.with_name("disk.img"), SIZES[fs_type])
    uuid = uuid4()
    before = await filesystems.probe(device, NQN, Offload())
    await filesystems.make(device, fs_type, uuid, ())

    found = await filesystems.probe(device, NQN, Offload())

    assert (before.blkid, before.fs_type, before.superblock) == (2, "", None)
    assert (found.readable, found.blkid, found.fs_type, found.other) == (True, 0, fs_type, "")
    assert found.superblock is not None
    assert (found.superblock.uuid, found.superblock.size) == (uuid, SIZES[fs_type])
    checked = await filesystems.check(device, fs_type, LIMIT)
    assert checked is (Check.SKIPPED if fs_type == "btrfs" else Check.FINE)


@pytest.mark.parametrize("fs_type", ["xfs", "btrfs"])
async def test_what_has_a_filesystem_is_not_made_anew(point: Path, fs_type: str) -> None:
    device = await make(point, "ext4", SIZES[fs_type])
    before = run("blkid", "-p", device.path)

    with pytest.raises(ToolFailed):
        await filesystems.make(device, fs_type, uuid4(), ())

    assert run("blkid", "-p", device.path) == before


async def test_an_error_that_can_be_corrected_is_mended(point: Path) -> None:
    device = await make(point, "ext4")
    run("debugfs", "-w", "-R", "ssv free_blocks_count 5", device.path)
    run("debugfs", "-w", "-R", "ssv state 2", device.path)

    first = await filesystems.check(device, "ext4", LIMIT)

    assert first is Check.MENDED
    assert await filesystems.check(device, "ext4", LIMIT) is Check.FINE


async def test_an_error_that_wants_a_decision_is_damage_and_is_left_alone(point: Path) -> None:
    device = await make(point, "ext4")
    run("debugfs", "-w", "-R", "clri <2>", device.path)
    run("debugfs", "-w", "-R", "ssv state 2", device.path)

    with pytest.raises(Damaged, match="e2fsck -p does not mend") as damaged:
        await filesystems.check(device, "ext4", LIMIT)

    assert damaged.value.detail


async def test_damage_of_xfs_is_told_and_nothing_is_repaired(point: Path) -> None:
    device = await make(point, "xfs")
    spoil(point, 4096, b"\xff" * 512)  # a tree of the first allocation group
    before = point.with_name("disk.img").read_bytes()

    with pytest.raises(Damaged, match="xfs_repair -n ended with"):
        await filesystems.check(device, "xfs", LIMIT)

    assert point.with_name("disk.img").read_bytes() == before


async def test_xfs_whose_log_is_to_be_replayed_is_not_judged(point: Path) -> None:
    device = await make(point, "xfs")
    run("mount", device.path, point)
    (point / "new").write_text("x")
    run("xfs_io", "-x", "-c", "shutdown -f", point)
    run("umount", point)

    assert await filesystems.check(device, "xfs", LIMIT) is Check.SKIPPED


async def test_xfs_that_stopped_just_after_it_grew_is_not_judged(point: Path) -> None:
    device = await make(point, "xfs")
    run("mount", device.path, point)
    run("truncate", "-s", str(SIZES["xfs"] + 16 * MIB), point.with_name("disk.img"))
    run("losetup", "-c", device.path)
    await filesystems.grow(device, "xfs", str(point))
    run("xfs_io", "-x", "-c", "shutdown", point)
    run("umount", point)

    judged = await filesystems.check(device, "xfs", LIMIT)
    run("mount", device.path, point)

    assert judged is Check.SKIPPED
    assert (point / "file").read_bytes() == b"x" * 100_000


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs"])
async def test_a_filesystem_that_fills_its_device_grows_by_nothing_and_without_an_error(
    point: Path, fs_type: str
) -> None:
    device = await make(point, fs_type)
    run("mount", device.path, point)
    before = run("df", "-B1", point)

    for _ in range(2):
        await filesystems.grow(device, fs_type, str(point))

    assert run("df", "-B1", point) == before


async def test_two_checks_at_once_of_two_disks_end_both(point: Path) -> None:
    first = await make(point, "ext4")
    copy = point.with_name("copy.img")
    run("cp", point.with_name("disk.img"), copy)
    second = attach(copy)

    checked = await asyncio.gather(
        *(filesystems.check(device, "ext4", LIMIT) for device in (first, second))
    )

    assert checked == [Check.FINE, Check.FINE]
