"""The roles that are shipped, on a real API server: they are enough, and no more than that."""

import asyncio

import pytest

from libs.core.ids import Nqn
from libs.kube.attachments import attachment_name
from libs.kube.client import KubeClient, open_kube
from libs.kube.errors import Forbidden
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from services.controller.adapters.cluster import ClusterOptions
from services.controller.adapters.cluster import open_kube_cluster as open_controllers
from services.node.adapters.cluster import open_kube_cluster as open_nodes
from services.node.ports import Reason
from tests.kube.cluster import Cluster
from tests.kube.shipped import DRIVER, NAMESPACE, SERVICES, VOLUME
from tests.waiting import PATIENCE

HOST = Nqn("nqn.2014-08.org.nvmexpress:worker-1")
LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
MAPS = f"/api/v1/namespaces/{NAMESPACE}/configmaps"


async def until_told(kube: KubeClient, reason: Reason) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            async for page in kube.list("/api/v1/namespaces/default/events"):
                if any(event["reason"] == reason.value for event in page.items):
                    return
            await asyncio.sleep(0.1)  # it is told in the background


@pytest.mark.usefixtures("admin")
async def test_the_controller_may_do_what_it_does(control_plane: Cluster) -> None:
    async with (
        open_kube(control_plane.kubeconfig_of("controller")) as kube,
        open_controllers(kube, ClusterOptions(DRIVER)) as cluster,
    ):
        claims = await cluster.of_volume(VOLUME)
        node = await cluster.node("worker-1")
        parameters = await cluster.parameters_of(VOLUME)
        await kube.patch(
            f"{PERSISTENT_VOLUMES}/{VOLUME}", {"metadata": {"annotations": {f"{DRIVER}/x": "y"}}}
        )

    assert [claim.node for claim in claims] == ["worker-1"]
    assert node is not None
    assert parameters == {}


async def test_the_node_plugin_may_do_what_it_does(
    admin: KubeClient, control_plane: Cluster
) -> None:
    async with (
        open_kube(control_plane.kubeconfig_of("node")) as kube,
        open_nodes(kube, DRIVER, "worker-1") as cluster,
    ):
        await cluster.announce(HOST)
        await cluster.mark_formatted(VOLUME, "ext4")
        marks = await cluster.read_marks(VOLUME)
        attachment = await cluster.attachment(VOLUME)
        cluster.tell(VOLUME, Reason.RECOVERED, "rights")
        await until_told(admin, Reason.RECOVERED)

    node = await admin.get(f"{NODES}/worker-1")
    assert node is not None
    assert node["metadata"]["annotations"][f"{DRIVER}/host-nqn"] == HOST.text
    assert marks is not None
    assert marks.formatted == "ext4"
    assert attachment is None


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ("controller", f"{VOLUME_ATTACHMENTS}/any"),
        ("controller", f"{PERSISTENT_VOLUMES}/{VOLUME}"),
        ("controller", f"{NODES}/worker-1"),
        ("node", f"{VOLUME_ATTACHMENTS}/any"),
        ("node", f"{PERSISTENT_VOLUMES}/{VOLUME}"),
        ("reconciler", f"{PERSISTENT_VOLUMES}/{VOLUME}"),
        ("reconciler", f"{NODES}/worker-1"),
        ("reconciler", f"{MAPS}/any"),
    ],
)
@pytest.mark.usefixtures("admin")
async def test_no_service_may_delete_what_is_not_its_own(
    control_plane: Cluster, service: str, path: str
) -> None:
    async with open_kube(control_plane.kubeconfig_of(service)) as kube:
        with pytest.raises(Forbidden):
            await kube.delete(path)


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.usefixtures("admin")
async def test_no_service_reads_secrets(control_plane: Cluster, service: str) -> None:
    async with open_kube(control_plane.kubeconfig_of(service)) as kube:
        with pytest.raises(Forbidden):
            await kube.get(f"/api/v1/namespaces/{NAMESPACE}/secrets/any")


async def test_the_reconciler_may_lead_remember_and_repair(
    admin: KubeClient, control_plane: Cluster
) -> None:
    async with open_kube(control_plane.kubeconfig_of("reconciler")) as kube:
        for path in (LEASES, MAPS):
            made = await kube.create(path, {"metadata": {"name": "rds-csi-reconciler"}})
            await kube.patch(f"{path}/rds-csi-reconciler", {"metadata": {"labels": {"a": "b"}}})
            assert made["metadata"]["uid"]
        name = attachment_name(VOLUME.text, DRIVER, "worker-1")
        await kube.patch(f"{VOLUME_ATTACHMENTS}/{name}", {"metadata": {"finalizers": []}})
        await kube.delete(f"{VOLUME_ATTACHMENTS}/{name}")

    assert await admin.get(f"{VOLUME_ATTACHMENTS}/{name}") is None
