"""The same servers through the Kubernetes client library, which knows nothing of ours."""

import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import kubernetes_asyncio.client
import pytest
from kubernetes_asyncio import config, watch
from kubernetes_asyncio.client.exceptions import ApiException

from tests.contract.kube.objects import FINALIZER, config_map
from tests.kube.worlds import World

client: Any = kubernetes_asyncio.client


@pytest.fixture
async def api(world: World) -> AsyncIterator[Any]:
    found = client.Configuration()
    await config.load_kube_config(str(world.kubeconfig), client_configuration=found)
    async with client.ApiClient(found) as api:
        yield api


def body_of(error: ApiException) -> Any:
    assert error.body is not None
    return json.loads(error.body)


async def test_typed_objects_come_back_as_they_were_sent(world: World, api: Any) -> None:
    leases = client.CoordinationV1Api(api)
    now = datetime(2026, 1, 1, 0, 0, 0, 123456, UTC)
    spec = client.V1LeaseSpec(holder_identity="a", lease_duration_seconds=15, renew_time=now)
    body = client.V1Lease(metadata=client.V1ObjectMeta(name="one"), spec=spec)

    await leases.create_namespaced_lease(world.namespace, body)
    read = await leases.read_namespaced_lease("one", world.namespace)

    assert read.spec.holder_identity == "a"
    assert read.spec.renew_time == now
    assert read.metadata.creation_timestamp.tzinfo is not None


async def test_a_refusal_is_a_status_that_the_library_can_read(world: World, api: Any) -> None:
    core = client.CoreV1Api(api)
    await core.create_namespaced_config_map(world.namespace, config_map("one"))

    with pytest.raises(ApiException) as missing:
        await core.read_namespaced_config_map("two", world.namespace)
    with pytest.raises(ApiException) as taken:
        await core.create_namespaced_config_map(world.namespace, config_map("one"))

    bodies = [body_of(caught.value) for caught in (missing, taken)]
    assert [body["reason"] for body in bodies] == ["NotFound", "AlreadyExists"]
    assert [body["code"] for body in bodies] == [404, 409]
    assert [body["details"]["kind"] for body in bodies] == ["configmaps", "configmaps"]
    assert [body["details"]["name"] for body in bodies] == ["two", "one"]


async def test_an_old_version_is_not_written_over_a_new_one(world: World, api: Any) -> None:
    core = client.CoreV1Api(api)
    old = await core.create_namespaced_config_map(world.namespace, config_map("one"))
    await core.patch_namespaced_config_map("one", world.namespace, {"data": {"a": "1"}})

    old.data = {"a": "2"}
    with pytest.raises(ApiException) as caught:
        await core.replace_namespaced_config_map("one", world.namespace, old)

    assert (caught.value.status, body_of(caught.value)["reason"]) == (409, "Conflict")


async def test_the_librarys_patches_are_strategic_or_by_steps(world: World, api: Any) -> None:
    core = client.CoreV1Api(api)
    await core.create_namespaced_config_map(
        world.namespace, config_map("one", finalizers=[FINALIZER])
    )
    more = {"metadata": {"finalizers": [FINALIZER + "-2"]}}

    both = await core.patch_namespaced_config_map("one", world.namespace, more)
    steps = [{"op": "replace", "path": "/metadata/finalizers", "value": []}]
    none = await core.patch_namespaced_config_map("one", world.namespace, steps)

    assert set(both.metadata.finalizers) == {FINALIZER, FINALIZER + "-2"}
    assert not none.metadata.finalizers


async def test_a_listing_in_pages_is_of_one_moment(world: World, api: Any) -> None:
    core = client.CoreV1Api(api)
    for i in range(5):
        await core.create_namespaced_config_map(
            world.namespace, config_map(f"map-{i}", labels={"of": "test"})
        )

    async def page(token: str | None) -> Any:
        return await core.list_namespaced_config_map(
            world.namespace, label_selector="of=test", limit=2, _continue=token
        )

    first = await page(None)
    await core.delete_namespaced_config_map("map-3", world.namespace)
    await core.create_namespaced_config_map(
        world.namespace, config_map("map-35", labels={"of": "test"})
    )
    second = await page(first.metadata._continue)  # noqa: SLF001 (the library calls it so)
    third = await page(second.metadata._continue)  # noqa: SLF001 (likewise)

    pages = [first, second, third]
    names = [[item.metadata.name for item in one.items] for one in pages]
    assert names == [["map-0", "map-1"], ["map-2", "map-3"], ["map-4"]]
    assert len({one.metadata.resource_version for one in pages}) == 1
    assert not third.metadata._continue  # noqa: SLF001 (likewise)


async def test_a_page_of_a_listing_that_is_forgotten_is_refused(world: World, api: Any) -> None:
    core = client.CoreV1Api(api)
    for i in range(3):
        await core.create_namespaced_config_map(world.namespace, config_map(f"map-{i}"))
    first = await core.list_namespaced_config_map(world.namespace, limit=1)
    await core.create_namespaced_config_map(world.namespace, config_map("later"))

    await world.forget()

    token = first.metadata._continue  # noqa: SLF001 (the library calls it so)
    with pytest.raises(ApiException) as caught:
        await core.list_namespaced_config_map(world.namespace, limit=1, _continue=token)
    assert (caught.value.status, body_of(caught.value)["reason"]) == (410, "Expired")


async def test_the_librarys_watch_tells_of_changes_by_selector(world: World, api: Any) -> None:
    core = client.CoreV1Api(api)
    space = world.namespace
    await core.create_namespaced_config_map(space, config_map("one", labels={"in": "yes"}))
    begin = (await core.list_namespaced_config_map(space)).metadata.resource_version
    await core.patch_namespaced_config_map("one", space, {"data": {"a": "1"}})
    await core.patch_namespaced_config_map("one", space, {"metadata": {"labels": {"in": "no"}}})
    await core.create_namespaced_config_map(space, config_map("two", labels={"in": "no"}))

    async with watch.Watch() as watching:
        stream = watching.stream(
            core.list_namespaced_config_map,
            space,
            label_selector="in=yes",
            resource_version=begin,
            timeout_seconds=1,
        )
        first, second = await anext(stream), await anext(stream)
    told = [(event["type"], event["object"].metadata.name) for event in (first, second)]

    assert told == [("MODIFIED", "one"), ("DELETED", "one")]


async def test_a_deletion_with_conditions_is_refused_where_they_do_not_hold(
    world: World, api: Any
) -> None:
    core = client.CoreV1Api(api)
    await core.create_namespaced_config_map(world.namespace, config_map("one"))
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="another"))

    with pytest.raises(ApiException) as caught:
        await core.delete_namespaced_config_map("one", world.namespace, body=options)
    done = await core.delete_namespaced_config_map("one", world.namespace)

    assert caught.value.status == 409
    assert done.status == "Success"


async def test_the_server_says_which_version_it_is(api: Any) -> None:
    version = await client.VersionApi(api).get_code()

    assert version.major == "1"
    assert version.git_version.startswith("v1.")
