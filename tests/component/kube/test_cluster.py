"""The cluster's adapter against an API server that lags, breaks off and forgets."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import Unreachable
from libs.core.ids import NodeId, VolumeId
from libs.kube.client import open_kube
from services.controller.adapters.cluster import ClusterOptions, KubeCluster, open_kube_cluster
from services.controller.ports import Grant
from tests.fakes.apiserver import ATTACHMENTS, NODES, VOLUMES, ApiServer, running_api

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


async def until(condition: Callable[[], bool]) -> None:
    """Wait for something that a watch or another request has to bring about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (it has no event to wait for)
            await asyncio.sleep(0.01)


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
    async with asyncio.timeout(10):
        while await known(cluster) != nodes:  # noqa: ASYNC110 (it has no event to wait for)
            await asyncio.sleep(0.01)


async def test_publishing_many_volumes_costs_no_listing_each(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        for i in range(20):
            await api.attach(f"pvc-{i}", "worker-1", DRIVER, attached=False)
        await wait_for_nodes(cluster, {"worker-1"})
        await until(lambda: len(list(cluster._attachments.values())) == 20)  # noqa: SLF001
        before = listings(api)

        for i in range(20):
            assert len(await cluster.of_volume(VolumeId.parse(f"pvc-{i}"), WORKER)) == 1

        assert listings(api) == before


async def test_a_claim_that_the_watch_has_not_told_of_is_read(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        api.frozen.add(ATTACHMENTS)
        await api.attach("pvc-1", "worker-2", DRIVER, attached=True)
        await api.attach("pvc-1", "worker-1", DRIVER, attached=False)

        held = await cluster.of_volume(ONE, WORKER)

        assert {claim.node for claim in held} == {"worker-1", "worker-2"}


async def test_who_asks_at_the_same_time_shares_a_listing_that_began_afterwards(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (api, cluster):
        before = listings(api)

        await asyncio.gather(*(cluster.of_volume(ONE) for _ in range(50)))

        assert listings(api) - before <= 2


async def test_an_earlier_claim_of_the_same_node_is_not_taken_for_the_one_it_has_now(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.attach("pvc-1", "worker-1", DRIVER, attached=True)
        await wait_for_nodes(cluster, {"worker-1"})
        api.frozen.add(ATTACHMENTS)
        await api.detach("pvc-1", "worker-1")
        await api.attach("pvc-1", "worker-2", DRIVER, attached=True)
        await api.attach("pvc-1", "worker-1", DRIVER, attached=False)

        held = {claim.node: claim.attached for claim in await cluster.of_volume(ONE, WORKER)}

        assert held == {"worker-1": False, "worker-2": True}


async def test_a_long_listing_is_read_page_by_page_to_its_end(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        api.frozen.add(ATTACHMENTS)
        for i in range(1001):
            await api.attach(f"pvc-{i}", f"n{i}", DRIVER, attached=True)

        (last,) = await cluster.of_volume(VolumeId.parse("pvc-1000"))

        assert last.node == "n1000"


async def test_one_odd_object_does_not_keep_the_others_from_being_known(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.put(VOLUMES, {"metadata": {"name": "odd"}, "spec": {"csi": []}})
        await api.put(VOLUMES, {"metadata": {"name": "bad"}, "spec": {"csi": [1]}})
        await api.put(VOLUMES, volume("data", "pvc-1"))
        await api.attach("data", "worker-1", DRIVER, attached=True)

        await wait_for_nodes(cluster, {"worker-1"})


async def test_a_claim_counts_though_its_volume_is_gone_whatever_device_it_was_on(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.attach("csi-data", "worker-1", DRIVER, attached=True)
        there = VolumeId.from_name("csi-data", device="rack2")

        (fresh,) = await cluster.of_volume(there)

        assert fresh.node == "worker-1"


@pytest.mark.parametrize("text", ["nqn.2014-08.org.a:1,nqn.2014-08.org.a:2", "x y"])
async def test_a_host_nqn_that_is_none_is_not_passed_on(tmp_path: Path, text: str) -> None:
    async with open_world(tmp_path) as (api, cluster):
        annotations = {f"{DRIVER}/host-nqn": text}
        await api.put(NODES, {"metadata": {"name": "worker-1", "annotations": annotations}})

        node = await cluster.node("worker-1")

        assert node is not None
        assert node.host_nqn == ""


async def test_two_nodes_with_one_host_nqn_have_none(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        annotations = {f"{DRIVER}/host-nqn": "nqn.2014-08.org.a:1"}
        for name in ("worker-1", "worker-2"):
            await api.put(NODES, {"metadata": {"name": name, "annotations": annotations}})
        await until(lambda: len(list(cluster._nodes.values())) == 2)  # noqa: SLF001

        node = await cluster.node("worker-1")

        assert node is not None
        assert node.host_nqn == ""


async def test_a_watch_that_is_cut_off_is_taken_up_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.attach("pvc-1", "worker-1", DRIVER, attached=True)
        await wait_for_nodes(cluster, {"worker-1"})

        await api.cut_watches()
        await api.attach("pvc-2", "worker-2", DRIVER, attached=True)

        await wait_for_nodes(cluster, {"worker-1", "worker-2"})


async def test_a_watch_that_is_too_old_begins_with_a_new_listing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.attach("pvc-1", "worker-1", DRIVER, attached=True)
        await wait_for_nodes(cluster, {"worker-1"})

        async with api.running.away(forgets=True):
            await api.detach("pvc-1", "worker-1")
            await api.attach("pvc-2", "worker-2", DRIVER, attached=True)

        await wait_for_nodes(cluster, {"worker-2"})


async def test_a_grant_counts_before_the_attacher_has_recorded_it(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        for node in ("zzz", "aaa"):
            await api.attach("pvc-1", node, DRIVER, attached=False)
        await wait_for_nodes(cluster, {"zzz", "aaa"})

        held = await cluster.of_volume(ONE)
        own = tuple(claim.id for claim in held if claim.node == "zzz")
        await cluster.record(ONE, NodeId.parse("zzz"), Grant(claims=own))
        granted = {one.node: one.attached for one in await cluster.of_volume(ONE)}
        await api.detach("pvc-1", "zzz")
        await api.attach("pvc-1", "zzz", DRIVER, attached=False)
        later = {one.node: one.attached for one in await cluster.of_volume(ONE)}

        assert granted == {"zzz": True, "aaa": False}
        assert later == {"zzz": False, "aaa": False}


async def test_a_claim_that_was_taken_back_does_not_hold_up_the_next_node(tmp_path: Path) -> None:
    async with open_world(tmp_path, handover_seconds=30.0) as (api, cluster):
        await api.attach("pvc-1", "worker-1", DRIVER, attached=True)
        await wait_for_nodes(cluster, {"worker-1"})

        await cluster.forget(ONE, WORKER)
        after = await cluster.of_volume(ONE)
        await api.detach("pvc-1", "worker-1")
        await api.attach("pvc-1", "worker-1", DRIVER, attached=False)
        again = await cluster.of_volume(ONE)

        assert after == ()
        assert [claim.node for claim in again] == ["worker-1"]


async def test_without_a_hand_over_a_claim_counts_until_it_is_gone(tmp_path: Path) -> None:
    async with open_world(tmp_path, handover_seconds=0.0) as (api, cluster):
        await api.attach("pvc-1", "worker-1", DRIVER, attached=True)
        await wait_for_nodes(cluster, {"worker-1"})

        await cluster.forget(ONE, WORKER)

        assert [claim.node for claim in await cluster.of_volume(ONE)] == ["worker-1"]


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
