"""What the client makes of the API server's answers to changes."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.core.errors import Unreachable
from libs.kube.client import KubeClient, open_kube
from libs.kube.errors import Answered, Forbidden, ObjectChanged, ObjectExists, ObjectMissing
from tests.fakes.apiserver import NODES, ApiServer, running_api

MAPS = "/api/v1/namespaces/default/configmaps"
ITEM = {"kind": "ConfigMap", "metadata": {"name": "one"}}
CHANGE = {"metadata": {"annotations": {"a": "b"}}}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api(tmp_path) as api:
        await api.put(NODES, {"metadata": {"name": "worker-1"}})
        yield api


@pytest.fixture
async def kube(api: ApiServer) -> AsyncIterator[KubeClient]:
    async with open_kube(api.kubeconfig) as kube:
        yield kube


async def test_an_object_that_was_created_is_there(api: ApiServer, kube: KubeClient) -> None:
    await kube.create(MAPS, ITEM)

    assert list(api.objects[MAPS]) == ["one"]


async def test_an_object_that_is_there_already_is_told_apart(kube: KubeClient) -> None:
    await kube.create(MAPS, ITEM)

    with pytest.raises(ObjectExists):
        await kube.create(MAPS, ITEM)


async def test_an_object_that_the_server_refuses_is_unreachable(kube: KubeClient) -> None:
    with pytest.raises(Answered, match="answered 422 to create") as caught:
        await kube.create(MAPS, {"metadata": {"name": "Not A Name"}})

    assert "Invalid" in caught.value.detail


async def test_a_change_to_what_is_not_there_is_told_apart(kube: KubeClient) -> None:
    with pytest.raises(ObjectMissing):
        await kube.patch(f"{NODES}/worker-9", CHANGE)


async def test_a_change_to_what_has_changed_since_is_told_apart(
    api: ApiServer, kube: KubeClient
) -> None:
    await kube.patch(f"{NODES}/worker-1", CHANGE)
    change = {"metadata": {"resourceVersion": "1", "annotations": {"a": "c"}}}

    with pytest.raises(ObjectChanged):
        await kube.patch(f"{NODES}/worker-1", change)

    assert api.objects[NODES]["worker-1"]["metadata"]["annotations"] == {"a": "b"}


async def test_what_rbac_forbids_is_named(api: ApiServer, kube: KubeClient) -> None:
    api.refusals = {"POST": 403, "PATCH": 403, "GET": 403}
    node = f"{NODES}/worker-1"

    with pytest.raises(Forbidden, match=f"403 to create {MAPS}: RBAC"):
        await kube.create(MAPS, ITEM)
    with pytest.raises(Forbidden, match=f"403 to patch {node}: RBAC"):
        await kube.patch(node, CHANGE)
    with pytest.raises(Forbidden, match=f"403 to get {node}: RBAC"):
        await kube.get(node)
    with pytest.raises(Forbidden, match=f"403 to list {NODES}: RBAC"):
        _ = [page async for page in kube.list(NODES)]
    with pytest.raises(Forbidden, match=f"403 to watch {NODES}: RBAC"):
        _ = [event async for event in kube.watch(NODES, "1")]


async def test_a_change_whose_answer_is_lost_is_unreachable(
    api: ApiServer, kube: KubeClient
) -> None:
    api.lost = 1

    with pytest.raises(Unreachable, match="does not answer"):
        await kube.create(MAPS, ITEM)

    assert list(api.objects[MAPS]) == ["one"]


async def test_a_redirection_is_not_followed(
    api: ApiServer, kube: KubeClient, tmp_path: Path
) -> None:
    async with running_api(tmp_path) as other:
        api.elsewhere = f"http://127.0.0.1:{other.port}{NODES}/worker-1"

        with pytest.raises(Answered, match="answered 302 to get"):
            await kube.get(f"{NODES}/worker-1")

        assert other.tokens == []


async def test_an_answer_that_is_no_text_is_unreachable(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        api.broken = (200, "\x00\udcff".encode(errors="surrogateescape").decode("latin-1"))

        with pytest.raises(Unreachable, match="answered 200 to get"):
            await kube.get(f"{NODES}/worker-1")
