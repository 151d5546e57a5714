"""Controller and reconciler on a real API server, with the rights that are shipped for them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from libs.kube.attachments import attachment_name
from libs.kube.client import KubeClient
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from services.reconciler.config import ReconcilerSettings
from tests.component.controller.rig import Rig, open_rig
from tests.component.reconciler.rig import FINALIZER, running_replica
from tests.kube.cluster import Cluster
from tests.kube.shipped import DRIVER, NAMESPACE

NAME = "pvc-00000000-0000-0000-0000-000000000099"
WORKERS = ("steady-1", "steady-2", "lost")


async def add_node(kube: KubeClient, name: str) -> None:
    await kube.create(NODES, {"metadata": {"name": name}})
    condition = {"type": "Ready", "status": "True", "reason": "Test", "message": "it is"}
    await kube.patch(f"{NODES}/{name}/status", {"status": {"conditions": [condition]}})


async def attach(kube: KubeClient, rig: Rig, node: str) -> str:
    """Do what Kubernetes and external-attacher do; return the VolumeAttachment's name."""
    name = attachment_name(NAME, DRIVER, node)
    spec = {
        "attacher": DRIVER,
        "nodeName": node,
        "source": {"persistentVolumeName": NAME},
    }
    metadata = {"name": name, "finalizers": [FINALIZER]}
    await kube.create(VOLUME_ATTACHMENTS, {"metadata": metadata, "spec": spec})
    await rig.publish(node, NAME)
    path = f"{VOLUME_ATTACHMENTS}/{name}"
    await kube.patch(f"{path}/status", {"status": {"attached": True}})
    return path


def reconciler_settings(path: Path, cluster: Cluster) -> ReconcilerSettings:
    return ReconcilerSettings(
        controller_endpoint=path / "admin.sock",
        admin_endpoint=path / "reconciler.sock",
        kubeconfig=cluster.kubeconfig_of("reconciler"),
        namespace=NAMESPACE,
        lease_seconds=4.0,
        lease_deadline=3.0,
        lease_retry=0.5,
        debounce=0.2,
        node_gone=0.5,
        stuck=0.5,
        drain_seconds=0.5,
    )


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_volume_of_a_node_that_is_gone_is_soon_attachable_elsewhere(
    admin: KubeClient, control_plane: Cluster, tmp_path: Path, *, restarted: bool
) -> None:
    changes: dict[str, Any] = {
        "attachments": "cluster",
        "kubeconfig": control_plane.kubeconfig_of("controller"),
        "admin_endpoint": tmp_path / "admin.sock",
    }
    async with open_rig(tmp_path, **changes) as rig:
        await rig.create(NAME)
        await prepare(admin)
        left = await attach(admin, rig, "lost")
        async with running_replica(reconciler_settings(tmp_path, control_plane)) as replica:
            while not await replica.leads():  # noqa: ASYNC110 (it is asked for over a socket)
                await asyncio.sleep(0.1)
            await admin.delete(f"{NODES}/lost")
            if restarted:
                await asyncio.to_thread(control_plane.restart_api)
            while await admin.get(left) is not None:  # noqa: ASYNC110 (the pytest limit holds)
                await asyncio.sleep(0.1)
            moved = await attach(admin, rig, "steady-1")
        await clear(admin, moved)
        await rig.unpublish("steady-1", NAME)

    assert moved != left


async def prepare(kube: KubeClient) -> None:
    """Make three nodes that are Ready, so that one lost is not the cluster's illness."""
    for worker in WORKERS:
        if await kube.get(f"{NODES}/{worker}") is None:
            await add_node(kube, worker)
    spec = {
        "capacity": {"storage": "1Gi"},
        "accessModes": ["ReadWriteOnce"],
        "csi": {"driver": DRIVER, "volumeHandle": NAME},
    }
    if await kube.get(f"{PERSISTENT_VOLUMES}/{NAME}") is None:
        await kube.create(PERSISTENT_VOLUMES, {"metadata": {"name": NAME}, "spec": spec})


async def clear(kube: KubeClient, path: str) -> None:
    await kube.delete(path)
    await kube.patch(path, {"metadata": {"finalizers": []}})
