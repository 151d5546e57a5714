from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.mockkube.testing import running_api
from libs.mockrds.testing import running_device
from tests.component.rdsctl.preflight.world import World


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with running_api(tmp_path) as api, running_device() as device:
        yield World(api, device, tmp_path)


@pytest.fixture
async def moved(world: World) -> World:
    """A cluster with two nodes and two volumes, in which nothing is wrong."""
    await world.serve("snapshot.storage.k8s.io", "VolumeSnapshotContent")
    await world.serve("apps", "Deployment")
    await world.serve("apps", "DaemonSet")
    await world.put_driver(podInfoOnMount=False)
    for name in ("alpha", "beta"):
        await world.add_node(name)
    await world.add_volume(1, node="alpha")
    await world.add_volume(2)
    await world.add_class("rds", nvmeAddress="198.51.100.10", volumePath="/raid10/volumes")
    world.leave_filesystems_alone()
    return world
