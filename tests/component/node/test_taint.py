"""The taint that keeps pods from a node until the kubelet knows the driver there."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import Unreachable
from libs.kube.client import KubeClient, open_kube
from libs.kube.paths import CSI_NODES
from services.node.adapters.taint import clear_startup_taint
from tests.fakes.apiserver import NODES, ApiServer, running_api

DRIVER = "rds.csi.srvlab.io"
OURS = {"key": f"{DRIVER}/agent-not-ready", "effect": "NoExecute"}
OTHER = {"key": "example.com/reserved", "value": "yes", "effect": "NoSchedule"}


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api(tmp_path) as api:
        yield api


@pytest.fixture
async def kube(api: ApiServer) -> AsyncIterator[KubeClient]:
    async with open_kube(api.kubeconfig) as kube:
        yield kube


async def register(api: ApiServer, *drivers: str) -> None:
    listed = [{"name": name, "nodeID": "worker-1", "topologyKeys": None} for name in drivers]
    await api.put(CSI_NODES, {"metadata": {"name": "worker-1"}, "spec": {"drivers": listed}})


async def make_node(api: ApiServer, *taints: dict[str, Any]) -> None:
    await api.put(NODES, {"metadata": {"name": "worker-1"}, "spec": {"taints": list(taints)}})


def taints(api: ApiServer) -> list[dict[str, Any]]:
    return list(api.objects[NODES]["worker-1"]["spec"].get("taints") or [])


async def test_a_node_that_the_kubelet_has_registered_loses_the_taint_and_no_other(
    api: ApiServer, kube: KubeClient
) -> None:
    await make_node(api, OTHER, OURS)
    await register(api, "other.example.com", DRIVER)

    assert await clear_startup_taint(kube, DRIVER, "worker-1")

    assert taints(api) == [OTHER]


@pytest.mark.parametrize("drivers", [[], ["other.example.com"]])
async def test_the_taint_stays_until_the_kubelet_knows_the_driver(
    api: ApiServer, kube: KubeClient, drivers: list[str]
) -> None:
    await make_node(api, OURS)
    await register(api, *drivers)

    assert not await clear_startup_taint(kube, DRIVER, "worker-1")

    assert taints(api) == [OURS]


async def test_a_kubelet_that_has_registered_nothing_yet_is_waited_for(
    api: ApiServer, kube: KubeClient
) -> None:
    await make_node(api, OURS)

    assert not await clear_startup_taint(kube, DRIVER, "worker-1")


async def test_a_node_without_the_taint_is_left_alone(api: ApiServer, kube: KubeClient) -> None:
    await make_node(api, OTHER)
    await register(api, DRIVER)

    assert await clear_startup_taint(kube, DRIVER, "worker-1")

    assert taints(api) == [OTHER]
    assert not any(request.startswith("PATCH") for request in api.requests)


async def test_the_last_taint_goes_too(api: ApiServer, kube: KubeClient) -> None:
    await make_node(api, OURS)
    await register(api, DRIVER)

    assert await clear_startup_taint(kube, DRIVER, "worker-1")

    assert taints(api) == []


async def test_a_node_that_the_cluster_does_not_have_is_an_error(
    api: ApiServer, kube: KubeClient
) -> None:
    await register(api, DRIVER)

    with pytest.raises(Unreachable, match="the cluster has no node worker-1"):
        await clear_startup_taint(kube, DRIVER, "worker-1")
