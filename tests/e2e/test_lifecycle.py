"""A volume from its claim to its end, in pods that write to it."""

from libs.kube.paths import PERSISTENT_VOLUMES
from tests.e2e.objects import CLAIM, POD, claim, pod
from tests.e2e.world import World


async def test_data_outlives_the_pod_and_goes_with_the_claim(world: World) -> None:
    await world.make(CLAIM, claim("data"))
    await world.make(POD, pod("first", "data", node="node-1"))
    await world.runs("first")
    volume = await world.volume_of("data")
    await world.write("first", "kept")

    await world.remove(POD, "first")
    await world.detached(volume)
    await world.make(POD, pod("second", "data", node="node-2"))
    await world.runs("second")
    text = await world.read("second")
    there = world.device.volumes()
    await world.remove(POD, "second")
    await world.remove(CLAIM, "data")
    await world.path_gone(f"{PERSISTENT_VOLUMES}/{volume}")

    assert text == "kept"
    assert there == {volume}
    assert world.device.volumes() == set()
