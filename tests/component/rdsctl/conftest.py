from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.rdsctl.rig import Rig, serve


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with serve(tmp_path) as rig:
        yield rig
