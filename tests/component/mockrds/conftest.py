from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.component.mockrds.rig import Rig, made
from tests.fakes.configfs import FakeConfigfs


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[Rig]:
    rig = made(tmp_path, FakeConfigfs())
    yield rig
    made(tmp_path, rig.tree).plane().withdraw()
    assert rig.tree == FakeConfigfs(
        writes=rig.tree.writes, refusals=rig.tree.refusals, has_keys=rig.tree.has_keys
    )
