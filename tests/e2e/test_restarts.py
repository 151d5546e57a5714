"""Whatever is restarted in the middle of whatever: the calls converge."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest

from tests.e2e.objects import CLAIM, POD, Item, claim, pod, snapshot
from tests.e2e.world import World, until

LATE = 5.0
"""Seconds by which an answer of the device is late, so that somebody can be killed meanwhile."""

WINDOW = 30
"""Seconds of a migration's window, the shortest that can be asked for."""


async def volume_to_be(world: World, name: str) -> str:
    """Return the volume that a claim is going to have."""
    item = await world.get(CLAIM, name)
    return f"pvc-{item['metadata']['uid']}"


async def kill_in_the_middle(world: World, volume: str, act: Awaitable[None]) -> None:
    """Do something, and kill the controller once the device has done its part of it."""
    await asyncio.to_thread(world.device.delay, volume, LATE)
    try:
        await act

        async def is_under_way() -> bool:
            return await asyncio.to_thread(world.device.has_delayed)

        await until("the controller is in the middle of it", is_under_way)
        await asyncio.to_thread(world.site.restart_controller)
    finally:
        await asyncio.to_thread(world.device.forget_delays)


def disk(name: str, size: str = "64Mi") -> Item:
    return claim(name, size, "rds-kubevirt", mode="ReadWriteMany", block=True)


async def test_a_volume_is_made_once_though_the_controller_dies_meanwhile(world: World) -> None:
    await world.make(CLAIM, claim("data"))
    volume = await volume_to_be(world, "data")

    await kill_in_the_middle(world, volume, world.make(POD, pod("user", "data")))

    await world.runs("user")
    assert await asyncio.to_thread(world.device.volumes) == {volume}


async def test_a_volume_is_attached_though_the_controller_dies_meanwhile(world: World) -> None:
    await world.make(CLAIM, disk("disk"))
    volume = await world.volume_of("disk")

    user = pod("user", "disk", block=True)
    await kill_in_the_middle(world, volume, world.make(POD, user))

    node = await world.runs("user")
    assert await world.attached(volume) == {node}


async def test_a_volume_grows_though_the_controller_dies_meanwhile(world: World) -> None:
    await world.make(CLAIM, disk("disk"))
    volume = await world.volume_of("disk")
    await world.make(POD, pod("user", "disk", block=True))
    await world.runs("user")

    await kill_in_the_middle(world, volume, world.ask_for("disk", "96Mi"))

    async def is_larger() -> bool:
        return await world.capacity("disk") == 96 * 2**20

    await until("the claim has what it asked for", is_larger)
    assert await asyncio.to_thread(world.device.size_of, volume) == 96 * 2**20


async def test_a_volume_goes_though_the_controller_dies_meanwhile(world: World) -> None:
    await world.make(CLAIM, claim("data"))
    await world.make(POD, pod("user", "data"))
    await world.runs("user")
    volume = await world.volume_of("data")

    async def leave() -> None:
        await world.remove(POD, "user")
        await world.remove(CLAIM, "data")

    await kill_in_the_middle(world, volume, leave())

    async def is_gone() -> bool:
        return not await asyncio.to_thread(world.device.volumes)

    await until("the device is empty", is_gone)
    assert not await asyncio.to_thread(world.device.files)


async def test_a_snapshot_is_taken_once_though_the_controller_dies_meanwhile(
    world: World,
) -> None:
    await world.make(CLAIM, claim("data", "320Mi", "rds-xfs-subvolume"))
    volume = await world.volume_of("data")

    act = world.make("volumesnapshots", snapshot("moment", "data"))
    await kill_in_the_middle(world, volume, act)

    await world.snapshot_ready("moment")
    files = await asyncio.to_thread(world.device.files)
    assert len([name for name in files if "/snap-" in name]) == 1


async def start_some(world: World) -> list[str]:
    names = ["one", "two", "three"]
    await world.make(CLAIM, *(claim(name) for name in names))
    await world.make(POD, *(pod(name, name) for name in names))

    async def have_begun() -> bool:
        return bool(await asyncio.to_thread(world.device.volumes))

    await until("the first volume is made", have_begun)
    return names


@pytest.mark.parametrize("what", ["API server", "device"])
async def test_pods_start_though_it_is_restarted(world: World, what: str) -> None:
    restarts: dict[str, Callable[[], None]] = {
        "API server": world.site.cluster.restart_api,
        "device": lambda: world.device.restart(LATE),
    }
    names = await start_some(world)

    await asyncio.to_thread(restarts[what])

    for name in names:
        await world.runs(name, 120.0)
        await world.write(name, name)
    texts = [await world.read(name) for name in names]
    volumes = {await world.volume_of(name) for name in names}
    assert texts == names
    assert await asyncio.to_thread(world.device.volumes) == volumes


async def test_who_has_a_volume_is_known_after_a_restart(world: World) -> None:
    await world.make(CLAIM, claim("data"))
    await world.make(POD, pod("user", "data", node="node-1"))
    await world.runs("user")
    volume = await world.volume_of("data")
    await asyncio.to_thread(world.site.restart_controller)

    async with world.asking(volume, "node-2") as path:
        refusal = await until("it is refused", lambda: world.refusal(path))

    assert "node-1" in refusal


async def test_a_migration_has_no_more_time_because_of_a_restart(world: World) -> None:
    await world.make(CLAIM, claim("disk", "64Mi", "rds-hasty", mode="ReadWriteMany", block=True))
    volume = await world.volume_of("disk")
    await world.make(POD, pod("source", "disk", block=True, node="node-1"))
    await world.runs("source")
    world.site.controller.stop(at_once=True)
    try:
        path = await world.attach(volume, "node-2")
        await until("the window is over", lambda: is_past_window(world, path))
    finally:
        await asyncio.to_thread(world.site.start_controller)

    refusal = await until("it is refused", lambda: world.refusal(path))
    await world.kube.delete(path)
    await world.path_gone(path)
    assert "migrat" in refusal


async def is_past_window(world: World, path: str) -> bool:
    item = await world.kube.get(path)
    assert item is not None
    made = datetime.fromisoformat(item["metadata"]["creationTimestamp"])
    return datetime.now(UTC) > made + timedelta(seconds=WINDOW + 2)
