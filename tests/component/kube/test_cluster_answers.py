"""What the controller's adapter reads and writes beside claims, and answers that are none."""

from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import Unreachable
from libs.core.ids import VolumeId
from libs.kube.client import open_kube
from services.controller.adapters.cluster import ClusterOptions, KubeCluster
from services.controller.ports import Grant
from tests.component.kube.clusters import DRIVER, ONE, WORKER, open_world, volume, wait_for_nodes
from tests.fakes.apiserver import NODES, VOLUMES, running_api
from tests.waiting import until


async def test_who_holds_a_volume_is_written_for_people(tmp_path: Path) -> None:
    async with open_world(tmp_path, annotate=True) as (api, cluster):
        await api.put(VOLUMES, volume("data", "pvc-1"))
        await api.attach("data", "worker-1", DRIVER, attached=True)
        await wait_for_nodes(cluster, {"worker-1"})

        def metadata() -> dict[str, Any]:
            found: dict[str, Any] = api.objects[VOLUMES]["data"]["metadata"]
            return found

        await cluster.record(ONE, WORKER, Grant())
        await until(lambda: "annotations" in metadata())
        written = dict(metadata()["annotations"])
        await cluster.forget(ONE, WORKER)
        await until(lambda: metadata()["annotations"] == {})

        assert written[f"{DRIVER}/attached-node"] == "worker-1"
        assert f"{DRIVER}/attached-at" in written


async def test_the_parameters_in_force_are_those_of_the_attributes_class(tmp_path: Path) -> None:
    classes = "/apis/storage.k8s.io/v1beta1/volumeattributesclasses"
    async with open_world(tmp_path) as (api, cluster):
        fast = {"metadata": {"name": "fast"}, "parameters": {"ctrlLossTmo": "60"}}
        await api.put(classes, fast)
        await api.put(VOLUMES, volume("pvc-1", volumeAttributesClassName="fast"))
        await until(lambda: cluster._volumes.get("pvc-1") is not None)  # noqa: SLF001

        parameters = await cluster.parameters_of(ONE)

        assert parameters == {"ctrlLossTmo": "60"}


async def test_the_machine_of_a_volume_is_found_by_its_pod(tmp_path: Path) -> None:
    pods = "/api/v1/namespaces/vms/pods"
    owner = {"kind": "VirtualMachineInstance", "name": "web"}
    claim = {"persistentVolumeClaim": {"claimName": "disk"}}
    async with open_world(tmp_path, serialize_machines=True) as (api, cluster):
        labels = {"kubevirt.io": "virt-launcher"}
        metadata = {"name": "virt-launcher-1", "labels": labels, "ownerReferences": [owner]}
        await api.put(pods, {"metadata": metadata, "spec": {"volumes": [{}, claim]}})
        bound = {"namespace": "vms", "name": "disk"}
        await api.put(VOLUMES, volume("pvc-1", claimRef=bound))
        await api.put(VOLUMES, volume("pvc-2", claimRef={"namespace": "vms", "name": "other"}))
        await until(lambda: cluster._volumes.get("pvc-2") is not None)  # noqa: SLF001

        machine = await cluster.machine_of(ONE)
        none = await cluster.machine_of(VolumeId.parse("pvc-2"))

        assert (machine, none) == ("vms/web", "")


async def test_a_node_that_the_watch_has_not_told_of_is_asked_for(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        api.frozen.add(NODES)
        await api.put(NODES, {"metadata": {"name": "worker-7"}})

        assert await cluster.node("worker-7") is not None
        assert await cluster.node("worker-8") is None


BROKEN = [(500, "oops"), (403, '{"kind": "Status"}'), (200, "not json"), (200, "[]"), (200, "{}")]


@pytest.mark.parametrize("broken", BROKEN)
async def test_an_answer_that_is_no_listing_is_never_taken_for_an_empty_one(
    tmp_path: Path, broken: tuple[int, str]
) -> None:
    async with open_world(tmp_path) as (api, cluster):
        api.broken = broken

        with pytest.raises(Unreachable, match="Kubernetes API answered"):
            await cluster.of_volume(ONE)


@pytest.mark.parametrize("broken", [(500, "oops"), (404, "not json"), (403, "{}")])
async def test_a_node_is_missing_only_when_the_api_says_so(
    tmp_path: Path, broken: tuple[int, str]
) -> None:
    async with open_world(tmp_path) as (api, cluster):
        api.broken = broken

        with pytest.raises(Unreachable):
            await cluster.node("worker-1")


async def test_an_api_server_that_is_away_at_the_start_is_unreachable(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        pass
    async with open_kube(api.kubeconfig) as kube:
        cluster = KubeCluster(kube, ClusterOptions(DRIVER))

        with pytest.raises(Unreachable, match="does not answer"):
            await cluster.known_of([ONE])


async def test_requests_carry_the_token_of_the_configuration(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await cluster.of_volume(ONE)

        assert set(api.tokens) == {"Bearer token-1"}


async def test_without_a_configuration_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no access to Kubernetes from the file"):
        async with open_kube(tmp_path / "missing"):
            pass
    with pytest.raises(Unreachable, match="from a pod's service account"):
        async with open_kube(None):
            pass
