"""The life of a raw block volume: a device node and nothing else, on real devices."""

import os
import stat

from libs.csikit.capability import Mode
from tests.component.node.blocks import SIZE, first_bytes, mounts_of, number_of, size_of
from tests.component.node.loops import write
from tests.component.node.rig import (
    NodeRig,
    needs_mounts,
    raw,
)

pytestmark = needs_mounts


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
