"""What the node reads and writes in the cluster."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from libs.core.errors import Unreachable
from libs.core.ids import Nqn, VolumeId
from services.node.adapters.cluster import NoCluster
from services.node.ports import Cluster, Marks
from tests.component.node.clusters import (
    DRIVER,
    HOST,
    NAME,
    NODE,
    ONE,
    VOLUME,
    World,
    open_world,
    volume,
)
from tests.fakes.apiserver import NODES, VOLUMES


def marked(**annotations: str) -> dict[str, Any]:
    keys = {f"{DRIVER}/{name.replace('_', '-')}": text for name, text in annotations.items()}
    return volume(metadata={"annotations": keys})


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


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


# Without a cluster


async def test_without_a_cluster_there_are_no_marks() -> None:
    cluster: Cluster = NoCluster()

    await cluster.mark_formatted(ONE, "ext4")

    assert await cluster.read_marks(ONE) is None
