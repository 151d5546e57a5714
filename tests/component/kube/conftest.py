from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.component.kube.elections import Clock
from tests.fakes.apiserver import ApiServer, running_api


@pytest.fixture
async def api(tmp_path: Path) -> AsyncIterator[ApiServer]:
    async with running_api(tmp_path) as api:
        yield api


@pytest.fixture
def clock() -> Clock:
    return Clock()
