"""Volumes that grow while a pod writes to them."""

from tests.e2e.objects import CLAIM, POD, claim, pod
from tests.e2e.world import World, until

WRITING = "i=0; while :; do i=$((i+1)); echo $i >>/data/log; sync; sleep 0.1; done"


async def test_a_filesystem_grows_while_the_pod_writes_to_it(world: World) -> None:
    await world.make(CLAIM, claim("growing", "320Mi", "rds-xfs"))
    await world.make(POD, pod("writer", "growing", script=WRITING))
    await world.runs("writer")
    before = await world.kilobytes("writer")
    restarts = (await world.get(POD, "writer"))["status"]["containerStatuses"][0]["restartCount"]

    await world.ask_for("growing", "448Mi")

    async def has_grown() -> bool:
        return await world.kilobytes("writer") == before + 128 * 1024

    async def is_told() -> bool:
        return await world.capacity("growing") == 448 * 2**20

    await until("the filesystem in the pod has grown", has_grown)
    await until("the claim says so", is_told)
    numbers = (await world.read("writer", "/data/log")).split()
    pods = (await world.get(POD, "writer"))["status"]["containerStatuses"]
    volume = await world.volume_of("growing")
    assert numbers == [str(number) for number in range(1, len(numbers) + 1)]
    assert pods[0]["restartCount"] == restarts
    assert world.device.size_of(volume) == 448 * 2**20
