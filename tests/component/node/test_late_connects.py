"""A connect that the kernel is still at when nobody waits for it any more."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from libs.core.ids import Nqn, VolumeId
from services.node.volume import Record, Use
from tests.component.controller.rig import error_of
from tests.component.node.rig import NAME, PREFIX, NodeRig, open_rig, raw
from tests.component.nvmeof.fabrics_kernel import QUICK, TARGET, Kernel, running_kernel
from tests.waiting import eventually

VOLUME = VolumeId.parse(NAME)
NQN = f"{PREFIX}:{NAME}"
HASTY = 0.3


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    (tmp_path / "kernel").mkdir()
    with running_kernel(tmp_path / "kernel") as kernel:
        yield kernel


async def unstaged(rig: NodeRig) -> bool:
    with contextlib.suppress(GRPCError):
        await rig.unstage()
        return True
    return False


@pytest.fixture
async def hasty(kernel: Kernel, tmp_path: Path) -> AsyncIterator[NodeRig]:
    """A plugin that soon gives up waiting, and a kernel whose first connect does not end."""
    kernel.does.open_gate.clear()
    limits = replace(QUICK, attempt=HASTY, connect=HASTY, disconnect=HASTY)
    async with open_rig(tmp_path, kernel.fabrics(limits)) as rig:
        yield rig


async def test_a_volume_is_not_unstaged_while_it_may_yet_be_connected(
    kernel: Kernel, hasty: NodeRig
) -> None:
    staged, _ = await error_of(hasty.stage(raw()))

    unstaged, text = await error_of(hasty.unstage())

    assert (staged, unstaged) == (Status.UNAVAILABLE, Status.UNAVAILABLE)
    assert NQN in text
    assert hasty.desk.records.get(VOLUME) is not None
    assert kernel.places(NQN) == []


async def test_what_was_connected_too_late_is_gone_once_the_volume_is_unstaged(
    kernel: Kernel, hasty: NodeRig
) -> None:
    kernel.does.without_disk = 1  # this kernel's disks are files, which nothing opens as a disk
    await error_of(hasty.stage(raw()))
    await error_of(hasty.unstage())

    kernel.does.open_gate.set()
    await eventually(lambda: unstaged(hasty), "the kubelet asks no more")

    assert len(kernel.options) == 1
    assert kernel.under_way == 0
    assert kernel.places(NQN) == []
    assert hasty.desk.records.all() == ()


async def test_a_volume_whose_nqn_is_not_managed_any_more_can_be_let_go(hasty: NodeRig) -> None:
    foreign = replace(TARGET, nqn=Nqn.parse("nqn.2014-08.org.example:elsewhere"))
    use = Use(volume=VOLUME, target=foreign, staging=str(hasty.staging()), fs_type="")
    await hasty.desk.records.put(Record(use))

    await hasty.unstage()

    assert hasty.desk.records.all() == ()
