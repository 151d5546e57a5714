from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.kube.cluster import Cluster
from tests.kube.worlds import BOTH, REAL, World, real_world, shared_cluster, stand_in_world


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster | None]:
    with shared_cluster() as cluster:
        yield cluster


@pytest.fixture(params=BOTH)
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    if request.param == REAL:
        opened = real_world(request.getfixturevalue("cluster"))
    else:
        opened = stand_in_world(tmp_path)
    async with opened as world:
        yield world
