"""Events: what is told of an object is there, counted and cut as Kubernetes does it."""

from contextlib import AbstractAsyncContextManager

import pytest

from libs.kube.answers import Object
from libs.kube.correlate import BURST, MAX_SIMILAR, MAX_TEXT_BYTES, Reference
from libs.kube.events import Events, open_events
from tests.contract.kube.objects import config_map, items, node
from tests.kube.worlds import World
from tests.waiting import eventually

COMPONENT, HOST = "rds.csi.srvlab.io/contract", "here"


class Teller:
    """Tells of one object, and waits for what becomes of it."""

    def __init__(self, world: World, about: Reference) -> None:
        self._world = world
        self.about = about
        self.posted: list[str] = []
        self.path = f"/api/v1/namespaces/{about.namespace or 'default'}/events"

    def running(self) -> AbstractAsyncContextManager[Events]:
        return open_events(self._world.kube, COMPONENT, HOST, posted=self.posted.append)

    async def told(self) -> list[Object]:
        """Return the events of the object, the first one first."""
        found = [
            one
            for one in await items(self._world.kube, self.path)
            if one["involvedObject"].get("uid") == self.about.uid
        ]
        return sorted(found, key=lambda one: str(one["metadata"]["name"]))

    async def forget(self) -> None:
        """Take away what was told, as the cluster does after a while."""
        for one in await self.told():
            await self._world.kube.delete(f"{self.path}/{one['metadata']['name']}")


async def map_in(world: World) -> Reference:
    made = await world.kube.create(world.maps, config_map("one"))
    return Reference("v1", "ConfigMap", "one", world.namespace, made["metadata"]["uid"])


async def test_what_is_told_of_an_object_is_found_beside_it(world: World) -> None:
    teller = Teller(world, await map_in(world))

    async with teller.running() as events:
        events.post(teller.about, "Lost", "it is gone", warning=True)
        await eventually(teller.told)
        (told,) = await teller.told()

    assert told["metadata"]["namespace"] == world.namespace
    assert (told["type"], told["reason"], told["message"]) == ("Warning", "Lost", "it is gone")
    assert (told["count"], told["source"]) == (1, {"component": COMPONENT, "host": HOST})
    assert told["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": "one",
        "namespace": world.namespace,
        "uid": teller.about.uid,
    }
    assert teller.posted == ["Lost"]


async def test_what_is_told_of_an_object_of_the_cluster_is_in_the_default_namespace(
    world: World,
) -> None:
    made = await world.kube.create("/api/v1/nodes", node(world.name()))
    teller = Teller(world, Reference("v1", "Node", world.name(), uid=made["metadata"]["uid"]))

    async with teller.running() as events:
        events.post(teller.about, "Found", "it is there", warning=False)
        await eventually(teller.told)
        (told,) = await teller.told()
    await teller.forget()

    assert (told["type"], told["metadata"]["namespace"]) == ("Normal", "default")


async def test_what_is_told_again_is_counted_and_told_anew_where_it_was_forgotten(
    world: World,
) -> None:
    teller = Teller(world, await map_in(world))
    counts: list[int] = []

    async def is_counted(times: int) -> bool:
        return [one["count"] for one in await teller.told()] == [times]

    async with teller.running() as events:
        for times in (1, 2, 3):
            events.post(teller.about, "Lost", "it is gone", warning=True)
            await eventually(lambda: is_counted(times))  # noqa: B023
            counts.append(times)
        await teller.forget()
        events.post(teller.about, "Lost", "it is gone", warning=True)
        await eventually(lambda: is_counted(4))

    assert counts == [1, 2, 3]
    assert len(teller.posted) == 4


async def test_many_alike_become_one_and_a_flood_is_cut(world: World) -> None:
    teller = Teller(world, await map_in(world))

    async with teller.running() as events:
        for number in range(BURST + 5):
            events.post(teller.about, "Lost", f"part {number} is gone", warning=True)
        await eventually(lambda: reached(teller, BURST))
        told = await teller.told()

    merged = [one for one in told if one["message"].startswith("(combined")]
    assert len(teller.posted) == BURST
    assert len(merged) == 1
    assert len(told) == MAX_SIMILAR + 1
    assert merged[0]["count"] == BURST - MAX_SIMILAR


async def reached(teller: Teller, count: int) -> bool:
    return len(teller.posted) >= count


async def test_a_text_that_is_too_long_for_the_server_is_cut_and_told(world: World) -> None:
    teller = Teller(world, await map_in(world))

    async with teller.running() as events:
        events.post(teller.about, "Lost", "ä" * MAX_TEXT_BYTES, warning=True)
        await eventually(teller.told)
        (told,) = await teller.told()

    assert len(told["message"].encode()) <= MAX_TEXT_BYTES
    assert told["message"].startswith("ääää")
    assert told["message"].endswith("...")


async def test_a_name_as_long_as_names_may_be_leaves_room_for_the_event(world: World) -> None:
    name = "a" * 253
    made = await world.kube.create(world.maps, config_map(name))
    about = Reference("v1", "ConfigMap", name, world.namespace, made["metadata"]["uid"])
    teller = Teller(world, about)

    async with teller.running() as events:
        events.post(about, "Lost", "it is gone", warning=True)
        await eventually(teller.told)

    assert teller.posted == ["Lost"]


async def test_what_the_server_refuses_holds_up_nothing_that_comes_after_it(world: World) -> None:
    teller = Teller(world, await map_in(world))
    nowhere = Reference("v1", "ConfigMap", "one", "no-such-namespace", "uid")

    async with teller.running() as events:
        events.post(nowhere, "Lost", "it is gone", warning=True)
        events.post(teller.about, "Lost", "it is gone", warning=True)
        await eventually(teller.told)

    assert teller.posted == ["Lost"]


@pytest.mark.parametrize("waiting", [1, 3])
async def test_the_end_gives_what_waits_a_moment_to_be_told(world: World, waiting: int) -> None:
    teller = Teller(world, await map_in(world))

    async with teller.running() as events:
        for number in range(waiting):
            events.post(teller.about, f"Lost{number}", "it is gone", warning=True)

    assert len(await teller.told()) == len(teller.posted) == waiting
