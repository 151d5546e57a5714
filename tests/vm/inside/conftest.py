import contextlib
import logging
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog

from libs.nvmeof.fabrics import NvmeFabrics
from tests.component.node.rig import mount_table
from tests.vm.inside.assembled import Assembly, open_assembly
from tests.vm.inside.plugin import VmRig, open_vm_rig
from tests.vm.inside.rig import HOST, PREFIX, QUICK
from tests.vm.inside.simulator import Device, running_device
from tests.vm.nvmet import Nvmet, disconnect_everything, load_modules
from tests.vm.peer.client import Peer, open_peer
from tests.vm.peer.port import StoragePort, open_storage_port
from tests.vm.peer.wire import STORAGE

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
    # In the machine `tests/conftest.py` is left out.
    renderer = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
    )


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


@contextlib.contextmanager
def clean(path: Path) -> Iterator[None]:
    """Leave no mount behind, whatever a test did."""
    try:
        yield
    finally:
        disconnect_everything()  # unmounting what waits for a target would wait, too
        for mount in mount_table().below(str(path)):
            subprocess.run(["umount", "-l", mount.point], check=False, timeout=20)  # noqa: S603, S607


@pytest.fixture
def host(target: Nvmet, tmp_path: Path) -> Iterator[Path]:  # noqa: ARG001 (it comes first)
    """Give a directory for a node plugin, and leave no mount behind, whatever a test did."""
    with clean(tmp_path):
        yield tmp_path


@pytest.fixture
async def node(host: Path, target: Nvmet) -> AsyncIterator[VmRig]:
    async with open_vm_rig(host, target) as rig:
        yield rig


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """Give the second machine; whatever a test does there is undone."""
    if "RDS_CSI_VM_PEER" not in os.environ:
        pytest.fail("no second machine: name this file in a group with a peer in tests/vm/plan.py")
    async with open_peer() as peer:
        yield peer


@pytest.fixture
def port(target: Nvmet) -> Iterator[StoragePort]:  # noqa: ARG001 (it comes first)
    """Give a port of the target where the second machine reaches it."""
    with open_storage_port() as port:
        yield port


@pytest.fixture(scope="module")
def simulator() -> Iterator[Device]:
    """Give a simulated device; the second machine reaches what it exports, if there is one."""
    address = STORAGE[0] if "RDS_CSI_VM_PEER" in os.environ else "127.0.0.1"
    with running_device(f"--nvme-target={address}") as device:
        yield device


@pytest.fixture
def bare_host(tmp_path: Path) -> Iterator[Path]:
    """Give a directory as `host` does, without a target of the test's own."""
    with clean(tmp_path):
        yield tmp_path


@pytest.fixture
def note_steps(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Give a way to say in the table what a scenario consisted of."""
    return lambda text: request.node.user_properties.append(("steps", text))


@pytest.fixture
async def assembly(
    bare_host: Path, simulator: Device, note_steps: Callable[[str], None]
) -> AsyncIterator[Assembly]:
    async with open_assembly(bare_host, simulator) as assembly:
        yield assembly
        note_steps(f"{assembly.steps} calls")
