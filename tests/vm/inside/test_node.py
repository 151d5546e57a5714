"""The assembled node plugin on a real kernel: the life of a volume."""

import asyncio
import os
import subprocess
from pathlib import Path

import pytest
from grpclib.const import Status

from tests.component.node.rig import MIB, SIZES, mount_table, raw
from tests.vm.inside.plugin import VmRig, error_of, nqn_of, open_vm_rig
from tests.vm.inside.rig import reach
from tests.vm.inside.writing import fill, sum_of
from tests.vm.nvmet import ADDRESS, PORT, Nvmet, nvme

ROUNDS = 20
SECRET = "DHHC-1:00:YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFhYWE=:"


async def test_what_a_pod_wrote_to_a_raw_block_volume_is_there_when_it_came_back(
    node: VmRig,
) -> None:
    await node.stage(raw())
    written = fill(await node.publish(raw()))
    await node.unpublish()
    await node.unstage()

    await node.stage(raw())
    target = await node.publish(raw())

    assert sum_of(target) == written


async def test_an_ext4_whose_device_has_grown_meanwhile_grows_when_staged(node: VmRig) -> None:
    await node.stage()
    before = (await node.stats()).usage[0].total
    written = fill(node.staging() / "data")
    await node.unstage()
    node.image(2 * SIZES["ext4"])

    await node.stage()

    assert (await node.stats()).usage[0].total > before + SIZES["ext4"] // 2
    assert sum_of(node.staging() / "data") == written


async def test_a_volume_with_authentication_is_refused_by_a_kernel_without_it(node: VmRig) -> None:
    config = Path(f"/boot/config-{os.uname().release}")
    if "NVME_HOST_AUTH=y" in await asyncio.to_thread(config.read_text):
        pytest.skip("this kernel has DH-CHAP")

    status, text = await error_of(
        node.stage(volume_context={"auth": "dhchap"}, secrets={"nvmeSecret": SECRET})
    )
    connections = await node.desk.fabrics.list_connections()
    await node.unstage()

    assert status is Status.FAILED_PRECONDITION
    assert "without DH-CHAP" in text
    assert connections == []
    assert node.leftovers() == []


def connect(target: Nvmet, name: str, prefix: str = "") -> str:
    """Connect as an administrator does; return the NQN."""
    nqn = nqn_of(name) if not prefix else type(nqn_of())(f"{prefix}:{name}")
    target.export(nqn, 32 * MIB)
    nvme("connect", "--transport=tcp", f"--traddr={ADDRESS}", f"--trsvcid={PORT}", f"--nqn={nqn}")
    return nqn.text


async def test_only_connections_that_are_ours_and_that_nothing_uses_are_removed_at_the_start(
    host: Path, target: Nvmet
) -> None:
    async with open_vm_rig(host, target) as node:
        orphan, used = connect(target, "pvc-orphan"), connect(target, "pvc-used")
        other = connect(target, "pvc-other", "nqn.2014-08.com.example")
        device = await node.desk.fabrics.ensure_connected(reach(nqn_of("pvc-used")))
        point = host / "kubelet" / "by-hand"
        point.mkdir()
        for argv in (["mkfs.ext4", "-q", device.path], ["mount", device.path, str(point)]):
            await asyncio.to_thread(subprocess.run, argv, check=True)

    async with open_vm_rig(host, target):
        left = nvme("list-subsys", "-o", "json")

    assert orphan not in left
    assert used in left
    assert other in left
    assert mount_table().at(str(point)) is not None
