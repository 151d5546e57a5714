"""Two machines, each with a kernel of its own: one has the target, and both are its hosts."""

import os
from pathlib import Path

import pytest

from tests.component.node.rig import mounted
from tests.vm.inside.plugin import VmRig, nqn_of
from tests.vm.inside.rig import until
from tests.vm.inside.writing import fill, sum_of
from tests.vm.nvmet import MIB, PORT, Nvmet
from tests.vm.peer.client import Peer
from tests.vm.peer.port import StoragePort

NQN = nqn_of()


def published(peer: Peer) -> dict[str, str]:
    return {
        "nvme_address": peer.our_address,
        "nvme_port": str(PORT),
        "nvme_nqn": NQN.text,
        "size_bytes": str(64 * MIB),
        "reconnect_delay": "1",
    }


async def test_the_other_machine_has_a_name_and_an_identity_of_its_own(peer: Peer) -> None:
    name = await peer.run(["hostname"])
    nqn = await peer.run(["nvme", "show-hostnqn"])

    assert name.strip() == f"{os.uname().nodename}-peer"
    assert nqn.strip() == peer.host_nqn.text


async def test_a_command_that_fails_there_tells_its_status_and_output(peer: Peer) -> None:
    done = await peer.try_run(["sh", "-c", "cat; echo away >&2; exit 7"], stdin=b"said ")

    assert done.status == 7
    assert done.output == "said away\n"


async def test_a_function_that_raises_there_raises_here(peer: Peer) -> None:
    with pytest.raises(FileNotFoundError):
        await peer.call(os.listdir, "/nowhere")


async def test_what_one_machine_wrote_the_other_reads_with_nvme_cli(
    node: VmRig, target: Nvmet, peer: Peer, port: StoragePort
) -> None:
    target.export(NQN, 64 * MIB, host=None)
    port.link(NQN)
    await node.stage(mounted())
    written = fill(await node.publish() / "data")
    await node.unpublish()
    await node.unstage()

    address = (f"--traddr={peer.our_address}", f"--trsvcid={PORT}", f"--nqn={NQN}")
    await peer.run(["nvme", "connect", "--transport=tcp", *address])
    device = await peer.call(device_of, NQN.text)
    await peer.run(["mkdir", "-p", "/run/peer/disk"])
    await peer.run(["mount", device, "/run/peer/disk"])
    found = await peer.call(sum_of, Path("/run/peer/disk/data"))

    assert found == written


async def test_a_node_plugin_there_is_called_from_here(
    node: VmRig, target: Nvmet, peer: Peer, port: StoragePort
) -> None:
    target.export(NQN, 64 * MIB)
    port.link(NQN)
    there = await peer.start_node_plugin()

    await there.stage(publish_context=published(peer))
    written = await peer.call(fill, await there.publish() / "data")
    await there.unpublish()
    await there.unstage()
    left = await there.left()
    await node.stage()
    found = sum_of(await node.publish() / "data")

    assert left == []
    assert found == written


async def test_a_node_plugin_there_goes_on_after_it_was_killed(
    target: Nvmet, peer: Peer, port: StoragePort
) -> None:
    target.export(NQN, 64 * MIB)
    port.link(NQN)
    first = await peer.start_node_plugin()
    await first.stage(publish_context=published(peer))
    await first.kill()

    second = await peer.start_node_plugin()
    path = await second.publish()
    mounts = await second.mount_points()
    await second.unpublish()
    await second.unstage()

    assert str(path) in mounts
    assert await second.left() == []


async def test_the_wire_for_storage_can_be_cut_and_the_other_machine_still_answers(
    target: Nvmet, peer: Peer, port: StoragePort
) -> None:
    target.export(NQN, 64 * MIB)
    port.link(NQN)
    there = await peer.start_node_plugin()
    await there.stage(publish_context={**published(peer), "keep_alive_tmo": "2"})

    await peer.run(["ip", "link", "set", "eth0", "down"])
    try:
        await until(lambda: has_lost_it(peer), 30)
    finally:
        await peer.run(["ip", "link", "set", "eth0", "up"])

    await until(lambda: is_live(peer), 30)


async def has_lost_it(peer: Peer) -> bool:
    return "connecting" in await peer.call(states)


async def is_live(peer: Peer) -> bool:
    return await peer.call(states) == ["live"]


def states() -> list[str]:
    """Return in what state the kernel's connections are."""
    return [path.read_text().strip() for path in Path("/sys/class/nvme").glob("*/state")]


def device_of(nqn: str) -> str:
    """Return the disk of a subsystem, once it is there."""
    for subsystem in Path("/sys/class/nvme-subsystem").iterdir():
        if (subsystem / "subsysnqn").read_text().strip() == nqn:
            return "/dev/" + next(p.name for p in subsystem.glob("nvme*n*") if "c" not in p.name)
    raise FileNotFoundError(nqn)
