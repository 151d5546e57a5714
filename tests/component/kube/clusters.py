"""The controller's adapter of the cluster, on an API server of a test's own."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from libs.core.ids import NodeId, VolumeId
from libs.kube.client import open_kube
from services.controller.adapters.cluster import ClusterOptions, KubeCluster, open_kube_cluster
from tests.fakes.apiserver import ATTACHMENTS, ApiServer, running_api
from tests.waiting import eventually

DRIVER = "rds.csi.srvlab.io"
ONE = VolumeId.parse("pvc-1")
WORKER = NodeId.parse("worker-1")


@contextlib.asynccontextmanager
async def open_world(path: Path, **options: Any) -> AsyncIterator[tuple[ApiServer, KubeCluster]]:
    async with (
        running_api(path) as api,
        open_kube(api.kubeconfig) as kube,
        open_kube_cluster(kube, ClusterOptions(DRIVER, **options)) as cluster,
    ):
        yield api, cluster


def volume(name: str, handle: str = "", **spec: Any) -> dict[str, Any]:
    csi = {"driver": DRIVER, "volumeHandle": handle or name}
    return {"metadata": {"name": name}, "spec": {"csi": csi, **spec}}


def listings(api: ApiServer) -> int:
    return api.requests.count(f"GET {ATTACHMENTS}")


async def known(cluster: KubeCluster) -> set[str]:
    volumes = [VolumeId.parse(f"pvc-{i}") for i in range(20)]
    held = await cluster.known_of(volumes)
    return {claim.node for claims in held.values() for claim in claims}


async def wait_for_nodes(cluster: KubeCluster, nodes: set[str]) -> None:
    async def are_known() -> bool:
        return await known(cluster) == nodes

    await eventually(are_known, f"{nodes} are known")
