"""What a Node object has to say of a node is settled again when it was made anew."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from libs.core.ids import Nqn
from libs.kube.client import open_kube
from libs.kube.paths import CSI_NODES
from protos.gen.csi import v1 as csi
from services.node.adapters.cluster import KubeCluster, NoCluster, open_kube_cluster
from services.node.workflow.standing import open_standing
from tests.component.node.rig import open_rig
from tests.fakes.apiserver import NODES, ApiServer, running_api
from tests.waiting import PATIENCE, until

DRIVER = "rds.csi.srvlab.io"
HOST = Nqn.parse("nqn.2014-08.org.nvmexpress:uuid:1")
TAINT = {"key": f"{DRIVER}/agent-not-ready", "effect": "NoSchedule"}
SHORT = (0.01,)


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api(tmp_path) as api:
        drivers = [{"name": DRIVER, "nodeID": "worker-1", "topologyKeys": None}]
        await api.put(CSI_NODES, {"metadata": {"name": "worker-1"}, "spec": {"drivers": drivers}})
        await register(api)
        yield api


@pytest.fixture
async def cluster(api: ApiServer) -> AsyncIterator[KubeCluster]:
    async with (
        open_kube(api.kubeconfig) as kube,
        open_kube_cluster(kube, DRIVER, "worker-1") as cluster,
    ):
        yield cluster


async def register(api: ApiServer) -> None:
    """Make the Node as a kubelet does that is started with --register-with-taints."""
    await api.put(NODES, {"metadata": {"name": "worker-1"}, "spec": {"taints": [TAINT]}})


def node(api: ApiServer) -> dict[str, Any]:
    return dict(api.objects[NODES]["worker-1"])


def is_settled(api: ApiServer) -> bool:
    annotations = node(api)["metadata"].get("annotations") or {}
    return annotations.get(f"{DRIVER}/host-nqn") == HOST.text and is_untainted(api)


def is_untainted(api: ApiServer) -> bool:
    return not node(api)["spec"].get("taints")


async def test_a_node_object_that_was_made_anew_gets_the_host_nqn_and_loses_the_taint(
    api: ApiServer, cluster: KubeCluster
) -> None:
    async with open_standing(cluster, HOST, SHORT) as standing:
        standing.renew()
        await until(lambda: is_settled(api))
        await api.remove(NODES, "worker-1")
        await register(api)
        before = is_settled(api)

        standing.renew()

        await until(lambda: is_settled(api))
    assert not before


async def test_a_node_object_that_is_not_there_yet_is_waited_for(
    api: ApiServer, cluster: KubeCluster
) -> None:
    await api.remove(NODES, "worker-1")
    async with open_standing(cluster, HOST, SHORT) as standing:
        standing.renew()
        asked = f"GET {NODES}/worker-1"
        await until(lambda: sum(each.startswith(asked) for each in api.requests) > 2)

        await register(api)

        await until(lambda: is_settled(api))


async def test_a_kubelet_that_registers_the_driver_has_the_node_settled_again(
    api: ApiServer, cluster: KubeCluster, host: Path
) -> None:
    async with open_rig(host, cluster=cluster) as rig:
        await until(lambda: is_untainted(api))
        await api.remove(NODES, "worker-1")
        await register(api)

        await rig.node.node_get_info(csi.NodeGetInfoRequest())

        await until(lambda: is_untainted(api))


class Mistaken(NoCluster):
    """A cluster whose answer a bug cannot read at first."""

    def __init__(self) -> None:
        self.is_cleared = asyncio.Event()
        self.tries = 0

    async def clear_startup_taint(self) -> bool:
        self.tries += 1
        if self.tries == 1:
            raise KeyError("metadata")
        self.is_cleared.set()
        return True


async def test_a_bug_does_not_end_the_tries_to_take_the_taint_away(host: Path) -> None:
    cluster = Mistaken()

    async with open_rig(host, cluster=cluster), asyncio.timeout(PATIENCE):
        await cluster.is_cleared.wait()

    assert cluster.tries == 2
