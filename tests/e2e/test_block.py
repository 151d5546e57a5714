"""Raw block volumes, and a virtual machine's way from one node to another."""

from libs.kube.paths import NODES
from tests.e2e.objects import CLAIM, POD, claim, pod
from tests.e2e.world import World, until
from tests.kube.shipped import DRIVER

FILL = "echo on-the-disk | dd of=/dev/volume bs=512 conv=sync,fsync"


async def test_a_pod_reads_and_writes_a_block_device(world: World) -> None:
    await world.make(CLAIM, claim("raw", block=True))
    await world.make(POD, pod("first", "raw", block=True, node="node-1"))
    await world.runs("first")
    await world.run("first", "sh", "-c", f"{FILL} 2>&1")

    await world.remove(POD, "first")
    await world.detached(await world.volume_of("raw"))
    await world.make(POD, pod("second", "raw", block=True, node="node-2"))
    await world.runs("second")
    text = await world.run("second", "head", "-c", "11", "/dev/volume")

    assert text == "on-the-disk"


async def test_a_machine_migrates_between_two_nodes_and_a_third_is_refused(world: World) -> None:
    await world.make(CLAIM, claim("disk", "64Mi", "rds-kubevirt", mode="ReadWriteMany", block=True))
    volume = await world.volume_of("disk")
    await world.make(POD, pod("source", "disk", block=True, node="node-1"))
    await world.runs("source")
    await world.run("source", "sh", "-c", f"{FILL} 2>&1")

    # The target's machine has the disk before it runs; here it must not be staged yet, because
    # a loop device that is on two nodes of one kernel is one device.
    await world.attach(volume, "node-2")
    await until("both ends have the disk", lambda: world.is_attached(volume, "node-1", "node-2"))
    refusal = await ask_from_third_node(world, volume)
    await world.remove(POD, "source")
    await until("only the target has it", lambda: world.is_attached(volume, "node-2"))
    await world.make(POD, pod("target", "disk", block=True, node="node-2"))
    await world.runs("target")
    text = await world.run("target", "head", "-c", "11", "/dev/volume")

    assert "node-1" in refusal
    assert "node-2" in refusal
    assert text == "on-the-disk"


async def ask_from_third_node(world: World, volume: str) -> str:
    """Attach a volume to a node without a kubelet; return why that is refused."""
    await world.kube.create(NODES, {"metadata": {"name": "node-3"}})
    drivers = [{"name": DRIVER, "nodeID": "node-3"}]
    known = "/apis/storage.k8s.io/v1/csinodes"
    await world.kube.create(known, {"metadata": {"name": "node-3"}, "spec": {"drivers": drivers}})
    try:
        async with world.asking(volume, "node-3") as path:
            return str(await until("the third is refused", lambda: world.refusal(path)))
    finally:
        await world.kube.delete(f"{known}/node-3")
        await world.kube.delete(f"{NODES}/node-3")
