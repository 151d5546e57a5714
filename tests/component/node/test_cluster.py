"""What the node reads and writes in the cluster, and what people are told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from libs.core.errors import Unreachable
from libs.core.ids import Nqn, VolumeId
from libs.kube.client import open_kube
from services.node.adapters.cluster import KubeCluster, NoCluster, open_kube_cluster
from services.node.ports import Cluster, Marks, Reason
from tests.fakes.apiserver import NODES, VOLUMES, ApiServer, running_api

DRIVER = "rds.csi.srvlab.io"
NAME = "pvc-00000000-0000-0000-0000-000000000001"
ONE = VolumeId.parse(NAME)
HOST = Nqn.parse("nqn.2014-08.org.nvmexpress:uuid:1")
NODE = f"{NODES}/worker-1"
VOLUME = f"{VOLUMES}/{NAME}"


def volume(name: str = NAME, handle: str = "", **fields: Any) -> dict[str, Any]:
    csi = {"driver": fields.pop("driver", DRIVER), "volumeHandle": handle or name}
    metadata = {"name": name, "uid": f"uid-of-{name}", **fields.pop("metadata", {})}
    return {"metadata": metadata, "spec": {"csi": csi, **fields}}


def marked(**annotations: str) -> dict[str, Any]:
    keys = {f"{DRIVER}/{name.replace('_', '-')}": text for name, text in annotations.items()}
    return volume(metadata={"annotations": keys})


@dataclass
class World:
    api: ApiServer
    cluster: KubeCluster
    may_try_again: asyncio.Event

    def annotations(self, path: str) -> dict[str, str]:
        collection, _, name = path.rpartition("/")
        found: dict[str, str] = self.api.objects[collection][name]["metadata"]["annotations"]
        return found

    def asked(self, begin: str) -> int:
        return sum(request.startswith(begin) for request in self.api.requests)


@contextlib.asynccontextmanager
async def open_world(path: Path) -> AsyncIterator[World]:
    may_try_again = asyncio.Event()
    may_try_again.set()

    async def pause(_: float) -> None:
        await may_try_again.wait()

    async with (
        running_api(path) as api,
        open_kube(api.kubeconfig) as kube,
        open_kube_cluster(kube, DRIVER, "worker-1", sleep=pause) as cluster,
    ):
        await api.put(NODES, {"metadata": {"name": "worker-1"}})
        yield World(api, cluster, may_try_again)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


async def until(condition: Callable[[], object]) -> None:
    """Wait for something that the teller's task has to bring about."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 (it has no event to wait for)
            await asyncio.sleep(0.005)


# The host NQN


async def test_a_node_says_its_host_nqn_once(world: World) -> None:
    await world.cluster.announce(HOST)
    await world.cluster.announce(HOST)

    assert world.annotations(NODE) == {f"{DRIVER}/host-nqn": HOST.text}
    assert world.asked("PATCH") == 1


async def test_a_host_nqn_that_is_another_one_now_is_said_again(world: World) -> None:
    await world.cluster.announce(HOST)
    other = Nqn.parse("nqn.2014-08.org.nvmexpress:uuid:2")

    await world.cluster.announce(other)

    assert world.annotations(NODE) == {f"{DRIVER}/host-nqn": other.text}


async def test_annotations_of_others_stay(world: World) -> None:
    await world.api.put(NODES, {"metadata": {"name": "worker-1", "annotations": {"a": "b"}}})

    await world.cluster.announce(HOST)

    assert world.annotations(NODE) == {"a": "b", f"{DRIVER}/host-nqn": HOST.text}


async def test_a_node_that_the_cluster_does_not_know_cannot_announce(world: World) -> None:
    await world.api.remove(NODES, "worker-1")

    with pytest.raises(Unreachable, match="the cluster has no node worker-1"):
        await world.cluster.announce(HOST)


async def test_a_node_that_rbac_does_not_let_announce_says_what_is_missing(world: World) -> None:
    world.api.refusals = {"PATCH": 403}

    with pytest.raises(Unreachable, match=f"403 to patch {NODE}: RBAC does not allow"):
        await world.cluster.announce(HOST)


# Marks


async def test_marks_are_what_the_annotations_say(world: World) -> None:
    await world.api.put(VOLUMES, marked(formatted="ext4", reset_breaker="please", other="x"))

    assert await world.cluster.read_marks(ONE) == Marks(formatted="ext4", reset="please")


@pytest.mark.parametrize(
    ("name", "handle"),
    [
        (NAME, NAME),
        (NAME, f"{NAME}@rack2"),
        ("csi-data", "vol-csi-data"),
        ("csi-data", "vol-csi-data@rack2"),
    ],
)
async def test_a_volume_is_found_under_the_name_that_it_was_made_for(
    world: World, name: str, handle: str
) -> None:
    await world.api.put(VOLUMES, volume(name, handle))

    assert await world.cluster.read_marks(VolumeId.parse(handle)) == Marks()


@pytest.mark.parametrize(
    "item",
    [
        volume(driver="other.example"),
        volume(handle="pvc-2"),
        volume(handle=f"{NAME}@rack2"),
        {"metadata": {"name": NAME}, "spec": {"nfs": {}}},
        {"metadata": {"name": NAME}, "spec": {"csi": []}},
        {"metadata": {"name": NAME}},
    ],
)
async def test_a_persistent_volume_of_another_volume_says_nothing(
    world: World, item: dict[str, Any]
) -> None:
    await world.api.put(VOLUMES, item)

    assert await world.cluster.read_marks(ONE) is None


async def test_an_api_that_does_not_answer_is_not_taken_for_a_missing_volume(
    world: World,
) -> None:
    world.api.broken = (500, "oops")

    with pytest.raises(Unreachable, match="answered 500 to get"):
        await world.cluster.read_marks(ONE)


async def test_a_volume_that_was_formatted_is_marked(world: World) -> None:
    await world.api.put(VOLUMES, marked(reset_breaker="please"))

    await world.cluster.mark_formatted(ONE, "ext4 on worker-1")

    assert await world.cluster.read_marks(ONE) == Marks("ext4 on worker-1", "please")


async def test_a_mark_that_is_there_is_not_written_again(world: World) -> None:
    await world.api.put(VOLUMES, marked(formatted="ext4"))

    await world.cluster.mark_formatted(ONE, "ext4")

    assert world.asked("PATCH") == 0


async def test_a_mark_never_reaches_a_persistent_volume_that_was_made_anew_meanwhile(
    world: World,
) -> None:
    await world.api.put(VOLUMES, volume())
    old = dict(world.api.objects[VOLUMES][NAME]["metadata"])
    fresh = volume(handle="pvc-2", metadata={"uid": "another"})
    world.api.before_change = lambda: world.api.put(VOLUMES, fresh)

    with pytest.raises(Unreachable, match="the cluster has no PersistentVolume of volume"):
        await world.cluster.mark_formatted(ONE, "ext4")

    assert world.asked("PATCH") == 1
    assert old["uid"] != fresh["metadata"]["uid"]
    assert "annotations" not in world.api.objects[VOLUMES][NAME]["metadata"]


async def test_a_mark_is_written_though_another_changes_the_volume_meanwhile(
    world: World,
) -> None:
    await world.api.put(VOLUMES, volume())
    world.api.before_change = lambda: world.api.put(VOLUMES, marked(other="x"))

    await world.cluster.mark_formatted(ONE, "ext4")

    expected = {f"{DRIVER}/other": "x", f"{DRIVER}/formatted": "ext4"}
    assert world.annotations(VOLUME) == expected


async def test_a_volume_that_the_cluster_does_not_have_cannot_be_marked(world: World) -> None:
    with pytest.raises(Unreachable, match="the cluster has no PersistentVolume of volume"):
        await world.cluster.mark_formatted(ONE, "ext4")


# Telling


async def test_people_are_told_at_the_volume_and_at_its_claim(world: World) -> None:
    claim = {"namespace": "vms", "name": "disk", "uid": "uid-of-claim"}
    await world.api.put(VOLUMES, volume(claimRef=claim))

    world.cluster.tell(ONE, Reason.CONNECTION_LOST, "no answer for 30 s")
    await until(lambda: world.api.events("vms"))

    (at_volume,), (at_claim,) = world.api.events(), world.api.events("vms")
    about = [event["involvedObject"]["uid"] for event in (at_volume, at_claim)]
    assert about == [f"uid-of-{NAME}", "uid-of-claim"]
    assert {event["message"] for event in (at_volume, at_claim)} == {"no answer for 30 s"}
    assert (at_claim["reason"], at_claim["type"]) == ("ConnectionLost", "Warning")
    assert at_claim["source"] == {"component": f"{DRIVER}/node", "host": "worker-1"}


async def test_good_news_is_no_warning(world: World) -> None:
    await world.api.put(VOLUMES, volume())

    world.cluster.tell(ONE, Reason.RECOVERED, "mounted again")
    await until(world.api.events)

    assert [event["type"] for event in world.api.events()] == ["Normal"]


async def test_a_volume_that_is_told_of_often_is_looked_up_once(world: World) -> None:
    await world.api.put(VOLUMES, volume())

    for i in range(5):
        world.cluster.tell(ONE, Reason.STALE_MOUNT, f"stale {i}")
    await until(lambda: len(world.api.events()) == 5)

    assert world.asked(f"GET {VOLUME}") == 1


async def test_people_are_told_though_the_api_was_away_for_a_moment(world: World) -> None:
    await world.api.put(VOLUMES, volume())
    world.api.refusals = {f"GET {VOLUME}": 503}
    world.may_try_again.clear()

    world.cluster.tell(ONE, Reason.STALE_MOUNT, "stale")
    await until(lambda: world.asked("GET"))
    world.api.refusals = {}
    world.may_try_again.set()
    await until(world.api.events)

    assert len(world.api.events()) == 1


async def test_what_cannot_be_told_is_logged_and_forgotten(world: World) -> None:
    world.api.refusals = {f"GET {VOLUME}": 403}
    other = VolumeId.parse("pvc-2")

    with capture_logs() as logs:
        world.cluster.tell(ONE, Reason.STALE_MOUNT, "stale")
        world.cluster.tell(other, Reason.STALE_MOUNT, "stale")
        await until(lambda: len(logs) == 2)

    assert "403 to get" in logs[0]["error"]
    assert logs[1] == {
        "event": "not told: it has no PersistentVolume",
        "log_level": "warning",
        "volume": "pvc-2",
        "reason": "StaleMount",
        "text": "stale",
    }


async def test_what_was_told_last_is_written_before_the_end(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.api.put(VOLUMES, volume())
        world.cluster.tell(ONE, Reason.BREAKER_OPEN, "suspended")

    assert [event["reason"] for event in world.api.events()] == ["VolumeSuspended"]


# Without a cluster


async def test_without_a_cluster_there_are_no_marks() -> None:
    cluster: Cluster = NoCluster()

    await cluster.mark_formatted(ONE, "ext4")

    assert await cluster.read_marks(ONE) is None


async def test_without_a_cluster_the_log_is_told() -> None:
    cluster: Cluster = NoCluster()

    with capture_logs() as logs:
        await cluster.announce(HOST)
        cluster.tell(ONE, Reason.STALE_MOUNT, "stale")
        cluster.tell(ONE, Reason.RECOVERED, "well again")

    assert [line["log_level"] for line in logs] == ["info", "warning", "info"]
    assert logs[1]["text"] == "stale"
