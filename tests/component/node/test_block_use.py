"""A raw block volume in use: what stays, and who may have it in which mode."""

from pathlib import Path

import pytest
from grpclib.const import Status

from libs.csikit.capability import Mode
from tests.component.controller.rig import error_of
from tests.component.node.blocks import SIZE, first_bytes
from tests.component.node.loops import run as tool
from tests.component.node.rig import (
    NAME,
    NodeRig,
    holding,
    mounted,
    needs_mounts,
    open_rig,
    raw,
)
from tests.component.node.ward import NQN, VOLUME, Ward

pytestmark = needs_mounts


def built_on(path: Path) -> str:
    """Return the loop device on a device node."""
    files = Path("/sys/block").glob("loop*/loop/backing_file")
    (found,) = [each.parts[3] for each in files if each.read_text().startswith(str(path))]
    return f"/dev/{found}"


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


async def test_a_stage_that_fails_for_good_leaves_nothing_of_the_one_before_it(ward: Ward) -> None:
    ward.fabrics.hide_device(NQN)
    first, _ = await error_of(ward.rig.stage(raw()))
    connected = ward.rig.loops()
    ward.fabrics.show_device(NQN)

    second, _ = await error_of(ward.rig.stage(raw(), size=2 * SIZE))

    assert (first, second) == (Status.UNAVAILABLE, Status.OUT_OF_RANGE)
    assert len(connected) == 1
    assert ward.rig.loops() == []
    assert ward.rig.desk.records.all() == ()


async def test_a_stage_that_fails_for_good_leaves_a_published_volume_in_its_place(
    rig: NodeRig,
) -> None:
    await rig.stage(raw())
    target = await rig.publish(raw())

    status, _ = await error_of(rig.stage(raw(), size=2 * SIZE))

    assert status is Status.OUT_OF_RANGE
    assert len(rig.loops()) == 1
    assert len(first_bytes(target, 512)) == 512


async def test_a_stage_that_fails_for_good_leaves_a_device_in_its_place_that_no_record_knows(
    ward: Ward,
) -> None:
    await ward.rig.stage(raw())
    await ward.rig.desk.records.drop(VOLUME)

    status, _ = await error_of(ward.rig.stage(raw(), size=2 * SIZE))

    assert status is Status.OUT_OF_RANGE
    assert len(ward.rig.loops()) == 1


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
        before = target.lstat().st_ino, target.lstat().st_ctime_ns

    async with open_rig(host) as second:
        await second.publish(raw())
        same = (target.lstat().st_ino, target.lstat().st_ctime_ns) == before
        await second.unpublish()
        await second.unstage()

        assert same
        assert second.loops() == []
