"""The port for attachments: one suite, run on the cluster's adapter and on the one in memory."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.core.errors import Unreachable
from libs.core.ids import NodeId, VolumeId
from libs.kube.client import open_kube
from services.controller.adapters import ClusterAttachments, MemoryAttachments
from services.controller.ports import Attachments
from tests.fakes.apiserver import ATTACHMENTS, ApiServer, running_api

DRIVER = "rds.csi.srvlab.io"
ONE, TWO = VolumeId.parse("pvc-1"), VolumeId.parse("pvc-2")


@dataclass
class World:
    """An adapter, and external-attacher's part: what it writes around a publication."""

    attachments: Attachments
    attached: Callable[[VolumeId, NodeId], None]
    detached: Callable[[VolumeId, NodeId], None]

    async def publish(self, volume: VolumeId, node: str) -> None:
        await self.attachments.record(volume, NodeId.parse(node))
        self.attached(volume, NodeId.parse(node))

    async def unpublish(self, volume: VolumeId, node: str | None) -> None:
        await self.attachments.forget(volume, NodeId.parse(node) if node else None)
        for name in [node] if node else ["worker-1", "worker-2"]:
            self.detached(volume, NodeId.parse(name))


@contextlib.asynccontextmanager
async def in_memory(_: Path) -> AsyncIterator[World]:
    yield World(MemoryAttachments(), lambda *_: None, lambda *_: None)


@contextlib.asynccontextmanager
async def in_cluster(directory: Path) -> AsyncIterator[World]:
    async with running_api(directory) as api, open_kube(api.kubeconfig) as kube:
        yield World(ClusterAttachments(kube, DRIVER), attacher(api), detacher(api))


def attacher(api: ApiServer) -> Callable[[VolumeId, NodeId], None]:
    def attach(volume: VolumeId, node: NodeId) -> None:
        age = len(api.objects[ATTACHMENTS])
        api.attach(
            volume.text, node.text, DRIVER, attached=True, created=f"2026-01-01T00:00:{age:02}Z"
        )

    return attach


def detacher(api: ApiServer) -> Callable[[VolumeId, NodeId], None]:
    def detach(volume: VolumeId, node: NodeId) -> None:
        name = f"csi-{volume}-{node}"
        held = api.objects[ATTACHMENTS]
        held[:] = [entry for entry in held if entry["metadata"]["name"] != name]

    return detach


@pytest.fixture(params=[in_memory, in_cluster])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with request.param(tmp_path) as world:
        yield world


async def test_a_published_volume_is_held_by_its_node(world: World) -> None:
    await world.publish(ONE, "worker-1")

    (held,) = await world.attachments.of_volume(ONE)

    assert (held.node, held.attached) == ("worker-1", True)
    assert await world.attachments.of_volume(TWO) == ()


async def test_claims_are_ordered_by_age(world: World) -> None:
    await world.publish(ONE, "worker-2")
    await world.publish(ONE, "worker-1")

    held = await world.attachments.of_volume(ONE)

    assert [one.node for one in sorted(held, key=lambda one: one.order)] == ["worker-2", "worker-1"]


async def test_an_unpublished_volume_is_held_by_nobody(world: World) -> None:
    await world.publish(ONE, "worker-1")
    await world.publish(TWO, "worker-1")

    await world.unpublish(ONE, "worker-1")
    await world.unpublish(ONE, "worker-1")

    assert await world.attachments.of_volume(ONE) == ()
    assert set(await world.attachments.by_volume()) == {"pvc-2"}


async def test_without_a_node_all_are_taken_away(world: World) -> None:
    await world.publish(ONE, "worker-1")
    await world.publish(ONE, "worker-2")

    await world.unpublish(ONE, None)

    assert await world.attachments.of_volume(ONE) == ()


# What only a cluster can do wrong


async def test_a_grant_counts_before_the_attacher_has_recorded_it(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        attachments = ClusterAttachments(kube, DRIVER)
        for node in ("zzz", "aaa"):
            api.attach("pvc-1", node, DRIVER, attached=False, created="2026-01-01T00:00:00Z")

        await attachments.record(ONE, NodeId.parse("zzz"))
        granted = {one.node: one.attached for one in await attachments.of_volume(ONE)}
        detacher(api)(ONE, NodeId.parse("zzz"))
        await attachments.of_volume(ONE)
        api.attach("pvc-1", "zzz", DRIVER, attached=False, created="2026-01-01T00:00:09Z")
        later = {one.node: one.attached for one in await attachments.of_volume(ONE)}

        assert granted == {"zzz": True, "aaa": False}
        assert later == {"zzz": False, "aaa": False}


@pytest.mark.parametrize(
    "broken",
    [(500, "oops"), (403, '{"kind": "Status"}'), (200, "not json"), (200, "[]"), (200, "{}")],
)
async def test_an_answer_that_is_no_listing_is_never_taken_for_an_empty_one(
    tmp_path: Path, broken: tuple[int, str]
) -> None:
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        api.broken = broken

        with pytest.raises(Unreachable, match="Kubernetes API answered"):
            await ClusterAttachments(kube, DRIVER).of_volume(ONE)


async def test_an_api_server_that_is_away_is_unreachable(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        pass
    async with open_kube(api.kubeconfig) as kube:
        with pytest.raises(Unreachable, match="does not answer"):
            await ClusterAttachments(kube, DRIVER).by_volume()


async def test_requests_carry_the_token_of_the_configuration(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        await ClusterAttachments(kube, DRIVER).by_volume()

        assert set(api.tokens) == {"Bearer token-1"}


async def test_without_a_configuration_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(Unreachable, match="no access to Kubernetes from the file"):
        async with open_kube(tmp_path / "missing"):
            pass
    with pytest.raises(Unreachable, match="from a pod's service account"):
        async with open_kube(None):
            pass
