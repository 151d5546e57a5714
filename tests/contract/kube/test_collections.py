"""Watched collections on servers that restart, forget, and get new kinds of objects."""

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass

from libs.kube.answers import Object
from libs.kube.changes import Changes
from libs.kube.watched import Watched, open_watched
from tests.contract.kube.objects import DEFINITIONS, FINALIZER, config_map, definition
from tests.kube.worlds import World
from tests.waiting import PATIENCE, until


@dataclass(frozen=True, slots=True)
class Kept:
    name: str
    data: str
    going: bool


def keep(item: Object) -> Kept | None:
    metadata = item["metadata"]
    if not metadata["name"].startswith("map"):
        return None
    data = (item.get("data") or {}).get("a", "")
    return Kept(metadata["name"], data, "deletionTimestamp" in metadata)


@contextlib.asynccontextmanager
async def watching(world: World, path: str = "") -> AsyncIterator[Watched[Kept]]:
    collection = Watched(world.kube, path or world.maps, keep, seconds=5)
    async with open_watched(collection):
        yield collection


def names(collection: Watched[Kept]) -> set[str]:
    return set(collection.known().values)


async def test_a_collection_is_complete_and_fresh_when_it_has_been_listed(world: World) -> None:
    await world.kube.create(world.maps, config_map("map-1"))
    async with watching(world) as collection:
        before = collection.known()
        await until(lambda: collection.is_synced)
        after = collection.known()

    assert (before.is_complete, before.age) == (False, math.inf)
    assert set(after.values) == {"map-1"}
    assert after.is_complete
    assert math.isfinite(after.age)


async def test_what_is_known_stays_what_it_was_when_it_was_asked_for(world: World) -> None:
    async with watching(world) as collection:
        await until(lambda: collection.is_synced)
        known = collection.known()
        await world.kube.create(world.maps, config_map("map-1"))
        await until(lambda: names(collection) == {"map-1"})

    assert dict(known.values) == {}


async def test_what_happens_while_the_server_is_away_or_a_watch_is_not_open_is_not_missed(
    world: World,
) -> None:
    await world.kube.create(world.maps, config_map("map-1"))
    await world.kube.create(world.maps, config_map("map-2"))
    async with watching(world) as collection:
        await until(lambda: collection.is_synced)
        async with world.away():
            await until(lambda: collection.known().age > 0.5)
        await world.kube.delete(f"{world.maps}/map-1")
        await world.kube.patch(f"{world.maps}/map-2", {"data": {"a": "new"}})
        await world.kube.create(world.maps, config_map("map-3"))

        await until(lambda: names(collection) == {"map-2", "map-3"})
        await until(lambda: collection.known().values["map-2"].data == "new")


async def test_what_happened_before_a_server_forgot_it_is_found_by_a_new_listing(
    world: World,
) -> None:
    await world.kube.create(world.maps, config_map("map-1"))
    await world.kube.create(world.maps, config_map("map-2", finalizers=[FINALIZER]))
    async with watching(world) as collection:
        await until(lambda: collection.is_synced)
        stale = Watched(world.kube, world.maps, keep, seconds=5)
        stale._version, stale._items = collection._version, dict(collection._items)  # noqa: SLF001 (a cache from before)
        await world.kube.delete(f"{world.maps}/map-1")
        await world.kube.delete(f"{world.maps}/map-2")
        await world.forget()

        async with open_watched(stale):
            await until(lambda: stale.is_synced)
            found = stale.known()
        await until(lambda: names(collection) == {"map-2"})
        await world.kube.patch(f"{world.maps}/map-2", {"metadata": {"finalizers": None}})
        await until(lambda: names(collection) == set())

    assert {value.name: value.going for value in found.values.values()} == {"map-2": True}


async def test_a_kind_that_is_installed_later_is_found(world: World) -> None:
    group = f"{world.mark}.example.com"
    path = f"/apis/{group}/v1/volumesnapshotcontents"
    item = {"apiVersion": f"{group}/v1", "kind": "VolumeSnapshotContent"}
    async with watching(world, path) as collection:
        await until(lambda: not collection.known().is_served)
        absent = collection.known()

        await world.kube.create(DEFINITIONS, definition(group))
        await until(lambda: collection.is_synced)
        await world.kube.create(path, item | {"metadata": {"name": "map-1"}})
        await until(lambda: names(collection) == {"map-1"})
        present = collection.known()
        await world.kube.delete(f"{DEFINITIONS}/volumesnapshotcontents.{group}")

    assert not absent.is_complete
    assert (present.is_complete, present.is_served) == (True, True)


async def test_there_is_one_word_for_many_changes_and_none_for_what_does_not_matter(
    world: World,
) -> None:
    async with watching(world) as collection:
        changes = Changes(collection, quiet=0.3, most=5.0)
        async with asyncio.timeout(PATIENCE):
            first = await changes.wait()  # of the listing
        await world.kube.create(world.maps, config_map("other"))
        for i in range(5):
            await world.kube.create(world.maps, config_map(f"map-{i}"))
        async with asyncio.timeout(PATIENCE):
            second = await changes.wait()
        known = names(collection)
        await world.kube.patch(f"{world.maps}/map-1", {"metadata": {"labels": {"x": "y"}}})
        await world.kube.patch(f"{world.maps}/map-2", {"data": {"a": "last"}})
        async with asyncio.timeout(PATIENCE):
            await changes.wait()

        assert collection.known().values["map-2"].data == "last"
    assert first == second == {world.maps}
    assert known == {f"map-{i}" for i in range(5)}
