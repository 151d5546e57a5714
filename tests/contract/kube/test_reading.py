"""Reading: listings in pages, selectors, metadata alone, and what is not there."""

import asyncio
from typing import Any

import pytest

from libs.kube.errors import Answered, NotServed
from tests.contract.kube.objects import DEFINITIONS, attachment, config_map, definition, items
from tests.kube.worlds import World
from tests.waiting import PATIENCE


def names(found: list[dict[str, Any]]) -> list[str]:
    return [item["metadata"]["name"] for item in found]


async def test_an_object_that_is_not_there_is_none(world: World) -> None:
    assert await world.kube.get(f"{world.maps}/missing") is None
    assert await world.kube.get(f"/api/v1/nodes/{world.name()}") is None


async def test_a_listing_is_in_the_order_of_names_and_has_a_version(world: World) -> None:
    for name in ("c", "a-b", "a", "b"):
        await world.kube.create(world.maps, config_map(name))

    found = [page async for page in world.kube.list(world.maps)]

    (page,) = found
    assert [one for one in names(page.items) if one != "kube-root-ca.crt"] == ["a", "a-b", "b", "c"]
    assert page.version.isdecimal()


async def test_objects_of_all_namespaces_are_listed_together(world: World) -> None:
    await world.kube.create(world.maps, config_map(world.name()))

    found = await items(world.kube, "/api/v1/configmaps")

    assert world.name() in names(found)


@pytest.mark.parametrize("metadata_only", [False, True])
async def test_objects_can_be_read_without_all_but_their_metadata(
    world: World,
    metadata_only: bool,  # noqa: FBT001 (pytest names it)
) -> None:
    item = config_map("one", labels={"mine": "yes"}) | {"data": {"a": "b"}}
    await world.kube.create(world.maps, item)

    (listed,) = await items(
        world.kube, world.maps, "labelSelector=mine%3Dyes", metadata_only=metadata_only
    )
    read = await world.kube.get(f"{world.maps}/one", metadata_only=metadata_only)

    assert read is not None
    assert listed["metadata"]["name"] == read["metadata"]["name"] == "one"
    assert ("data" in listed) is ("data" in read) is (not metadata_only)
    assert (read["kind"] == "PartialObjectMetadata") is metadata_only


LABELS = [
    ("tier=a", ["one"]),
    ("tier!=a", ["three", "two"]),
    ("tier in (a,b)", ["one", "two"]),
    ("tier notin (a)", ["three", "two"]),
    ("tier", ["one", "two"]),
    ("!tier", ["three"]),
    ("tier,tier!=a", ["two"]),
]


@pytest.mark.parametrize(("selector", "expected"), LABELS)
async def test_labels_select(world: World, selector: str, expected: list[str]) -> None:
    for name, tier in (("one", "a"), ("two", "b"), ("three", "")):
        labels = {"of": "test"} | ({"tier": tier} if tier else {})
        await world.kube.create(world.maps, config_map(name, labels=labels))
    wanted = f"of=test,{selector}".replace("=", "%3D").replace(" ", "%20").replace(",", "%2C")

    found = await items(world.kube, world.maps, f"labelSelector={wanted}")

    assert names(found) == expected


async def test_fields_select(world: World) -> None:
    for name in ("one", "two"):
        await world.kube.create(world.maps, config_map(name))

    by_name = await items(world.kube, world.maps, "fieldSelector=metadata.name%3Dtwo")
    pods = f"/api/v1/namespaces/{world.namespace}/pods"
    by_node = await items(world.kube, pods, "fieldSelector=spec.nodeName%3Dworker-1")
    with pytest.raises(Answered) as caught:
        await items(world.kube, pods, "fieldSelector=spec.nothing%3Dx")

    assert names(by_name) == ["two"]
    assert by_node == []
    assert caught.value.status == 400


@pytest.mark.parametrize("query", ["labelSelector=%3D%3D", "continue=nonsense"])
async def test_a_question_that_makes_no_sense_is_refused(world: World, query: str) -> None:
    with pytest.raises(Answered) as caught:
        await items(world.kube, world.maps, query)

    assert caught.value.status == 400


async def test_a_kind_that_the_server_does_not_have_is_told_from_an_object_that_is_missing(
    world: World,
) -> None:
    unknown = f"/apis/{world.mark}.example.com/v1/things"

    with pytest.raises(NotServed):
        await items(world.kube, unknown)
    with pytest.raises(NotServed):
        await world.kube.get(f"{unknown}/one")
    with pytest.raises(NotServed):
        _ = [event async for event in world.kube.watch(unknown, "1")]


async def test_a_custom_resource_is_there_from_its_definition_to_the_end_of_it(
    world: World,
) -> None:
    group = f"{world.mark}.example.com"
    defined = definition(group)
    contents = f"/apis/{group}/v1/volumesnapshotcontents"
    item = {
        "apiVersion": f"{group}/v1",
        "kind": "VolumeSnapshotContent",
        "metadata": {"name": "one"},
        "spec": {"driver": "a"},
        "status": {"readyToUse": True},
    }

    await world.kube.create(DEFINITIONS, defined)
    await until_served(world, contents)
    made = await world.kube.create(contents, item)
    status = {"status": {"readyToUse": True}, "spec": {"driver": "b"}}
    ready = await world.kube.patch(f"{contents}/one/status", status)
    changed = await world.kube.patch(f"{contents}/one", {"spec": {"driver": "c"}})
    await world.kube.delete(f"{DEFINITIONS}/{defined['metadata']['name']}")
    await until_gone(world, contents)

    assert "status" not in made
    assert (ready["spec"], ready["status"]) == ({"driver": "a"}, {"readyToUse": True})
    assert [one["metadata"]["generation"] for one in (made, ready, changed)] == [1, 1, 2]


async def until_served(world: World, path: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await items(world.kube, path)
            except NotServed:
                await asyncio.sleep(0.05)
            else:
                return


async def until_gone(world: World, path: str) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await items(world.kube, path)
            except NotServed:
                return
            await asyncio.sleep(0.05)


async def test_what_is_listed_of_a_built_in_kind_does_not_repeat_the_kind(world: World) -> None:
    path = "/apis/storage.k8s.io/v1/volumeattachments"
    await world.kube.create(path, attachment(world.name()))
    try:
        found = await items(world.kube, path)
        read = await world.kube.get(f"{path}/{world.name()}")
    finally:
        await world.kube.delete(f"{path}/{world.name()}")

    (listed,) = [one for one in found if one["metadata"]["name"] == world.name()]
    assert "kind" not in listed
    assert read is not None
    assert read["kind"] == "VolumeAttachment"
