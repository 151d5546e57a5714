"""What is shipped, on a real API server: it takes every field, and the services live on it.

The server is of 1.20. What it does not know yet is named below, kind by kind and field by field; a
field that it drops and that is not named is a mistake in a manifest.
"""

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from libs.core.ids import Nqn, VolumeId
from libs.kube.client import KubeClient, open_kube
from libs.kube.paths import NODES
from libs.mockkube.testing import render_kubeconfig
from services.node.adapters.cluster import open_kube_cluster as open_nodes
from tests.component.controller.rig import open_rig
from tests.component.reconciler.rig import running_replica
from tests.k8s.render import Key, Object, overlay
from tests.kube.cluster import Cluster, running_cluster
from tests.kube.shipped import DRIVER, NAMESPACE, SERVICES
from tests.kube.test_repair import (
    NAME,
    attach,
    prepare,
    reconciler_settings,
)
from tests.kube.worlds import need_control_plane

NOT_SERVED = {
    "PodDisruptionBudget": "policy/v1 came with 1.21",
    "ValidatingAdmissionPolicy": "admissionregistration.k8s.io/v1 has it since 1.30",
    "ValidatingAdmissionPolicyBinding": "likewise",
    "VolumeAttributesClass": "storage.k8s.io/v1 has it since 1.34",
    "VolumeSnapshotClass": "its definition comes with the snapshot controller",
    "Certificate": "its definition comes with cert-manager",
    "Issuer": "its definition comes with cert-manager",
}

DROPPED = {
    ("CSIDriver", "spec.seLinuxMount"): "1.25",
    ("CSIDriver", "spec.storageCapacity"): "1.21",
    ("NetworkPolicy", "spec.ingress.ports.endPort"): "1.21",
    ("Deployment", "spec.template.spec.topologySpreadConstraints.matchLabelKeys"): "1.25",
}

CLUSTER = frozenset(
    {"Namespace", "ClusterRole", "ClusterRoleBinding", "StorageClass", "CSIDriver"},
)


def path_of(item: Object) -> str:
    """Return the collection of an object."""
    api, kind = item["apiVersion"], item["kind"].lower()
    base = f"/apis/{api}" if "/" in api else f"/api/{api}"
    place = "" if item["kind"] in CLUSTER else f"/namespaces/{item['metadata']['namespace']}"
    plural = kind[:-1] + "ies" if kind.endswith("y") else f"{kind}{'es' * kind.endswith('s')}"
    return f"{base}{place}/{plural if plural != kind else kind + 's'}"


def dropped(sent: Any, kept: Any, place: str = "") -> Iterator[str]:
    """Yield the fields that were sent and are not there."""
    if isinstance(sent, dict):
        for key, value in sent.items():
            where = f"{place}.{key}".lstrip(".")
            if not isinstance(kept, dict) or key not in kept:
                # What is empty may be left out.
                if value not in ({}, [], "", None, False):
                    yield where
            else:
                yield from dropped(value, kept[key], where)
    elif isinstance(sent, list) and isinstance(kept, list) and len(sent) == len(kept):
        for one, other in zip(sent, kept, strict=True):
            yield from dropped(one, other, place)
    elif sent != kept and not isinstance(sent, int | str):
        yield place


@pytest.fixture(scope="module")
def shipped_plane() -> Iterator[Cluster]:
    need_control_plane()
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def found() -> dict[Key, Object]:
    return overlay("ha")


@pytest.fixture
async def shipper(shipped_plane: Cluster) -> AsyncIterator[KubeClient]:
    async with open_kube(shipped_plane.kubeconfig) as kube:
        yield kube


async def apply(kube: KubeClient, found: dict[Key, Object]) -> dict[Key, Object]:
    """Make what the server serves, or find it made; return it as it is there."""
    kept = {}
    order = sorted(found, key=lambda key: key[0] != "Namespace")
    for key in order:
        if key[0] in NOT_SERVED:
            continue
        item = found[key]
        path = path_of(item)
        there = await kube.get(f"{path}/{key[1]}")
        kept[key] = there if there is not None else await kube.create(path, item)
    return kept


async def account(kube: KubeClient, cluster: Cluster, service: str) -> Path:
    """Return the kubeconfig of a service's account, with a token such as pods have."""
    place = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/rds-csi-{service}/token"
    request = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {"audiences": ["https://kubernetes.default.svc"], "expirationSeconds": 3600},
    }
    token = (await kube.create(place, request))["status"]["token"]
    path = cluster.directory / f"account-{service}"
    path.write_text(json.dumps(render_kubeconfig(cluster.url, token, str(cluster.authority))))
    return path


async def test_the_server_takes_every_field(shipper: KubeClient, found: dict[Key, Object]) -> None:
    kept = await apply(shipper, found)

    lost = {(key[0], where) for key, item in kept.items() for where in dropped(found[key], item)}
    assert lost == set(DROPPED)
    assert {kind for kind, _ in found} - {kind for kind, _ in kept} == set(NOT_SERVED)


async def test_every_account_has_a_token_that_counts_and_reads_no_secrets(
    shipper: KubeClient, shipped_plane: Cluster, found: dict[Key, Object]
) -> None:
    await apply(shipper, found)
    for service in SERVICES:
        path = await account(shipper, shipped_plane, service)
        async with open_kube(path) as kube:
            review = await kube.create(
                "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                {
                    "spec": {
                        "resourceAttributes": {
                            "namespace": NAMESPACE,
                            "verb": "get",
                            "resource": "secrets",
                        }
                    }
                },
            )

        assert review["status"]["allowed"] is False


async def test_controller_and_reconciler_repair_with_the_accounts_that_are_shipped(
    shipper: KubeClient, shipped_plane: Cluster, found: dict[Key, Object], tmp_path: Path
) -> None:
    await apply(shipper, found)
    await prepare(shipper)
    changes: dict[str, Any] = {
        "attachments": "cluster",
        "kubeconfig": await account(shipper, shipped_plane, "controller"),
        "admin_endpoint": tmp_path / "admin.sock",
    }
    settings = dataclasses.replace(
        reconciler_settings(tmp_path, shipped_plane),
        kubeconfig=await account(shipper, shipped_plane, "reconciler"),
    )
    async with open_rig(tmp_path, **changes) as rig, running_replica(settings) as replica:
        await rig.create(NAME)
        left = await attach(shipper, rig, "lost")
        await until(replica.leads)

        await shipper.delete(f"{NODES}/lost")
        await until(lambda: is_gone(shipper, left))

    lease = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rds-csi-reconciler"
    assert await shipper.get(lease) is not None


async def test_the_node_plugin_does_its_work_with_the_account_that_is_shipped(
    shipper: KubeClient, shipped_plane: Cluster, found: dict[Key, Object]
) -> None:
    await apply(shipper, found)
    await prepare(shipper)
    taint = {"key": f"{DRIVER}/agent-not-ready", "effect": "NoSchedule"}
    await shipper.patch(f"{NODES}/steady-2", {"spec": {"taints": [taint]}})
    drivers = [{"name": DRIVER, "nodeID": "steady-2"}]
    own = {"metadata": {"name": "steady-2"}, "spec": {"drivers": drivers}}
    await shipper.create("/apis/storage.k8s.io/v1/csinodes", own)
    volume = VolumeId.parse(NAME)
    async with (
        open_kube(await account(shipper, shipped_plane, "node")) as kube,
        open_nodes(kube, DRIVER, "steady-2") as plugin,
    ):
        await plugin.announce(Nqn("nqn.2014-08.org.nvmexpress:steady-2"))
        await plugin.mark_formatted(volume, "ext4")
        cleared = await plugin.clear_startup_taint()
        attachment = await plugin.attachment(volume)

    node = await shipper.get(f"{NODES}/steady-2")
    assert node is not None
    assert f"{DRIVER}/host-nqn" in node["metadata"]["annotations"]
    assert cleared
    assert taint["key"] not in {one["key"] for one in node["spec"].get("taints", ())}
    assert attachment is None


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(40):
        while not await condition():  # noqa: ASYNC110 (it is asked for over a socket)
            await asyncio.sleep(0.1)


async def is_gone(kube: KubeClient, path: str) -> bool:
    return await kube.get(path) is None
