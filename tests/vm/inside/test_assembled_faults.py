"""Controller, node plugin and simulated device together: the device goes, and comes back."""

import asyncio
import contextlib
import os
import time

import pytest
from grpclib import GRPCError
from grpclib.const import Status

from libs.core.size import MIB
from libs.nvmeof.mountinfo import PLACEHOLDER
from tests.component.node.rig import NAME, holding, mounted, raw, write_safely
from tests.vm.inside.assembled import Assembly
from tests.vm.inside.plugin import error_of, nqn_of
from tests.vm.inside.rig import reach, until
from tests.vm.inside.simulator import DISKS, PORT
from tests.vm.inside.writing import drop_caches, fill, sum_of, writing
from tests.vm.nvmet import nvme

AWAY_SECONDS = 30
IMAGE = DISKS / "raid10" / "volumes" / f"{NAME}.img"


@pytest.mark.parametrize("outage", ["/restart", "/crash", "/partition"])
async def test_a_writer_waits_for_a_device_that_is_away_and_loses_nothing(
    assembly: Assembly, outage: str
) -> None:
    # The kernel gives up neither at once nor ever; a silent device it takes for lost after 5 s.
    seconds = AWAY_SECONDS if outage == "/restart" else 8
    assembly.classes["keepAliveTmo"] = "5"
    await assembly.create()
    file = await assembly.bring() / "file"

    async with writing(file) as writer:
        await assembly.rds.ask(outage, seconds=600)
        gone = time.monotonic()
        await until(assembly.node.is_waiting)
        stalled, during = writer.count, await assembly.node.wrong_after_round()
        await asyncio.sleep(max(0.0, gone + seconds - time.monotonic()))  # the outage itself
        still = writer.count
        await assembly.rds.ask("/back")
        await writer.writes_on()
        after = await assembly.node.wrong_after_round()

    assert "I/O waits" in during
    assert still <= stalled + 1
    assert after == ""
    assert not any(mount.has_turned_read_only for mount in assembly.node.mounts())
    assert writer.lost(file) == []


async def can_attach(assembly: Assembly) -> bool:
    with contextlib.suppress(GRPCError):
        return bool(await assembly.attach())
    return False


async def test_a_volume_that_came_back_under_another_name_is_still_the_same(
    assembly: Assembly,
) -> None:
    capability = mounted("xfs")
    await assembly.create(capability=capability)
    path = await assembly.bring(capability=capability)
    write_safely(path / "data", "kept")
    old = await assembly.node.device()

    nvme("disconnect", f"--nqn={nqn_of()}")
    await assembly.rds.ask("/restart", seconds=0)
    await assembly.rds.ask("/back")
    new = await assembly.node.desk.fabrics.ensure_connected(reach(nqn_of(), PORT))
    before = await assembly.node.wrong()
    after = await assembly.node.wrong_after_round()

    assert new != old
    assert "under another name" in before
    assert after == ""
    assert (path / "data").read_text() == "kept"


async def test_a_stale_mount_that_a_pod_uses_is_not_torn_away_and_repaired_afterwards(
    assembly: Assembly,
) -> None:
    await assembly.create()
    path = await assembly.bring()
    write_safely(path / "data", "kept")
    mounts = assembly.node.mounts()

    async with holding(path / "open"):
        nvme("disconnect", f"--nqn={nqn_of()}")
        during = await assembly.node.wrong_after_round()
        kept = assembly.node.mounts()
    after = await assembly.node.wrong_after_round()

    assert during
    assert kept == mounts
    assert after == ""
    assert (path / "data").read_text() == "kept"


@pytest.mark.parametrize("replaced", [False, True])
async def test_a_device_that_comes_back_empty_is_refused_and_not_formatted(
    assembly: Assembly, *, replaced: bool
) -> None:
    await assembly.create()
    path = await assembly.bring()
    write_safely(path / "data", "lost")
    await assembly.node.unpublish()
    await assembly.node.unstage()

    await assembly.rds.ask("/lose-data", seconds=0, replaced=replaced)
    await assembly.rds.ask("/back")
    await until(lambda: can_attach(assembly))
    status, text = await error_of(assembly.stage())

    assert status is Status.FAILED_PRECONDITION
    assert "its data is missing" in text
    assert IMAGE.stat().st_blocks == 0


async def test_a_device_that_comes_back_empty_under_a_mount_is_not_written_to(
    assembly: Assembly,
) -> None:
    await assembly.create()
    path = await assembly.bring()
    write_safely(path / "data", "lost")
    await asyncio.to_thread(os.sync)

    await assembly.rds.ask("/restart", seconds=600)
    nvme("disconnect", f"--nqn={nqn_of()}")
    await assembly.rds.ask("/lose-data", seconds=0, replaced=True)
    await assembly.rds.ask("/back")
    await assembly.node.health.check_all()

    assert [mount.source for mount in assembly.node.mounts() if mount.point == str(path)][:1] == [
        PLACEHOLDER
    ]
    assert IMAGE.stat().st_blocks == 0


async def test_a_raw_block_volume_keeps_its_data_over_a_crash_of_the_device(
    assembly: Assembly,
) -> None:
    await assembly.create(capability=raw())
    path = await assembly.bring(capability=raw())
    written = fill(path)
    await asyncio.to_thread(os.sync)

    await assembly.rds.ask("/crash", seconds=0)
    await assembly.rds.ask("/back")
    drop_caches()

    assert sum_of(path) == written
    assert (await assembly.node.stats(path)).usage[0].total >= 64 * MIB


async def test_the_controller_answers_unavailable_while_the_device_is_away_and_goes_on(
    assembly: Assembly,
) -> None:
    await assembly.create()
    await assembly.rds.ask("/restart", seconds=600)

    status, text = await error_of(assembly.attach())
    await assembly.rds.ask("/back")

    await until(lambda: can_attach(assembly))

    assert status is Status.UNAVAILABLE
    assert text
