from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.csikit.rig import Served, serve


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve(tmp_path) as served:
        yield served
