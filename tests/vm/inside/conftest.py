import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from libs.nvmeof.fabrics import NvmeFabrics
from tests.vm.inside.rig import HOST, PREFIX, QUICK
from tests.vm.nvmet import Nvmet, disconnect_everything, load_modules

HERE = Path(__file__).parent
IS_INSIDE = "RDS_CSI_VM" in os.environ


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if IS_INSIDE:
        return
    outside = pytest.mark.skip(reason="needs a kernel with NVMe/TCP: run python -m tests.vm")
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(outside)


@pytest.fixture
def target() -> Iterator[Nvmet]:
    load_modules()
    directory = Path("/dev/shm/disks")  # noqa: S108 (of a machine of our own)
    directory.mkdir()
    nvmet = Nvmet(directory)
    nvmet.open()
    try:
        yield nvmet
    finally:
        disconnect_everything()
        nvmet.close()
        shutil.rmtree(directory)


@pytest.fixture
async def fabrics(target: Nvmet) -> AsyncIterator[NvmeFabrics]:  # noqa: ARG001 (it comes first)
    fabrics = NvmeFabrics(HOST, [PREFIX], limits=QUICK)
    yield fabrics
    await fabrics.aclose()
