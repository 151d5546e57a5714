"""The controller's view of claims and nodes, against an API server that lags and forgets."""

import asyncio
from pathlib import Path

import pytest

from libs.core.ids import NodeId, VolumeId
from services.controller.ports import Grant
from tests.component.kube.clusters import (
    DRIVER,
    ONE,
    WORKER,
    listings,
    open_world,
    volume,
    wait_for_nodes,
)
from tests.fakes.apiserver import ATTACHMENTS, NODES, VOLUMES
from tests.waiting import until


async def test_publishing_many_volumes_costs_no_listing_each(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        for i in range(20):
            await api.put(VOLUMES, volume(f"pvc-{i}"))
            await api.attach(f"pvc-{i}", "worker-1", DRIVER, attached=False)
        await wait_for_nodes(cluster, {"worker-1"})
        await until(lambda: len(list(cluster._attachments.values())) == 20)  # noqa: SLF001
        await until(lambda: len(list(cluster._volumes.values())) == 20)  # noqa: SLF001
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


async def test_what_was_taken_back_is_told_also_without_a_hand_over(tmp_path: Path) -> None:
    async with open_world(tmp_path, handover_seconds=0.0) as (api, cluster):
        await api.attach("pvc-1", "worker-1", DRIVER, attached=True)
        await wait_for_nodes(cluster, {"worker-1"})
        (claim,) = (await cluster.list_claims())["pvc-1"]
        _, before = cluster.judge(claim)

        await cluster.forget(ONE, WORKER)
        _, after = cluster.judge(claim)

        assert (before, after) == (False, True)
