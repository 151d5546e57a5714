"""The life of a raw block volume: a device node and nothing else, on real devices."""

import fcntl
import os
import stat
import struct
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.csikit.capability import Mode
from libs.nvmeof.mountinfo import Mount
from tests.component.controller.rig import error_of
from tests.component.node.loops import run as tool
from tests.component.node.loops import write
from tests.component.node.rig import (
    MIB,
    NAME,
    NodeRig,
    holding,
    mount_table,
    mounted,
    needs_mounts,
    open_rig,
    raw,
)

pytestmark = needs_mounts

SIZE = 64 * MIB
_BLKGETSIZE64 = 0x80081272
"""Its number in include/uapi/linux/fs.h, as on 64-bit machines."""


def size_of(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        (size,) = struct.unpack("Q", fcntl.ioctl(descriptor, _BLKGETSIZE64, bytes(8)))
    finally:
        os.close(descriptor)
    return int(size)


def first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def number_of(loop: str) -> tuple[int, int]:
    number = Path(loop).stat().st_rdev
    return os.major(number), os.minor(number)


def mounts_of(loop: str) -> list[Mount]:
    """Return the mounts of a device, as of its node that was mounted at a target."""
    table = mount_table().mounts
    return [each for each in table if each.source == loop or each.device == number_of(loop)]


def built_on(path: Path) -> str:
    """Return the loop device on a device node."""
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    (found,) = [each.parts[3] for each in files if each.read_text().startswith(str(path))]
    return f"/dev/{found}"


async def test_a_published_block_volume_is_a_node_of_its_device_for_root_and_its_group(
    rig: NodeRig,
) -> None:
    await rig.stage(raw())

    target = await rig.publish(raw())

    (loop,) = rig.loops()
    status = target.lstat()
    assert stat.S_ISBLK(status.st_mode)
    assert stat.S_IMODE(status.st_mode) == 0o660
    assert (os.major(status.st_rdev), os.minor(status.st_rdev)) == number_of(loop)
    assert size_of(target) == SIZE


async def test_fifty_rounds_of_publishing_add_no_mount_and_leave_nothing(rig: NodeRig) -> None:
    await rig.stage(raw())
    (loop,) = rig.loops()
    mounts = []

    for _ in range(50):
        await rig.publish(raw())
        mounts += [*rig.mounts(), *mounts_of(loop)]
        await rig.unpublish()

    assert mounts == []
    assert not rig.target().exists()
    assert rig.loops() == [loop]


async def test_what_one_pod_writes_another_one_reads(rig: NodeRig) -> None:
    capability = raw(Mode.SINGLE_NODE_MULTI_WRITER)
    await rig.stage(capability)
    writer = await rig.publish(capability, "writer")
    reader = await rig.publish(capability, "reader")

    write(str(writer), b"x")

    assert first_bytes(reader, 4096) == b"x" * 4096


async def test_what_a_pod_wrote_is_there_after_the_volume_went_and_came_back(rig: NodeRig) -> None:
    await rig.stage(raw())
    with (await rig.publish(raw())).open("r+b") as file:
        file.write(b"what must not be lost")  # and never synced
    await rig.unpublish()
    await rig.unstage()
    gone = rig.loops()

    await rig.stage(raw())
    target = await rig.publish(raw())

    assert gone == []
    assert first_bytes(target, 21) == b"what must not be lost"


async def test_every_call_can_come_twice(rig: NodeRig) -> None:
    target = rig.target()
    for call in (rig.stage, rig.stage, rig.publish, rig.publish):
        await call(raw())
    there = stat.S_ISBLK(target.lstat().st_mode)
    sizes = [await rig.expand(SIZE), await rig.expand(SIZE)]
    for back in (rig.unpublish, rig.unpublish, rig.unstage, rig.unstage):
        await back()

    assert there
    assert sizes == [SIZE, SIZE]
    assert not target.exists()
    assert rig.loops() == []


async def test_a_pod_sees_the_new_size_while_it_has_the_device_open(rig: NodeRig) -> None:
    await rig.stage(raw())
    target = await rig.publish(raw())

    with target.open("rb"):
        rig.image(2 * SIZE)
        size = await rig.expand(2 * SIZE)

    assert size == 2 * SIZE
    assert size_of(target) == 2 * SIZE


async def test_stats_tell_the_size_and_that_all_is_well(rig: NodeRig) -> None:
    await rig.stage(raw())
    target = await rig.publish(raw())

    stats = await rig.stats(target)

    assert [usage.total for usage in stats.usage] == [SIZE]
    assert stats.volume_condition is not None
    assert not stats.volume_condition.abnormal


async def test_stats_of_a_node_of_another_device_tell_that_it_is_wrong(rig: NodeRig) -> None:
    await rig.stage(raw())
    target = await rig.publish(raw())
    target.unlink()
    os.mknod(target, 0o660 | stat.S_IFBLK, os.makedev(7, 4000))

    condition = (await rig.stats(target)).volume_condition

    assert condition is not None
    assert condition.abnormal
    assert str(target) in condition.message


# What is in use stays


async def test_a_volume_that_is_published_stays_staged(rig: NodeRig) -> None:
    await rig.stage(raw())
    target = await rig.publish(raw())

    status, text = await error_of(rig.unstage())

    assert status is Status.FAILED_PRECONDITION
    assert str(target) in text
    assert len(rig.loops()) == 1


async def test_a_device_that_a_process_has_open_stays_connected(rig: NodeRig) -> None:
    await rig.stage(raw())
    target = await rig.publish(raw())

    async with holding(target):
        await rig.unpublish()
        status, text = await error_of(rig.unstage())
        loops = rig.loops()
    await rig.unstage()

    assert status is Status.FAILED_PRECONDITION
    assert "open device" in text
    assert len(loops) == 1
    assert rig.loops() == []


async def test_a_device_that_a_loop_device_is_built_on_stays_connected(rig: NodeRig) -> None:
    await rig.stage(raw())
    target = await rig.publish(raw())
    tool("losetup", "-f", target)
    upper = built_on(target)
    await rig.unpublish()

    try:
        status, text = await error_of(rig.unstage())
    finally:
        tool("losetup", "-d", upper)
    await rig.unstage()

    assert status is Status.FAILED_PRECONDITION
    assert "is built on it" in text
    assert rig.loops() == []


async def test_a_file_open_on_another_volume_that_has_failed_is_in_nobodys_way(
    rig: NodeRig,
) -> None:
    other = f"{NAME[:-1]}2"
    await rig.stage(mounted("xfs"), other)
    await rig.stage(raw())

    async with holding(rig.staging(other) / "open"):
        tool("xfs_io", "-x", "-c", "shutdown", rig.staging(other))
        await rig.unstage()
        left = rig.loops()

    assert len(left) == 1


# Access modes


async def test_a_single_writer_volume_is_published_at_one_path_only(rig: NodeRig) -> None:
    capability = raw(Mode.SINGLE_NODE_SINGLE_WRITER)
    await rig.stage(capability)
    first = await rig.publish(capability)

    status, text = await error_of(rig.publish(capability, "pod-2"))
    await rig.publish(capability)
    await rig.unpublish()
    second = await rig.publish(capability, "pod-2")

    assert status is Status.FAILED_PRECONDITION
    assert str(first) in text
    assert not first.exists()
    assert second.exists()


@pytest.mark.parametrize("mode", [Mode.SINGLE_NODE_READER_ONLY, Mode.MULTI_NODE_READER_ONLY])
async def test_a_volume_that_is_only_read_is_never_written_by_the_driver(
    rig: NodeRig, mode: Mode
) -> None:
    image = rig.image(SIZE)
    image.write_bytes(b"d" * SIZE)

    await rig.stage(raw(mode))
    read = first_bytes(await rig.publish(raw(mode), readonly=True), 4096)
    await rig.unpublish()
    await rig.unstage()

    assert read == b"d" * 4096
    assert image.read_bytes() == b"d" * SIZE


async def test_a_device_that_took_no_writes_takes_those_of_the_next_volume(rig: NodeRig) -> None:
    capability = raw(Mode.SINGLE_NODE_READER_ONLY)
    await rig.stage(capability)
    await rig.publish(capability)
    await rig.unpublish()
    await rig.unstage()
    after = f"{NAME[:-1]}2"

    await rig.stage(mounted(), after)

    (rig.staging(after) / "data").write_text("written")
    assert (rig.staging(after) / "data").read_text() == "written"


async def test_publishing_read_only_what_is_published_for_writing_already_exists(
    rig: NodeRig,
) -> None:
    await rig.stage(raw())
    await rig.publish(raw())

    status, text = await error_of(rig.publish(raw(), readonly=True))

    assert status is Status.ALREADY_EXISTS
    assert "for writing already" in text


async def test_a_plugin_that_was_started_anew_goes_on_with_what_there_is(host: Path) -> None:
    async with open_rig(host) as first:
        await first.stage(raw())
        target = await first.publish(raw())
        before = target.lstat()

    async with open_rig(host) as second:
        await second.publish(raw())
        same = target.lstat() == before
        await second.unpublish()
        await second.unstage()

        assert same
        assert second.loops() == []
