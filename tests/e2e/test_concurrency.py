"""Many claims and pods at once."""

import asyncio

import pytest

from tests.e2e.objects import CLAIM, POD, claim, pod
from tests.e2e.world import World

COUNT = 10


@pytest.mark.parametrize("turn", [1, 2])
async def test_ten_claims_and_pods_at_once_get_ten_volumes(world: World, turn: int) -> None:
    names = [f"many-{number}" for number in range(COUNT)]
    await world.make(CLAIM, *(claim(name) for name in names))
    await world.make(POD, *(pod(name, name) for name in names))

    for name in names:
        await world.runs(name, 120.0)
        await world.write(name, f"{name}-{turn}")
    texts = [await world.read(name) for name in names]
    volumes = [await world.volume_of(name) for name in names]
    there = await asyncio.to_thread(world.device.volumes)

    assert texts == [f"{name}-{turn}" for name in names]
    assert there == set(volumes)
    assert len(there) == COUNT
