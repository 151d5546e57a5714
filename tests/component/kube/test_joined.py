"""Claims that are known, and whether the watch of the volumes has told of all that they are to."""

from pathlib import Path

from libs.core.ids import VolumeId
from services.controller.adapters.cluster import KubeCluster
from tests.component.kube.clusters import (
    DRIVER,
    ONE,
    WORKER,
    listings,
    open_world,
    volume,
    wait_for_nodes,
)
from tests.fakes.apiserver import ATTACHMENTS, VOLUMES
from tests.waiting import until

TWO = VolumeId.parse("pvc-2")


async def wait_for_claims(cluster: KubeCluster, count: int) -> None:
    """Wait until the watch has told of so many VolumeAttachments."""
    claims = cluster._attachments  # noqa: SLF001
    await until(lambda: len(list(claims.values())) == count, f"{count} claims are known")


async def wait_for_volumes(cluster: KubeCluster, count: int) -> None:
    """Wait until the watch has told of so many PersistentVolumes."""
    volumes = cluster._volumes  # noqa: SLF001
    await until(lambda: len(list(volumes.values())) == count, f"{count} volumes are known")


async def test_a_claim_by_another_volume_with_the_same_handle_counts_though_the_watch_stalls(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.put(VOLUMES, volume("pvc-1"))
        await wait_for_volumes(cluster, 1)
        api.frozen.add(VOLUMES)
        await api.put(VOLUMES, volume("restored", "pvc-1"))
        await api.attach("restored", "worker-2", DRIVER, attached=True)
        await api.attach("pvc-1", "worker-1", DRIVER, attached=False)
        await wait_for_claims(cluster, 2)

        held = {claim.node: claim.attached for claim in await cluster.of_volume(ONE, WORKER)}

        assert held == {"worker-1": False, "worker-2": True}


async def test_claims_are_listed_only_while_one_of_them_is_to_a_volume_that_is_not_known(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (api, cluster):
        asked = []

        async def ask() -> None:
            before = listings(api)
            await cluster.of_volume(ONE, WORKER)
            asked.append(listings(api) - before)

        await api.put(VOLUMES, volume("pvc-1"))
        await api.attach("pvc-1", "worker-1", DRIVER, attached=False)
        await wait_for_volumes(cluster, 1)
        await wait_for_claims(cluster, 1)
        await ask()
        for node in ("worker-1", "worker-2"):
            await api.attach("other", node, DRIVER, attached=True)
        await wait_for_claims(cluster, 3)
        await ask()
        await api.put(VOLUMES, volume("other"))
        await wait_for_volumes(cluster, 2)
        await ask()
        await api.remove(VOLUMES, "other")
        await wait_for_volumes(cluster, 1)
        await ask()
        await api.detach("other", "worker-1")
        await wait_for_claims(cluster, 2)
        await ask()
        await api.detach("other", "worker-2")
        await wait_for_claims(cluster, 1)
        await ask()

        assert asked == [0, 1, 0, 1, 1, 0]


async def test_what_is_missing_is_counted_anew_with_a_new_listing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        for name in ("pvc-1", "pvc-2"):
            await api.put(VOLUMES, volume(name))
            await api.attach(name, "worker-1", DRIVER, attached=False)
        await wait_for_volumes(cluster, 2)
        await wait_for_claims(cluster, 2)

        async with api.running.away(forgets=True):
            await api.remove(VOLUMES, "pvc-2")
            await api.detach("pvc-2", "worker-1")
            await api.attach("pvc-1", "worker-2", DRIVER, attached=False)
        await wait_for_nodes(cluster, {"worker-1", "worker-2"})
        await wait_for_volumes(cluster, 1)
        before = listings(api)
        held = await cluster.of_volume(ONE, WORKER)

        assert {claim.node for claim in held} == {"worker-1", "worker-2"}
        assert listings(api) == before


async def test_claims_are_listed_while_a_watch_has_a_gap(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.put(VOLUMES, volume("pvc-1"))
        await api.attach("pvc-1", "worker-1", DRIVER, attached=False)
        await wait_for_volumes(cluster, 1)
        await wait_for_claims(cluster, 1)

        api.refusals = {f"GET {VOLUMES}": 500}
        await api.cut_watches()
        await until(lambda: not cluster._volumes.is_complete)  # noqa: SLF001
        before = listings(api)
        held = await cluster.of_volume(ONE, WORKER)

        assert [claim.node for claim in held] == ["worker-1"]
        assert listings(api) == before + 1


async def test_a_claim_that_names_no_volume_holds_nothing_up(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, cluster):
        await api.put(VOLUMES, volume("pvc-1"))
        await api.attach("pvc-1", "worker-1", DRIVER, attached=False)
        source = {"inlineVolumeSpec": {"csi": {"driver": DRIVER, "volumeHandle": "pvc-2"}}}
        spec = {"attacher": DRIVER, "nodeName": "worker-2", "source": source}
        await api.put(ATTACHMENTS, {"metadata": {"name": "inline"}, "spec": spec})
        await wait_for_volumes(cluster, 1)
        await wait_for_claims(cluster, 2)
        before = listings(api)

        held = await cluster.of_volume(ONE, WORKER)
        inline = (await cluster.known_of([TWO]))[TWO]

        assert [claim.node for claim in held] == ["worker-1"]
        assert [claim.node for claim in inline] == ["worker-2"]
        assert listings(api) == before
