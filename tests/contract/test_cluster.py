"""The port for the cluster: one suite, run on the real adapter and on the one in memory."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.core.ids import NodeId, VolumeId
from libs.kube.client import open_kube
from services.controller.adapters.cluster import ClusterOptions, open_kube_cluster
from services.controller.adapters.memory import MemoryCluster
from services.controller.ports import Cluster, Grant
from tests.fakes.apiserver import NODES, ApiServer, running_api

DRIVER = "rds.csi.srvlab.io"
ONE, TWO = VolumeId.parse("pvc-1"), VolumeId.parse("pvc-2")
HOST = "nqn.2014-08.org.nvmexpress:uuid:1"


@dataclass
class World:
    """An adapter, and external-attacher's part: what it writes around a publication."""

    cluster: Cluster
    attached: Callable[[VolumeId, NodeId], Awaitable[None]]
    detached: Callable[[VolumeId, NodeId], Awaitable[None]]

    async def publish(self, volume: VolumeId, node: str) -> None:
        await self.cluster.record(volume, NodeId.parse(node), Grant())
        await self.attached(volume, NodeId.parse(node))

    async def unpublish(self, volume: VolumeId, node: str | None) -> None:
        await self.cluster.forget(volume, NodeId.parse(node) if node else None)
        for name in [node] if node else ["worker-1", "worker-2"]:
            await self.detached(volume, NodeId.parse(name))


async def nothing(*_: object) -> None:
    """Do nothing: in memory there is no attacher."""


@contextlib.asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[World]:
    yield World(MemoryCluster({"worker-1": HOST, "worker-2": ""}), nothing, nothing)


@contextlib.asynccontextmanager
async def in_cluster(directory: Path) -> AsyncIterator[World]:
    async with (
        running_api(directory) as api,
        open_kube(api.kubeconfig) as kube,
        open_kube_cluster(kube, ClusterOptions(DRIVER)) as cluster,
    ):
        metadata = {"name": "worker-1", "annotations": {f"{DRIVER}/host-nqn": HOST}}
        await api.put(NODES, {"metadata": metadata})
        await api.put(NODES, {"metadata": {"name": "worker-2"}})
        yield World(cluster, attacher(api), detacher(api))


def attacher(api: ApiServer) -> Callable[[VolumeId, NodeId], Awaitable[None]]:
    async def attach(volume: VolumeId, node: NodeId) -> None:
        created = f"2026-01-01T00:00:{api.version:02}Z"
        await api.attach(volume.text, node.text, DRIVER, attached=True, created=created)

    return attach


def detacher(api: ApiServer) -> Callable[[VolumeId, NodeId], Awaitable[None]]:
    async def detach(volume: VolumeId, node: NodeId) -> None:
        await api.detach(volume.text, node.text)

    return detach


@pytest.fixture(params=[in_memory, in_cluster])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with request.param(tmp_path) as world:
        yield world


async def test_a_published_volume_is_held_by_its_node(world: World) -> None:
    await world.publish(ONE, "worker-1")

    (held,) = await world.cluster.of_volume(ONE)

    assert (held.node, held.attached) == ("worker-1", True)
    assert held.since > 0
    assert await world.cluster.of_volume(TWO) == ()


async def test_the_claim_of_the_node_that_asks_is_in_what_it_is_told(world: World) -> None:
    await world.publish(ONE, "worker-1")
    await world.publish(ONE, "worker-2")

    held = await world.cluster.of_volume(ONE, NodeId.parse("worker-2"))

    assert {one.node for one in held} == {"worker-1", "worker-2"}


async def test_claims_are_ordered_by_age(world: World) -> None:
    await world.publish(ONE, "worker-2")
    await world.publish(ONE, "worker-1")

    held = await world.cluster.of_volume(ONE)

    assert [one.node for one in sorted(held, key=lambda one: one.order)] == ["worker-2", "worker-1"]


async def test_an_unpublished_volume_is_held_by_nobody(world: World) -> None:
    await world.publish(ONE, "worker-1")
    await world.publish(TWO, "worker-1")

    await world.unpublish(ONE, "worker-1")
    await world.unpublish(ONE, "worker-1")

    assert await world.cluster.of_volume(ONE) == ()
    assert await world.cluster.of_volume(TWO) != ()


async def test_without_a_node_all_are_taken_away(world: World) -> None:
    await world.publish(ONE, "worker-1")
    await world.publish(ONE, "worker-2")

    await world.unpublish(ONE, None)

    assert await world.cluster.of_volume(ONE) == ()


async def test_a_node_is_known_with_its_host_nqn_or_is_certainly_not_there(world: World) -> None:
    known = await world.cluster.node("worker-1")
    silent = await world.cluster.node("worker-2")
    missing = await world.cluster.node("worker-9")

    assert known is not None
    assert known.host_nqn == HOST
    assert silent is not None
    assert silent.host_nqn == ""
    assert missing is None


async def test_a_volume_that_was_not_modified_has_no_parameters_of_its_own(world: World) -> None:
    assert await world.cluster.parameters_of(ONE) == {}
    assert await world.cluster.machine_of(ONE) == ""
