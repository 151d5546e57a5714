"""What went stale is noticed, repaired where nothing uses it, and otherwise left alone."""

import asyncio
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from libs.csikit.keylock import open_keyed_tasks
from libs.nvmeof.model import LinkState
from libs.nvmeof.mountinfo import PLACEHOLDER
from libs.nvmeof.process import run_tool
from services.node.adapters.cluster import NoCluster
from services.node.ports import Reason
from services.node.workflow.guard import Guard
from services.node.workflow.health import Health
from tests.component.node.rig import (
    NAME,
    NodeRig,
    holding,
    mount_table,
    mounted,
    needs_mounts,
    open_rig,
    raw,
    write_safely,
)
from tests.component.node.ward import NQN, VOLUME, Ward, condition_of

pytestmark = needs_mounts


def top_source(path: Path) -> str:
    """Return what is mounted on top at a path; nothing if nothing is."""
    mount = mount_table().at(str(path))
    return mount.source if mount else ""


async def other_node_writes(rig: NodeRig, name: str, text: str) -> None:
    """Mount the volume's file through a loop device of its own, as another node does."""
    point = rig.images.parent / "other"
    await asyncio.to_thread(point.mkdir)
    image = str(rig.images / f"{NAME}.img")
    loop = (await run_tool(("losetup", "-f", "--show", image), limit=10)).out.strip()
    try:
        await run_tool(("mount", loop, str(point)), limit=10)
        await asyncio.to_thread(write_safely, point / name, text)
        await run_tool(("umount", str(point)), limit=10)
    finally:
        await run_tool(("losetup", "-d", loop), limit=10)


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs"])
async def test_a_mount_of_a_disk_that_was_renumbered_is_repaired_with_its_data(
    ward: Ward, fs_type: str
) -> None:
    await ward.rig.stage(mounted(fs_type))
    target = await ward.rig.publish(mounted(fs_type))
    write_safely(target / "data", "kept")

    device = await ward.fabrics.renumber(NQN)
    before = await condition_of(ward.rig)
    after = await ward.check()

    assert before[0]
    assert "under another name" in before[1]
    assert after == ""
    assert top_source(ward.rig.staging()) == top_source(target) == device.path
    assert (target / "data").read_text() == "kept"
    assert ward.cluster.reasons == [Reason.STALE_MOUNT, Reason.RECOVERED]


async def test_a_stale_mount_that_a_pod_uses_is_reported_and_not_torn_away(ward: Ward) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()
    mounts = ward.rig.mounts()

    async with holding(target / "open"):
        await ward.fabrics.renumber(NQN)
        during = await ward.check()
        kept = ward.rig.mounts()
    after = await ward.check()

    assert "under another name" in during
    assert kept == mounts
    assert after == ""
    assert ward.cluster.reasons[:2] == [Reason.STALE_MOUNT, Reason.RECOVERY_FAILED]
    assert "restarted" in ward.cluster.told[1][1]


async def test_publishing_repairs_a_stale_mount_first(ward: Ward) -> None:
    await ward.rig.stage()
    device = await ward.fabrics.renumber(NQN)

    target = await ward.rig.publish()

    found = mount_table().at(str(target))
    assert found is not None
    assert found.source == device.path


async def test_a_filesystem_that_turned_read_only_is_mounted_anew(ward: Ward) -> None:
    await ward.rig.stage()
    staging = ward.rig.staging()
    (staging / "data").write_text("kept")
    await asyncio.to_thread(
        subprocess.run,
        ["mount", "-o", "remount,abort", str(staging)],
        check=True,
    )

    before = await condition_of(ward.rig)
    after = await ward.check()

    assert before == (True, "the filesystem turned read-only after an error")
    assert after == ""
    (staging / "data").write_text("and written again")


async def test_a_filesystem_that_gives_io_errors_is_mounted_anew(ward: Ward) -> None:
    await ward.rig.stage(mounted("xfs"))
    write_safely(ward.rig.staging() / "data", "kept")
    shut = ["xfs_io", "-x", "-c", "shutdown -f", str(ward.rig.staging())]
    await asyncio.to_thread(subprocess.run, shut, check=True)

    before = await condition_of(ward.rig)
    after = await ward.check()

    assert before == (True, "the filesystem answers with I/O errors")
    assert after == ""
    assert (ward.rig.staging() / "data").read_text() == "kept"


async def test_a_connection_that_the_kernel_gave_up_is_made_again(ward: Ward) -> None:
    await ward.rig.stage(raw())
    await ward.rig.publish(raw())
    await ward.fabrics.vanish(NQN)

    before = await condition_of(ward.rig)
    after = await ward.check()

    assert before == (True, "the volume is not connected to this node")
    assert after == ""
    assert ward.fabrics.counts.connects == 2


async def test_a_connection_that_the_kernel_is_trying_again_is_left_to_it(ward: Ward) -> None:
    await ward.rig.stage()
    connects = ward.fabrics.counts.connects
    ward.fabrics.set_state(NQN, LinkState.CONNECTING)

    during = await ward.check()
    ward.fabrics.set_state(NQN, None)
    after = await ward.check()

    assert "I/O waits" in during
    assert after == ""
    assert ward.fabrics.counts.connects == connects
    assert ward.cluster.reasons == [Reason.CONNECTION_LOST, Reason.CONNECTION_RESTORED]


async def test_a_volume_that_was_given_to_another_node_is_not_mounted_again(ward: Ward) -> None:
    await ward.rig.stage()
    await ward.fabrics.renumber(NQN)
    ward.cluster.attached = None

    await ward.check()
    await ward.check()

    assert ward.rig.mounts() == []
    assert ward.cluster.reasons == [Reason.STALE_MOUNT]
    assert "another node may have it" in ward.cluster.told[0][1]


async def test_after_a_reboot_nothing_is_mounted_before_the_kubelet_says_so(host: Path) -> None:
    async with open_rig(host) as rig:
        await rig.stage()
        await rig.publish()
        record = rig.desk.records.get(VOLUME)
        assert record is not None
        await rig.desk.records.put(replace(record, boot="an earlier one"))
        for mount in rig.mounts():
            await rig.desk.mounter.unmount(mount.point)
        async with open_keyed_tasks(5.0) as tasks:
            await Health(rig.desk, Guard(NoCluster()), tasks).check_all()
        before = rig.mounts()

        await rig.stage()

        assert before == []
        assert [mount.point for mount in rig.mounts()] == [str(rig.staging())]


async def test_what_stays_wrong_is_told_once(ward: Ward) -> None:
    await ward.rig.stage()
    ward.fabrics.set_state(NQN, LinkState.CONNECTING)

    for _ in range(5):
        await ward.check()

    assert ward.cluster.reasons == [Reason.CONNECTION_LOST]


async def test_a_volume_that_another_node_wrote_to_meanwhile_is_mounted_afresh(ward: Ward) -> None:
    await ward.rig.stage()
    write_safely(ward.rig.staging() / "mine", "old")
    await ward.fabrics.vanish(NQN)
    await other_node_writes(ward.rig, "theirs", "new")
    ward.cluster.attached = "second"

    await ward.rig.stage()
    seen = (ward.rig.staging() / "theirs").read_text()
    await ward.rig.unstage()

    image = str(ward.rig.images / f"{NAME}.img")
    checked = await run_tool(("e2fsck", "-fn", image), limit=30, allowed=None)
    assert seen == "new"
    assert checked.code == 0, checked.text


async def test_while_a_mount_is_repaired_nobody_can_write_below_it(ward: Ward) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()
    await ward.fabrics.renumber(NQN)
    seen: list[str] = []
    ward.cluster.asked = lambda: seen.append(top_source(target))

    await ward.check()

    assert PLACEHOLDER in seen
    assert "" not in seen


async def test_a_volume_in_use_that_was_taken_away_is_told_of_and_not_torn_away(
    ward: Ward,
) -> None:
    await ward.rig.stage()
    target = await ward.rig.publish()
    ward.cluster.attached = None
    ward.fabrics.set_state(NQN, LinkState.CONNECTING)

    async with holding(target / "open"):
        await ward.check()
        kept = len(ward.rig.mounts())

    assert kept == 2
    assert ward.cluster.reasons == [Reason.STALE_MOUNT, Reason.RECOVERY_FAILED]
    assert "still in use here" in ward.cluster.told[1][1]
