"""Every right of a service is one that it uses, and it needs no others."""

from collections.abc import Sequence
from pathlib import Path

import pytest
import yaml

from libs.core.errors import Refused
from libs.core.ids import NodeId, Nqn, SnapshotId, VolumeId
from libs.kube.client import open_kube
from libs.kube.correlate import Reference
from libs.kube.events import open_events
from libs.mockkube.testing import NODES, TOKEN, VOLUMES, ApiServer, running_api
from protos.gen.rdscsi.reconciler import v1 as admin
from services.controller.adapters.cluster import ClusterOptions
from services.controller.adapters.cluster import open_kube_cluster as open_controllers
from services.controller.adapters.registry import KubeRegistry
from services.controller.adapters.telling import open_teller
from services.controller.happenings import ClaimName, NotProvided
from services.controller.ports import Grant
from services.node.adapters.cluster import open_kube_cluster as open_nodes
from tests.component.reconciler.rig import World, open_world, volume
from tests.k8s.render import K8S, Key, Object
from tests.k8s.stand_in import Asked, Recorder, granted, rules_of, serve_snapshots
from tests.waiting import until

DRIVER = "rds.csi.srvlab.io"
OWN = "kube-system"
"""The namespace that the rig of the reconciler works in."""
ONE = VolumeId.parse(volume(1))
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
CLASSES = "/apis/storage.k8s.io/v1/volumeattributesclasses"


def shipped() -> dict[Key, Object]:
    items = yaml.safe_load_all((K8S / "base" / "rbac-services.yaml").read_text())
    return {(item["kind"], item["metadata"]["name"]): item for item in items}


def recorder(service: str) -> Recorder:
    return Recorder(service, rules_of(shipped(), f"rds-csi-{service}", OWN))


def unused(account: Recorder) -> Sequence[Asked]:
    return sorted(granted(account.rules or ()) - account.asked)


async def tell_twice(api: ApiServer) -> None:
    """Post an event, and the same again, which is counted on the first."""
    about = Reference("v1", "PersistentVolume", ONE.text, uid="uid-1")
    async with open_kube(api.kubeconfig) as kube, open_events(kube, "rights", "here") as events:
        for count in (1, 2):
            events.post(about, "Rights", "it may", warning=False)
            await until(lambda: [e["count"] for e in api.events()][-1:] == [count])  # noqa: B023


async def add_volume(api: ApiServer) -> None:
    csi = {"driver": DRIVER, "volumeHandle": ONE.text}
    claim = {"namespace": "default", "name": "data"}
    spec = {"csi": csi, "claimRef": claim, "volumeAttributesClassName": "rds-gives-up"}
    await api.put(VOLUMES, {"metadata": {"name": ONE.text}, "spec": spec})
    await api.put(CLAIMS, {"metadata": {"name": "data", "namespace": "default"}, "spec": {}})
    parameters = {"driverName": DRIVER, "parameters": {"ctrlLossTmo": "600"}}
    await api.put(CLASSES, {"metadata": {"name": "rds-gives-up"}, **parameters})
    await api.put(NODES, {"metadata": {"name": "a"}})


async def test_the_controller(tmp_path: Path) -> None:
    account = recorder("controller")
    async with running_api(tmp_path, namespaces=("default",)) as api:
        await serve_snapshots(api)
        await add_volume(api)
        await api.attach(ONE.text, "a", DRIVER, attached=False)
        api.mock.accounts = {TOKEN: account}
        options = ClusterOptions(DRIVER, serialize_machines=True, annotate=True)
        async with (
            open_kube(api.kubeconfig) as kube,
            open_controllers(kube, options) as cluster,
            open_events(kube, "rights", "here") as events,
            open_teller(events, kube, lambda _: ()) as teller,
        ):
            claims = await cluster.of_volume(ONE, NodeId.parse("a"))
            await api.attach(volume(2), "a", DRIVER, attached=False)  # of one that is not known
            await cluster.list_claims()
            await cluster.node("unknown")
            await cluster.parameters_of(ONE)
            await cluster.machine_of(ONE)
            await cluster.record(
                ONE, NodeId.parse("a"), Grant(claims=tuple(one.id for one in claims))
            )
            await KubeRegistry(kube, DRIVER, cluster).referrers(SnapshotId.parse(f"snap-{'0' * 8}"))
            teller.saw(NotProvided("x", ClaimName("default", "data"), Refused("no")))
            await until(lambda: not missing_of_controller(account))
        await tell_twice(api)

    assert unused(account) == []


def missing_of_controller(account: Recorder) -> set[Asked]:
    """Return what it does in the background, and has not done yet."""
    awaited = {("", "persistentvolumes", "patch"), ("", "persistentvolumeclaims", "get")}
    return awaited - account.asked


async def test_the_node_plugin(tmp_path: Path) -> None:
    account = recorder("node")
    async with running_api(tmp_path, namespaces=("default",)) as api:
        await add_volume(api)
        own = {"metadata": {"name": "a"}, "spec": {"drivers": [{"name": DRIVER, "nodeID": "a"}]}}
        await api.put("/apis/storage.k8s.io/v1/csinodes", own)
        api.mock.accounts = {TOKEN: account}
        async with open_kube(api.kubeconfig) as kube, open_nodes(kube, DRIVER, "a") as cluster:
            await cluster.announce(Nqn("nqn.2014-08.org.nvmexpress:a"))
            await cluster.clear_startup_taint()
            await cluster.mark_formatted(ONE, "ext4")
            await cluster.attachment(ONE)
        await tell_twice(api)

    assert unused(account) == []


async def test_the_reconciler(tmp_path: Path) -> None:
    account = recorder("reconciler")
    async with open_world(tmp_path) as world:
        await serve_snapshots(world.api)
        drivers = "/apis/storage.k8s.io/v1/csidrivers"
        await world.api.put(drivers, {"metadata": {"name": DRIVER}, "spec": {}})
        world.api.mock.accounts = {TOKEN: account}
        await repair(world)
        await tell_twice(world.api)

    assert unused(account) == []


async def repair(world: World) -> None:
    """Have a node lose its volume, an orphan told of, and the reconciler paused."""
    await world.attached_volumes("a", 1)
    world.controller.volumes.append(volume(2))
    async with world.replica(orphan_grace=0.0, max_orphans_percent=100) as replica:
        await replica.run_pass()
        await until(lambda: bool(world.told("OrphanFound")))
        await world.delete_node("a")
        await until(lambda: bool(world.told("StaleAttachmentCleared")))
        await replica.stub.pause(admin.PauseRequest(reason="rights"))


@pytest.mark.parametrize("service", ["controller", "node", "reconciler"])
def test_a_right_that_nothing_uses_would_be_found(service: str) -> None:
    account = recorder(service)

    assert set(unused(account)) == granted(account.rules or ())
