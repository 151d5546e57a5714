"""Mounting for real: what the kernel's table shows is what counts."""

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from libs.core.size import MIB
from libs.nvmeof.errors import (
    DeviceInUse,
    HostUnable,
    MountStorm,
    MountTableUnreadable,
    ToolFailed,
)
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.mounter import Mounter
from libs.nvmeof.mountinfo import STORM, Mount
from libs.nvmeof.offload import Offload
from tests.component.node.rig import mount_table, needs_mounts
from tests.component.nvmeof.disks import make_disk, only_for_now, run

pytestmark = needs_mounts

NOBODY = 65534


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Path]:
    with only_for_now(tmp_path):
        for name in ("point", "target"):
            (tmp_path / name).mkdir()
        yield tmp_path


@pytest.fixture
def disk(place: Path) -> BlockDevice:
    disk = make_disk(place / "disk.img", 16 * MIB)
    run("mkfs.ext4", "-q", disk.path)
    return disk


@pytest.fixture
def mounter() -> Mounter:
    return Mounter(Offload())


def nobody(_: Mount) -> tuple[str, ...]:
    return ()


@asynccontextmanager
async def used(path: Path) -> AsyncIterator[None]:
    """Have a process work in a directory."""
    process = await asyncio.create_subprocess_exec("sleep", "600", cwd=path)
    try:
        yield
    finally:
        process.kill()
        await process.wait()


async def test_a_mount_is_returned_as_the_table_shows_it(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    mount = await mounter.mount(disk, str(place / "point"), "ext4", ("ro", "noatime"))

    assert mount == mount_table().at(str(place / "point"))
    assert (mount.device, mount.source, mount.fs_type) == (disk.number, disk.path, "ext4")
    assert {"ro", "noatime"} <= mount.options


async def test_a_point_with_a_blank_in_its_name_is_found_again(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    point = place / "a b"
    point.mkdir()

    mount = await mounter.mount(disk, str(point), "ext4", ("rw",))

    assert mount.point == str(point)


async def test_a_mount_that_the_kernel_refuses_is_an_error_and_leaves_nothing(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    with pytest.raises(ToolFailed, match="mount ended with") as failed:
        await mounter.mount(disk, str(place / "point"), "xfs", ("rw",))

    assert disk.path in failed.value.detail
    assert mount_table().below(str(place)) == ()


async def test_another_device_at_the_point_is_noticed_and_taken_away(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    other = make_disk(place / "other.img", MIB)
    # A device that had this number when it was looked up, and has another one now.
    changed = replace(disk, number=other.number)
    run("mount", "-t", "tmpfs", "tmpfs", place / "target")

    with pytest.raises(ToolFailed, match="the kernel shows another device there"):
        await mounter.mount(changed, str(place / "point"), "ext4", ("rw",))

    assert mount_table().at(str(place / "point")) is None
    assert mount_table().at(str(place / "target")) is not None


async def test_a_bind_mount_can_be_read_only_and_changes_when_asked(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    source, target = str(place / "point"), str(place / "target")
    await mounter.mount(disk, source, "ext4", ("rw",))

    modes = []
    for read_only in (True, True, False):
        await mounter.bind(source, target, read_only=read_only)
        mount = mount_table().at(target)
        modes.append(mount is not None and mount.is_read_only)

    assert modes == [True, True, False]
    assert len(mount_table().below(target)) == 1
    source_mount = mount_table().at(source)
    assert source_mount is not None
    assert not source_mount.is_read_only


async def test_a_read_only_bind_mount_takes_no_writes_and_its_source_does(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    await mounter.mount(disk, str(place / "point"), "ext4", ("rw",))
    await mounter.bind(str(place / "point"), str(place / "target"), read_only=True)

    (place / "point" / "file").write_text("new")

    with pytest.raises(OSError, match="Read-only"):
        (place / "target" / "file").write_text("changed")


async def test_what_is_mounted_one_over_another_is_all_unmounted(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    run("mount", disk.path, place / "point")
    for _ in range(2):
        run("mount", "-t", "tmpfs", "tmpfs", place / "point")

    await mounter.unmount(str(place / "point"))

    assert mount_table().below(str(place)) == ()


async def test_nothing_is_unmounted_where_nothing_is_mounted(mounter: Mounter, place: Path) -> None:
    await mounter.unmount(str(place / "point"))
    await mounter.unmount(str(place / "absent"))

    assert mount_table().below(str(place)) == ()


async def test_what_somebody_uses_stays_mounted_and_it_is_said_who(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    point = str(place / "point")
    await mounter.mount(disk, point, "ext4", ("rw",))

    async with used(place / "point"):
        with pytest.raises(DeviceInUse, match=r"stays mounted: a pod \(7\)"):
            await mounter.unmount(point, lambda _: ("a pod (7)",))
        with pytest.raises(DeviceInUse, match="does not say what"):
            await mounter.unmount(point)

        assert mount_table().at(point) is not None
    await mounter.unmount(point)


async def test_what_is_busy_and_nobody_uses_is_taken_out_of_sight(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    point = place / "point"
    await mounter.mount(disk, str(point), "ext4", ("rw",))

    with (point / "file").open("w") as file:  # stands for a use that no process shows
        await mounter.unmount(str(point), nobody)
        file.write("still works")

    assert mount_table().at(str(point)) is None


async def test_who_uses_it_is_asked_only_of_what_is_busy(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    asked: list[Mount] = []

    def users(mount: Mount) -> tuple[str, ...]:
        asked.append(mount)
        return ()

    await mounter.mount(disk, str(place / "point"), "ext4", ("rw",))
    await mounter.unmount(str(place / "point"), users)

    assert asked == []


async def test_a_device_that_is_mounted_absurdly_often_is_not_mounted_once_more(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    points = [place / "many" / str(number) for number in range(STORM + 1)]
    for point in points:
        point.mkdir(parents=True)
        run("mount", disk.path, point)

    for call in (
        mounter.mount(disk, str(place / "point"), "ext4", ("rw",)),
        mounter.bind(str(points[0]), str(place / "target"), read_only=False),
    ):
        with pytest.raises(MountStorm, match=f"{disk.path} is mounted 101 times, more than 100"):
            await call

    assert len(mount_table().of_device(disk.path, disk.number)) == STORM + 1
    subprocess.run(["umount", *points], check=True, capture_output=True)  # noqa: ASYNC221, S603, S607


@pytest.mark.parametrize("text", ["gibberish\n", None])
async def test_a_table_that_cannot_be_read_is_no_empty_table(
    tmp_path: Path, text: str | None
) -> None:
    table = tmp_path / "mountinfo"
    if text is not None:
        table.write_text(text)

    with pytest.raises(MountTableUnreadable, match="cannot be read"):
        await Mounter(Offload(), table).unmount("/somewhere")


async def test_a_filesystem_answers_until_it_gives_errors(
    mounter: Mounter, disk: BlockDevice, place: Path
) -> None:
    point = place / "point"
    await mounter.mount(disk, str(point), "ext4", ("rw",))

    sound = await mounter.answers(str(point))

    assert sound
    assert not await mounter.answers(str(place / "absent"))


async def test_a_place_that_may_not_be_looked_at_is_not_taken_for_one_with_errors(
    mounter: Mounter, place: Path
) -> None:
    point = place / "point"
    point.chmod(0o000)

    os.seteuid(NOBODY)
    try:
        with pytest.raises(HostUnable, match="may not look at"):
            await mounter.answers(str(point))
    finally:
        os.seteuid(0)


async def test_a_filesystem_that_was_shut_down_does_not_answer(
    mounter: Mounter, place: Path
) -> None:
    disk = make_disk(place / "xfs.img", 320 * MIB)
    run("mkfs.xfs", "-q", "-K", disk.path)
    await mounter.mount(disk, str(place / "point"), "xfs", ("rw",))

    run("xfs_io", "-x", "-c", "shutdown", place / "point")

    assert not await mounter.answers(str(place / "point"))
