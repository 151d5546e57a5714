"""Whose a connection is that no record knows: what the cluster says of it is asked at the start."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.core.ids import Nqn, Slot, VolumeId
from libs.nvmeof.model import Target
from services.node.adapters.cluster import NoCluster
from services.node.adapters.loop import LoopFabrics
from tests.component.node.clusters import DRIVER, NAME, World, attachment, open_world, volume
from tests.component.node.rig import MIB, PREFIX, loops_below, needs_mounts, open_rig
from tests.fakes.apiserver import ATTACHMENTS, VOLUMES

SLOT = Slot(NAME)
TARGET = Target(Nqn.parse(f"{PREFIX}:{NAME}"), "192.0.2.2", 4420)


@pytest.fixture
async def world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with open_world(tmp_path_factory.mktemp("api")) as world:
        yield world


async def connect(host: Path) -> None:
    """Connect a raw block volume, which nothing has open, and of which there is no record."""
    images = host / "images"
    images.mkdir()
    with (images / f"{NAME}.img").open("wb") as file:
        file.truncate(MIB)
    await LoopFabrics(images, (PREFIX,)).ensure_connected(TARGET)


@needs_mounts
@pytest.mark.parametrize("handle", [NAME, f"{NAME}@second"], ids=["default", "of another device"])
async def test_what_is_attached_to_this_node_stays_connected(
    host: Path, world: World, handle: str
) -> None:
    await world.api.put(VOLUMES, volume(handle=handle))
    await world.api.put(ATTACHMENTS, attachment(handle))
    await connect(host)

    async with open_rig(host, cluster=world.cluster):
        assert len(list(loops_below(host / "images"))) == 1


@needs_mounts
@pytest.mark.parametrize("handle", [NAME, f"{NAME}@second"], ids=["default", "of another device"])
async def test_what_is_not_attached_to_this_node_is_disconnected(
    host: Path, world: World, handle: str
) -> None:
    await world.api.put(VOLUMES, volume(handle=handle))
    await connect(host)

    async with open_rig(host, cluster=world.cluster):
        assert list(loops_below(host / "images")) == []


@needs_mounts
async def test_what_is_not_known_of_an_api_that_is_away_stays_connected(
    host: Path, world: World
) -> None:
    world.api.broken = (500, "oops")
    await connect(host)

    async with open_rig(host, cluster=world.cluster):
        assert len(list(loops_below(host / "images"))) == 1


@pytest.mark.parametrize(
    "item",
    [
        None,
        volume(driver="another"),
        volume(handle="pvc-2"),
        {"metadata": {"name": NAME}, "spec": {}},
        {"metadata": {"name": NAME}, "spec": {"csi": {"driver": DRIVER}}},
    ],
    ids=["none", "of another driver", "of another volume", "of no driver", "of no volume"],
)
async def test_a_volume_that_the_cluster_does_not_know_is_the_default_devices(
    world: World, item: dict[str, object] | None
) -> None:
    if item is not None:
        await world.api.put(VOLUMES, item)

    assert await world.cluster.identify(SLOT) == VolumeId(SLOT)


@pytest.mark.parametrize("name", ["vol-data", "data"])
async def test_a_volume_that_was_named_by_hand_is_found_under_both_names(
    world: World, name: str
) -> None:
    await world.api.put(VOLUMES, volume(name, "vol-data@second"))

    assert await world.cluster.identify(Slot("vol-data")) == VolumeId(Slot("vol-data"), "second")


async def test_without_a_cluster_every_volume_is_the_default_devices() -> None:
    assert await NoCluster().identify(SLOT) == VolumeId(SLOT)
