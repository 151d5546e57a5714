"""The life of a volume with a filesystem: staged, published, and back, on real devices."""

from pathlib import Path

import pytest
from grpclib.const import Status

from tests.component.controller.rig import error_of
from tests.component.node.rig import (
    MIB,
    NAME,
    SIZES,
    NodeRig,
    holding,
    may_grow,
    mounted,
    needs_mounts,
    open_rig,
)

pytestmark = needs_mounts


@pytest.mark.parametrize("fs_type", SIZES)
async def test_what_a_pod_writes_is_there_after_the_volume_went_and_came_back(
    rig: NodeRig, fs_type: str
) -> None:
    capability = mounted(fs_type)
    await rig.stage(capability)
    target = await rig.publish(capability)
    (target / "data").write_text("what must not be lost")

    await rig.unpublish()
    await rig.unstage()
    gone = (rig.mounts(), rig.loops(), target.exists())
    await rig.stage(capability)
    target = await rig.publish(capability)

    assert gone == ([], [], False)
    assert (target / "data").read_text() == "what must not be lost"


async def test_every_call_can_come_twice(rig: NodeRig) -> None:
    for call in (rig.stage, rig.stage, rig.publish, rig.publish):
        await call()
    mounts = rig.mounts()
    for back in (rig.unpublish, rig.unpublish, rig.unstage, rig.unstage):
        await back()

    assert len(mounts) == 2
    assert rig.mounts() == []
    assert rig.loops() == []


async def test_a_read_only_publication_takes_no_writes_and_the_other_one_does(
    rig: NodeRig,
) -> None:
    await rig.stage()
    writer = await rig.publish(pod="writer")
    reader = await rig.publish(pod="reader", readonly=True)

    (writer / "data").write_text("new")

    assert (reader / "data").read_text() == "new"
    with pytest.raises(OSError, match="Read-only"):
        (reader / "data").write_text("changed")


async def test_publishing_at_a_path_again_with_another_flag_already_exists(rig: NodeRig) -> None:
    await rig.stage()
    await rig.publish()

    status, text = await error_of(rig.publish(readonly=True))

    assert status is Status.ALREADY_EXISTS
    assert "for writing already" in text


async def test_staging_again_with_other_options_already_exists(rig: NodeRig) -> None:
    await rig.stage(mounted("ext4"))

    status, text = await error_of(rig.stage(mounted("ext4", "noatime")))

    assert status is Status.ALREADY_EXISTS
    assert "in another way" in text


async def test_a_volume_that_is_published_stays_staged(rig: NodeRig) -> None:
    await rig.stage()
    target = await rig.publish()

    status, text = await error_of(rig.unstage())

    assert status is Status.FAILED_PRECONDITION
    assert str(target) in text
    assert len(rig.mounts()) == 2


async def test_a_mount_in_use_is_never_torn_away(rig: NodeRig) -> None:
    await rig.stage()
    target = await rig.publish()

    async with holding(target / "open") as file:
        status, text = await error_of(rig.unpublish())
        file.write("still works")
    await rig.unpublish()

    assert status is Status.FAILED_PRECONDITION
    assert "open file" in text
    assert (rig.staging() / "open").read_text() == "still works"


async def test_a_filesystem_other_than_the_asked_one_is_refused_and_left_alone(
    rig: NodeRig,
) -> None:
    image = rig.image(SIZES["xfs"])
    await rig.stage(mounted("ext4"))
    (rig.staging() / "data").write_text("kept")
    await rig.unstage()
    before = image.read_bytes()

    status, text = await error_of(rig.stage(mounted("xfs")))

    assert status is Status.FAILED_PRECONDITION
    assert "it has ext4 on it" in text
    assert image.read_bytes() == before
    # After a final answer the kubelet asks for nothing more: nothing may be left.
    assert rig.loops() == []
    assert rig.desk.records.all() == ()


async def test_a_volume_that_was_formatted_and_looks_empty_is_not_formatted_again(
    rig: NodeRig,
) -> None:
    image = rig.image(SIZES["ext4"])
    await rig.stage()
    await rig.unstage()
    size = image.stat().st_size
    image.write_bytes(b"")
    rig.image(size)

    status, text = await error_of(rig.stage())

    assert status is Status.FAILED_PRECONDITION
    assert "was formatted before" in text
    assert not any(image.read_bytes())


async def test_a_device_smaller_than_the_volume_is_neither_formatted_nor_mounted(
    rig: NodeRig,
) -> None:
    image = rig.image(64 * MIB)

    status, text = await error_of(rig.stage(size=128 * MIB))

    assert status is Status.OUT_OF_RANGE
    assert "fewer than" in text
    assert not any(image.read_bytes())


GROWING = [pytest.param("ext4", marks=may_grow["ext4"]), "xfs", "btrfs"]


@pytest.mark.parametrize("fs_type", GROWING)
async def test_a_mounted_filesystem_grows_while_it_is_written_to(
    rig: NodeRig, fs_type: str
) -> None:
    capability = mounted(fs_type)
    await rig.stage(capability)
    target = await rig.publish(capability)
    before = (await rig.stats(target)).usage[0].total
    larger = 2 * SIZES[fs_type]

    with (target / "file").open("w") as file:
        file.write("before")
        rig.image(larger)
        size = await rig.expand(larger)
        file.write(" and after")

    after = (await rig.stats(target)).usage[0].total
    assert size == larger
    assert after > before + SIZES[fs_type] // 2
    assert (target / "file").read_text() == "before and after"


@pytest.mark.parametrize("fs_type", GROWING)
async def test_a_restored_filesystem_that_is_smaller_than_its_device_grows_when_staged(
    rig: NodeRig, fs_type: str
) -> None:
    capability = mounted(fs_type)
    await rig.stage(capability)
    before = (await rig.stats()).usage[0].total
    await rig.unstage()
    rig.image(2 * SIZES[fs_type])

    await rig.stage(capability)

    assert (await rig.stats()).usage[0].total > before + SIZES[fs_type] // 2


@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
async def test_a_clone_with_the_same_uuid_is_mounted_beside_its_source(
    rig: NodeRig, fs_type: str
) -> None:
    clone = NAME[:-1] + "2"
    capability = mounted(fs_type)
    await rig.stage(capability)
    (rig.staging() / "data").write_text("source")
    await rig.unstage()
    (rig.images / f"{clone}.img").write_bytes((rig.images / f"{NAME}.img").read_bytes())

    await rig.stage(capability)
    await rig.stage(capability, clone)
    (rig.staging(clone) / "data").write_text("clone")

    assert (rig.staging() / "data").read_text() == "source"
    assert (rig.staging(clone) / "data").read_text() == "clone"


async def test_requested_mount_options_are_in_force(rig: NodeRig) -> None:
    capability = mounted("ext4", "noatime,nodev", "noexec")
    await rig.stage(capability)
    await rig.publish(capability)

    for mount in rig.mounts():
        assert {"noatime", "nodev", "noexec"} <= mount.options
        assert "errors=remount-ro" in mount.super_options


async def test_a_plugin_that_was_started_anew_goes_on_with_what_there_is(host: Path) -> None:
    async with open_rig(host) as first:
        await first.stage()
        target = await first.publish()
        (target / "data").write_text("kept")

    async with open_rig(host) as second:
        await second.publish()
        condition = (await second.stats(target)).volume_condition
        await second.unpublish()
        await second.unstage()

        assert condition is not None
        assert not condition.abnormal
        assert second.mounts() == []
        assert second.loops() == []
