"""The assembled node plugin on a real kernel: what it does when the device goes and comes back."""

import asyncio
import os
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.nvmeof.blockdev import Hold
from libs.nvmeof.errors import HostHangs
from libs.nvmeof.offload import Offload
from protos.gen.csi import v1 as csi
from tests.component.node.rig import mount_table, mounted, raw, write_safely
from tests.vm.inside.plugin import VmRig, error_of, nqn_of
from tests.vm.inside.rig import reach, until
from tests.vm.inside.writing import fill, sum_of
from tests.vm.nvmet import Nvmet, nvme

SHORT = {"reconnect_delay": "1", "ctrl_loss_tmo": "2"}
"""Reconnect options of a host that gives up soon."""


def disconnect_under_it() -> None:
    """Take the disk away from whatever is on it; the next connection has another number."""
    nvme("disconnect", f"--nqn={nqn_of()}")


def top_source(path: Path) -> str:
    """Return what is mounted on top at a path; nothing if nothing is."""
    mount = mount_table().at(str(path))
    return mount.source if mount else ""


@pytest.mark.parametrize("fs_type", ["ext4", "btrfs"])
async def test_a_disk_that_came_back_under_another_name_is_mounted_anew_with_its_data(
    node: VmRig, fs_type: str
) -> None:
    await node.stage(mounted(fs_type))
    target = await node.publish(mounted(fs_type))
    write_safely(target / "data", "kept")
    old = await node.device()

    disconnect_under_it()
    new = await node.desk.fabrics.ensure_connected(reach(nqn_of()))
    before = await node.wrong()
    after = await node.wrong_after_round()

    assert "under another name" in before
    assert after == ""
    assert new != old
    assert {top_source(each) for each in (node.staging(), target)} == {new.path}
    assert (target / "data").read_text() == "kept"


async def test_a_mount_whose_device_the_kernel_gave_up_is_repaired_when_the_target_is_back(
    node: VmRig, target: Nvmet
) -> None:
    node.context = SHORT
    await node.stage()
    path = await node.publish()
    write_safely(path / "data", "kept")

    target.unlink(nqn_of())
    await until(node.is_given_up)
    during = await node.wrong()
    target.link(nqn_of())
    after = await node.wrong_after_round()

    assert during == "the volume is not connected to this node"
    assert after == ""
    assert (path / "data").read_text() == "kept"


async def test_a_raw_block_volume_that_the_kernel_gave_up_is_connected_again(
    node: VmRig, target: Nvmet
) -> None:
    node.context = SHORT
    await node.stage(raw())
    path = await node.publish(raw())
    written = fill(path)
    os.sync()

    target.unlink(nqn_of())
    await until(node.is_given_up)
    during = await node.wrong()
    target.link(nqn_of())
    after = await node.wrong_after_round()

    assert during == "the volume is not connected to this node"
    assert after == ""
    assert sum_of(path) == written


async def test_unstaging_goes_on_without_its_caller_and_ends_when_the_target_is_back(
    node: VmRig, target: Nvmet
) -> None:
    await node.stage()
    written = fill(node.staging() / "data")
    target.unlink(nqn_of())
    await until(node.is_waiting)

    status, _ = await error_of(impatient(node).unstage())
    meanwhile, _ = await error_of(node.unstage())
    target.link(nqn_of())

    async def is_unstaged() -> bool:
        return node.leftovers() == []

    await until(is_unstaged)
    await node.stage()

    assert status is Status.DEADLINE_EXCEEDED
    assert meanwhile is Status.ABORTED
    assert sum_of(node.staging() / "data") == written


def impatient(node: VmRig) -> VmRig:
    """Give the same calls from a caller that waits for two seconds."""
    stub = csi.NodeStub(node.node.channel, timeout=2)
    return replace(node, node=stub)


async def test_a_device_that_is_closed_while_it_cannot_be_written_holds_nothing_up(
    node: VmRig, target: Nvmet
) -> None:
    await node.stage(raw())
    device = await node.device()
    assert device is not None
    offload, hold = Offload(), Hold(device)
    await asyncio.to_thread(hold.take)
    await asyncio.to_thread(dirty, device.path)

    target.unlink(nqn_of())
    await until(node.is_waiting)
    await offload.end("close", hold.release, limit=1.0)  # its last opener has to write first
    with pytest.raises(HostHangs, match="an earlier question"):
        await offload.run("close", lambda: None, limit=1.0)
    target.link(nqn_of())

    await until(partial(answers, offload))
    await node.unstage()
    assert node.leftovers() == []


def dirty(path: str) -> None:
    """Write to a device that another one has open, too, so that nothing is sent to it yet."""
    with open(path, "r+b", buffering=0) as file:  # noqa: PTH123 (a device)
        file.write(bytes(4096))


async def answers(offload: Offload) -> bool:
    try:
        return await offload.run("close", lambda: True, limit=1.0)
    except HostHangs:
        return False
