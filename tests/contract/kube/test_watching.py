"""Watches: what they tell, from when on, and how they end."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from libs.core.errors import Unreachable
from libs.kube.answers import Object
from libs.kube.errors import WatchExpired
from tests.contract.kube.objects import config_map, events, items, version_now, version_of
from tests.kube.worlds import World
from tests.waiting import PATIENCE


async def test_a_watch_tells_what_happens_after_its_version_in_order(world: World) -> None:
    await world.kube.create(world.maps, config_map("before"))
    begin = await version_now(world.kube, world.maps)
    made = await world.kube.create(world.maps, config_map("one"))
    changed = await world.kube.patch(f"{world.maps}/one", {"data": {"a": "1"}})
    await world.kube.delete(f"{world.maps}/one")

    told = [
        (kind, item)
        async for kind, item in events(world.kube, world.maps, begin)
        if item["metadata"]["name"] == "one"
    ]

    assert [kind for kind, _ in told] == ["ADDED", "MODIFIED", "DELETED"]
    assert [item for _, item in told[:2]] == [made, changed]
    assert told[2][1]["data"] == {"a": "1"}
    assert int(version_of(told[2][1])) > int(version_of(changed))


async def test_a_watch_tells_what_happens_while_it_lasts(world: World) -> None:
    begin = await version_now(world.kube, world.maps)
    told = events(world.kube, world.maps, begin, seconds=10)
    first = asyncio.ensure_future(wait_for(told, "one"))

    await world.kube.create(world.maps, config_map("one"))
    async with asyncio.timeout(PATIENCE):
        kind, item = await first

    assert (kind, item["metadata"]["name"]) == ("ADDED", "one")


async def wait_for(told: AsyncIterator[tuple[str, Object]], name: str) -> tuple[str, Object]:
    async for kind, item in told:
        if item["metadata"]["name"] == name:
            return kind, item
    raise AssertionError("the watch has ended")


async def test_a_watch_goes_on_from_the_version_of_its_last_event_without_a_gap(
    world: World,
) -> None:
    begin = await version_now(world.kube, world.maps)
    await world.kube.create(world.maps, config_map("one"))
    told = [event async for event in events(world.kube, world.maps, begin)]
    last = version_of(told[-1][1])
    await world.kube.create(world.maps, config_map("two"))

    again = [item["metadata"]["name"] async for _, item in events(world.kube, world.maps, last)]

    assert again == ["two"]


async def test_a_watch_ends_when_its_time_is_up(world: World) -> None:
    begin = await version_now(world.kube, world.maps)
    loop = asyncio.get_running_loop()
    started = loop.time()

    _ = [event async for event in events(world.kube, world.maps, begin, seconds=1)]

    assert 0.9 < loop.time() - started < PATIENCE


async def test_a_bookmark_is_a_version_to_go_on_from(world: World) -> None:
    begin = await version_now(world.kube, world.maps)
    await world.kube.create(world.maps, config_map("one"))
    marks = []
    async for kind, item in world.kube.watch(world.maps, begin, seconds=6):
        if kind == "BOOKMARK":
            marks.append(item)
        elif item["metadata"]["name"] == "one":
            await world.kube.create(world.maps, config_map("two"))

    again = [event async for event in events(world.kube, world.maps, version_of(marks[-1]))]

    assert set(marks[-1]["metadata"]) <= {"resourceVersion", "creationTimestamp"}
    assert marks[-1]["kind"] == "ConfigMap"
    assert again == []


async def test_a_watch_can_tell_the_metadata_alone(world: World) -> None:
    begin = await version_now(world.kube, world.maps)
    await world.kube.create(world.maps, config_map("one") | {"data": {"a": "b"}})

    told = [item async for _, item in events(world.kube, world.maps, begin, metadata_only=True)]

    assert [item["kind"] for item in told] == ["PartialObjectMetadata"]
    assert "data" not in told[0]


async def test_a_watch_from_a_version_that_is_forgotten_is_told_so(world: World) -> None:
    begin = await version_now(world.kube, world.maps)
    for i in range(3):
        await world.kube.create(world.maps, config_map(f"map-{i}"))

    await world.forget()

    with pytest.raises(WatchExpired):
        _ = [event async for event in events(world.kube, world.maps, begin, seconds=5)]
    assert {"map-0", "map-1", "map-2"} <= {
        item["metadata"]["name"] for item in await items(world.kube, world.maps)
    }


async def test_a_server_that_is_away_breaks_a_watch_off_and_knows_all_when_it_is_back(
    world: World,
) -> None:
    begin = await version_now(world.kube, world.maps)
    told = events(world.kube, world.maps, begin, seconds=60)
    watching = asyncio.ensure_future(wait_for(told, "never"))
    await world.kube.create(world.maps, config_map("one"))

    async with world.away():
        async with asyncio.timeout(PATIENCE):
            with pytest.raises((Unreachable, AssertionError)):
                await watching
        with pytest.raises(Unreachable):
            await world.kube.get(f"{world.maps}/one")

    assert await world.kube.get(f"{world.maps}/one") is not None
