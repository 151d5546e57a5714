"""Snapshots, and what is made from them."""

from tests.e2e.objects import CLAIM, POD, claim, pod, snapshot
from tests.e2e.world import World

GROUP = "rds-xfs-subvolume"


async def test_a_snapshot_a_larger_restore_and_a_clone_have_the_right_content(
    world: World,
) -> None:
    await world.make(CLAIM, claim("data", "320Mi", GROUP))
    await world.make(POD, pod("writer", "data"))
    await world.runs("writer")
    await world.write("writer", "before")
    await world.make("volumesnapshots", snapshot("moment", "data"))
    await world.snapshot_ready("moment")
    await world.write("writer", "after")
    moment = {
        "apiGroup": "snapshot.storage.k8s.io",
        "kind": "VolumeSnapshot",
        "name": "moment",
    }
    origin = {"kind": "PersistentVolumeClaim", "name": "data"}
    await world.make(
        CLAIM,
        claim("restored", "448Mi", GROUP, source=moment),
        claim("cloned", "320Mi", GROUP, source=origin),
    )
    await world.make(POD, pod("restorer", "restored"), pod("cloner", "cloned"))
    for name in ("restorer", "cloner"):
        await world.runs(name)

    restored = await world.read("restorer")
    cloned = await world.read("cloner")
    more = await world.kilobytes("restorer") - await world.kilobytes("writer")
    assert (restored, cloned) == ("before", "after")
    assert world.device.size_of(await world.volume_of("restored")) == 448 * 2**20
    assert more == 128 * 1024
