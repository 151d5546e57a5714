"""Creating, patching and replacing: what an API server does, and what it refuses."""

from typing import Any

import pytest

from libs.kube.errors import Answered, ObjectChanged, ObjectExists, ObjectMissing
from tests.contract.kube.objects import (
    FINALIZER,
    config_map,
    lease,
    version_of,
)
from tests.kube.worlds import World


async def test_what_was_created_is_there_with_what_the_server_adds(world: World) -> None:
    made = await world.kube.create(world.maps, config_map("one") | {"data": {"a": "b"}})

    found = await world.kube.get(f"{world.maps}/one")

    assert found == made
    assert (found["kind"], found["apiVersion"]) == ("ConfigMap", "v1")
    assert found["data"] == {"a": "b"}
    assert {"uid", "resourceVersion", "creationTimestamp"} <= set(found["metadata"])
    assert found["metadata"]["namespace"] == world.namespace


async def test_a_name_is_taken_once(world: World) -> None:
    await world.kube.create(world.maps, config_map("one"))

    with pytest.raises(ObjectExists) as caught:
        await world.kube.create(world.maps, config_map("one"))

    assert "AlreadyExists" in caught.value.detail


async def test_a_name_can_be_made_up_by_the_server(world: World) -> None:
    item = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "map-"}}

    names = {(await world.kube.create(world.maps, item))["metadata"]["name"] for _ in range(3)}

    assert len(names) == 3
    assert all(name.startswith("map-") and len(name) > 4 for name in names)


REFUSED: list[tuple[dict[str, Any], int]] = [
    (config_map("Not A Name"), 422),
    (config_map(""), 422),
    (config_map("one", labels={"a": 1}), 400),
    (config_map("one", annotations={"not a key": "b"}), 422),
    (config_map("one", finalizers=["not a key"]), 422),
    (config_map("one", namespace="elsewhere"), 400),
    (config_map("one") | {"kind": "Secret"}, 400),
]


@pytest.mark.parametrize(("item", "status"), REFUSED)
async def test_what_is_not_well_formed_is_refused(
    world: World, item: dict[str, Any], status: int
) -> None:
    with pytest.raises(Answered) as caught:
        await world.kube.create(world.maps, item)

    assert caught.value.status == status


async def test_nothing_is_created_where_there_is_no_namespace(world: World) -> None:
    with pytest.raises(Answered) as caught:
        await world.kube.create("/api/v1/namespaces/nowhere/configmaps", config_map("one"))

    assert caught.value.status == 404


async def test_events_of_objects_of_the_cluster_belong_to_the_default_namespace(
    world: World,
) -> None:
    about = {"kind": "PersistentVolume", "name": "pvc-1", "apiVersion": "v1"}
    event = {"kind": "Event", "apiVersion": "v1", "involvedObject": about, "reason": "Tested"}
    name = {"metadata": {"name": world.name()}}

    with pytest.raises(Answered) as caught:
        await world.kube.create(f"/api/v1/namespaces/{world.namespace}/events", event | name)
    made = await world.kube.create("/api/v1/namespaces/default/events", event | name)
    await world.kube.delete(f"/api/v1/namespaces/default/events/{world.name()}")

    assert caught.value.status == 422
    assert made["involvedObject"]["name"] == "pvc-1"


# Merge patch


async def test_a_merge_patch_sets_and_takes_away_and_leaves_the_rest(world: World) -> None:
    await world.kube.create(world.maps, config_map("one") | {"data": {"a": "1", "b": "2"}})

    await world.kube.patch(f"{world.maps}/one", {"data": {"a": None, "c": "3"}})

    found = await world.kube.get(f"{world.maps}/one")
    assert found is not None
    assert found["data"] == {"b": "2", "c": "3"}


async def test_a_patch_with_a_version_holds_for_that_version_only(world: World) -> None:
    old = version_of(await world.kube.create(world.maps, config_map("one")))
    await world.kube.patch(f"{world.maps}/one", {"data": {"a": "1"}})

    change = {"metadata": {"resourceVersion": old}, "data": {"a": "2"}}
    with pytest.raises(ObjectChanged):
        await world.kube.patch(f"{world.maps}/one", change)

    found = await world.kube.get(f"{world.maps}/one")
    assert found is not None
    assert found["data"] == {"a": "1"}


async def test_a_patch_of_another_object_of_that_name_is_refused(world: World) -> None:
    await world.kube.create(world.maps, config_map("one"))

    with pytest.raises(Answered) as caught:
        await world.kube.patch(f"{world.maps}/one", {"metadata": {"uid": "another"}})

    assert caught.value.status in (409, 422)


async def test_a_patch_that_changes_nothing_is_no_change(world: World) -> None:
    made = await world.kube.create(world.maps, config_map("one") | {"data": {"a": "1"}})

    after = await world.kube.patch(f"{world.maps}/one", {"data": {"a": "1"}})

    assert version_of(after) == version_of(made)


async def test_what_is_not_there_cannot_be_changed(world: World) -> None:
    path = f"{world.maps}/missing"

    with pytest.raises(ObjectMissing):
        await world.kube.patch(path, {"data": {}})
    with pytest.raises(ObjectMissing):
        await world.kube.patch(path, [{"op": "remove", "path": "/data"}])
    with pytest.raises(ObjectMissing):
        await world.kube.replace(path, config_map("missing"))
    with pytest.raises(ObjectMissing):
        await world.kube.delete(path)


# JSON patch


async def test_the_steps_of_a_json_patch_are_made_in_order(world: World) -> None:
    item = config_map("one", annotations={"b/c": "2"}) | {"data": {"a": "1"}}
    await world.kube.create(world.maps, item)
    steps: list[dict[str, Any]] = [
        {"op": "test", "path": "/data/a", "value": "1"},
        {"op": "replace", "path": "/data/a", "value": "3"},
        {"op": "move", "from": "/metadata/annotations/b~1c", "path": "/data/d"},
        {"op": "copy", "from": "/data/a", "path": "/data/e"},
        {"op": "add", "path": "/metadata/finalizers", "value": [FINALIZER]},
        {"op": "add", "path": "/metadata/finalizers/-", "value": FINALIZER + "-2"},
        {"op": "remove", "path": "/metadata/finalizers/0"},
        {"op": "remove", "path": "/metadata/finalizers/0"},
    ]

    await world.kube.patch(f"{world.maps}/one", steps)

    found = await world.kube.get(f"{world.maps}/one")
    assert found is not None
    assert found["data"] == {"a": "3", "d": "2", "e": "3"}
    assert "finalizers" not in found["metadata"] or found["metadata"]["finalizers"] == []


UNFIT = [
    {"op": "test", "path": "/data/a", "value": "2"},
    {"op": "test", "path": "/data/b", "value": "2"},
    {"op": "remove", "path": "/data/b"},
    {"op": "add", "path": "/nowhere/b", "value": "2"},
]


@pytest.mark.parametrize("unfit", UNFIT)
async def test_a_json_patch_that_does_not_fit_changes_nothing(
    world: World, unfit: dict[str, str]
) -> None:
    await world.kube.create(world.maps, config_map("one") | {"data": {"a": "1"}})
    steps = [{"op": "replace", "path": "/data/a", "value": "9"}, unfit]
    if unfit["op"] == "test":
        steps.reverse()

    with pytest.raises(ObjectChanged):
        await world.kube.patch(f"{world.maps}/one", steps)

    found = await world.kube.get(f"{world.maps}/one")
    assert found is not None
    assert found["data"] == {"a": "1"}


# Replacing


async def test_an_object_is_replaced_as_it_was_read_or_not_at_all(world: World) -> None:
    first = await world.kube.create(world.maps, config_map("one"))
    second = await world.kube.replace(f"{world.maps}/one", first | {"data": {"a": "1"}})

    with pytest.raises(ObjectChanged):
        await world.kube.replace(f"{world.maps}/one", first | {"data": {"a": "2"}})

    assert await world.kube.get(f"{world.maps}/one") == second


async def test_only_some_kinds_are_replaced_without_a_version(world: World) -> None:
    await world.kube.create(world.maps, config_map("one"))
    await world.kube.create(world.leases, lease("one", holderIdentity="a"))

    after = await world.kube.replace(f"{world.maps}/one", config_map("one") | {"data": {"a": "1"}})
    with pytest.raises(Answered) as caught:
        await world.kube.replace(f"{world.leases}/one", lease("one", holderIdentity="b"))

    assert after["data"] == {"a": "1"}
    assert caught.value.status == 422
