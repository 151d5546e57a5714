"""The node's adapter of the cluster, on an API server of a test's own."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.core.ids import Nqn, VolumeId
from libs.kube.attachments import attachment_name
from libs.kube.client import open_kube
from services.node.adapters.cluster import KubeCluster, open_kube_cluster
from tests.fakes.apiserver import NODES, VOLUMES, ApiServer, running_api

DRIVER = "rds.csi.srvlab.io"
NAME = "pvc-00000000-0000-0000-0000-000000000001"
ONE = VolumeId.parse(NAME)
HOST = Nqn.parse("nqn.2014-08.org.nvmexpress:uuid:1")
NODE = f"{NODES}/worker-1"
VOLUME = f"{VOLUMES}/{NAME}"


def volume(name: str = NAME, handle: str = "", **fields: Any) -> dict[str, Any]:
    csi = {"driver": fields.pop("driver", DRIVER), "volumeHandle": handle or name}
    metadata = {"name": name, "uid": f"uid-of-{name}", **fields.pop("metadata", {})}
    return {"metadata": metadata, "spec": {"csi": csi, **fields}}


def attachment(handle: str = NAME) -> dict[str, Any]:
    """Return what says that a volume is attached to this node."""
    name = attachment_name(handle, DRIVER, "worker-1")
    return {"metadata": {"name": name, "uid": f"uid-of-{name}"}, "status": {"attached": True}}


@dataclass
class World:
    api: ApiServer
    cluster: KubeCluster
    may_try_again: asyncio.Event

    def annotations(self, path: str) -> dict[str, str]:
        collection, _, name = path.rpartition("/")
        found: dict[str, str] = self.api.objects[collection][name]["metadata"]["annotations"]
        return found

    def asked(self, begin: str) -> int:
        return sum(request.startswith(begin) for request in self.api.requests)


@contextlib.asynccontextmanager
async def open_world(path: Path) -> AsyncIterator[World]:
    may_try_again = asyncio.Event()
    may_try_again.set()

    async def pause(_: float) -> None:
        await may_try_again.wait()

    async with (
        running_api(path) as api,
        open_kube(api.kubeconfig) as kube,
        open_kube_cluster(kube, DRIVER, "worker-1", sleep=pause) as cluster,
    ):
        await api.put(NODES, {"metadata": {"name": "worker-1"}})
        yield World(api, cluster, may_try_again)
