import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import structlog

from libs.nvmeof.fabrics import NvmeFabrics
from tests.component.node.rig import mount_table
from tests.vm.inside.plugin import VmRig, open_vm_rig
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


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Leave out what is logged of each request: rendering it is slow in here."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))


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


@pytest.fixture
def host(target: Nvmet, tmp_path: Path) -> Iterator[Path]:  # noqa: ARG001 (it comes first)
    """Give a directory for a node plugin, and leave no mount behind, whatever a test did."""
    try:
        yield tmp_path
    finally:
        disconnect_everything()  # unmounting what waits for a target would wait, too
        for mount in mount_table().below(str(tmp_path)):
            subprocess.run(["umount", "-l", mount.point], check=False, timeout=20)  # noqa: S603, S607


@pytest.fixture
async def node(host: Path, target: Nvmet) -> AsyncIterator[VmRig]:
    async with open_vm_rig(host, target) as rig:
        yield rig
