from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.component.node.hosts import clean_host, in_memory
from tests.component.node.rig import NodeRig, open_rig
from tests.component.node.ward import Ward, open_ward


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    with in_memory(tmp_path), clean_host(tmp_path):
        yield tmp_path


@pytest.fixture
async def rig(host: Path) -> AsyncIterator[NodeRig]:
    async with open_rig(host) as rig:
        yield rig


@pytest.fixture
async def ward(host: Path) -> AsyncIterator[Ward]:
    async with open_ward(host) as ward:
        yield ward
