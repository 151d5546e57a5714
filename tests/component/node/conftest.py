from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.component.node.rig import NodeRig, clean_host, open_rig
from tests.component.node.ward import Ward, open_ward


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Path]:
    with clean_host(tmp_path / "kubelet", tmp_path / "images"):
        yield tmp_path


@pytest.fixture
async def rig(host: Path) -> AsyncIterator[NodeRig]:
    async with open_rig(host) as rig:
        yield rig


@pytest.fixture
async def ward(host: Path) -> AsyncIterator[Ward]:
    async with open_ward(host) as ward:
        yield ward
