"""The control plane that the tests start: it is whole, and nothing of it is left."""

import asyncio
import socket
from collections.abc import Iterator

import pytest

from libs.kube.client import KubeClient, open_kube
from tests.kube.cluster import Cluster, running_cluster
from tests.kube.worlds import need_control_plane


@pytest.fixture(scope="module")
def control_plane() -> Iterator[Cluster]:
    need_control_plane()
    with running_cluster(["kube-controller-manager", "kube-scheduler"]) as cluster:
        yield cluster


async def until_gone(kube: KubeClient, path: str) -> None:
    async with asyncio.timeout(45):
        while await kube.get(path) is not None:  # noqa: ASYNC110 (it has no event to wait for)
            await asyncio.sleep(0.1)


async def test_a_namespace_that_is_deleted_takes_along_what_is_in_it(
    control_plane: Cluster,
) -> None:
    async with open_kube(control_plane.kubeconfig) as kube:
        await kube.create("/api/v1/namespaces", {"metadata": {"name": "going"}})
        maps = "/api/v1/namespaces/going/configmaps"
        await kube.create(maps, {"metadata": {"name": "one"}})

        await kube.delete("/api/v1/namespaces/going")

        await until_gone(kube, f"{maps}/one")
        await until_gone(kube, "/api/v1/namespaces/going")


async def test_a_volume_that_nobody_uses_goes_when_its_protection_is_lifted(
    control_plane: Cluster,
) -> None:
    volumes = "/api/v1/persistentvolumes"
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "csi": {"driver": "rds.csi.srvlab.io", "volumeHandle": "pvc-1"},
    }
    async with open_kube(control_plane.kubeconfig) as kube:
        made = await kube.create(volumes, {"metadata": {"name": "pvc-1"}, "spec": spec})

        await kube.delete(f"{volumes}/pvc-1")

        assert made["metadata"]["finalizers"] == ["kubernetes.io/pv-protection"]
        await until_gone(kube, f"{volumes}/pvc-1")


def test_nothing_is_left_when_it_is_over() -> None:
    need_control_plane()
    with running_cluster() as cluster:
        directory, port = cluster.directory, cluster.port

    assert not directory.exists()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", port)) != 0
