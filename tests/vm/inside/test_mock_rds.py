"""The simulated device as a process, its disks on a real kernel's NVMe/TCP target."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from libs.core.secret import Secret
from libs.nvmeof.errors import ConnectFailed
from libs.nvmeof.fabrics import NvmeFabrics
from libs.nvmeof.model import BlockDevice, Target
from tests.vm.inside.rig import HOST, PREFIX, QUICK, reach, until
from tests.vm.inside.simulator import (
    DISKS,
    OTHER,
    PORT,
    Device,
    add,
    change,
    connections,
    digest,
    identity_of,
    is_live,
    named,
    nqn,
    numbers,
    running_device,
    start_of,
)
from tests.vm.inside.writing import drop_caches, writing
from tests.vm.nvmet import MIB, disconnect_everything


@pytest.fixture(scope="module")
def rds() -> Iterator[Device]:
    with running_device("--nvme-target") as device:
        yield device


@pytest.fixture
async def host(rds: Device) -> AsyncIterator[NvmeFabrics]:
    fabrics = NvmeFabrics(HOST, [PREFIX], limits=QUICK)
    yield fabrics
    await fabrics.aclose()
    disconnect_everything()
    await rds.ask("/settings", fencing="keep")
    await rds.ask("/reset")


async def connect(fabrics: NvmeFabrics, slot: str, secret: Secret | None = None) -> BlockDevice:
    there = reach(nqn(slot), PORT)
    return await fabrics.ensure_connected(
        Target(there.nqn, there.address, there.port, reconnect_delay=1, secret=secret)
    )


async def test_a_disk_is_exported_written_to_and_another_of_the_same_name_is_another(
    rds: Device, host: NvmeFabrics
) -> None:
    said = await rds.run(add("pvc-a"))
    device = await connect(host, "pvc-a")
    await asyncio.to_thread(Path(device.path).write_bytes, b"hello" + bytes(4091))
    first = await rds.uuid_of("pvc-a")
    seen = identity_of(device)
    await rds.run("/disk/remove [find slot=pvc-a]")
    refused = await rds.refuses()
    kept = start_of("raid10/pvc-a.img")
    await rds.run('/file/remove [find name="raid10/pvc-a.img"]; ' + add("pvc-a"))

    assert (said, device.size, kept, refused) == ("", 16 * MIB, b"hello", True)
    assert seen == first
    assert await rds.uuid_of("pvc-a") != first
    assert start_of("raid10/pvc-a.img") == bytes(5)


async def test_a_disk_that_grows_is_seen_to_grow_while_it_is_written_to(
    rds: Device, host: NvmeFabrics
) -> None:
    await rds.run(add("pvc-a"))
    device = await connect(host, "pvc-a")
    async with writing(Path(device.path)) as writer:
        await rds.run(change("pvc-a", "file-size=32M"))

        async def is_grown() -> bool:
            found = await host.find(nqn("pvc-a"))
            return bool(found and found.device and found.device.size == 32 * MIB)

        await until(is_grown)
        await writer.writes_on()
    assert writer.lost(Path(device.path)) == []


async def test_a_host_that_is_not_on_the_list_cannot_connect(
    rds: Device, host: NvmeFabrics
) -> None:
    await rds.run(add("pvc-a", f"nvme-tcp-server-allow-host-name={OTHER}"))

    with pytest.raises(ConnectFailed):
        await connect(host, "pvc-a")
    await rds.run(change("pvc-a", f'nvme-tcp-server-allow-host-name="{OTHER},{HOST.nqn}"'))

    assert (await connect(host, "pvc-a")).size == 16 * MIB


async def test_a_connected_host_that_is_taken_off_the_list_goes_on_or_is_cut_off(
    rds: Device, host: NvmeFabrics
) -> None:
    allow = "nvme-tcp-server-allow-host-name="
    await rds.run(add("pvc-a", allow + HOST.nqn.text))
    device = await connect(host, "pvc-a")
    async with writing(Path(device.path)) as writer:
        before = connections()
        await rds.run(change("pvc-a", allow + OTHER.text))
        await writer.writes_on()
        after = connections()
    await rds.run(change("pvc-a", allow + HOST.nqn.text))

    await rds.ask("/settings", fencing="cut")
    await rds.run(change("pvc-a", allow + OTHER.text))
    await until(lambda: is_live(host, "pvc-a", live=False))  # 6.12 gives up, 6.1 tries for ever
    await rds.run(change("pvc-a", allow + HOST.nqn.text))
    again = await connect(host, "pvc-a")

    assert before == after != set()
    assert connections().isdisjoint(before)
    assert writer.lost(Path(again.path)) == []


async def test_a_restart_and_a_crash_are_waited_out_by_a_writer(
    rds: Device, host: NvmeFabrics
) -> None:
    await rds.run(add("pvc-a"))
    device = await connect(host, "pvc-a")
    async with writing(Path(device.path)) as writer:
        await rds.ask("/restart", seconds=60)
        away = await rds.refuses(), await rds.is_away()
        await rds.ask("/back")
        await writer.writes_on()
        await rds.ask("/crash")
        silent = await rds.refuses()
        await rds.ask("/back")
        await writer.writes_on()

    assert (away, silent) == ((True, True), False)
    assert writer.lost(Path(device.path)) == []


async def test_behind_a_cut_cable_nothing_answers_and_nothing_is_lost(
    rds: Device, host: NvmeFabrics
) -> None:
    await rds.run(add("pvc-a"))
    device = await connect(host, "pvc-a")
    async with writing(Path(device.path)) as writer:
        await rds.ask("/partition")
        refused, away = await rds.refuses(), await rds.is_away()
        stalled = writer.count
        await rds.ask("/back")
        await writer.writes_on()
        here = await rds.run(":put here")

    assert (refused, away, here) == (False, True, "here")
    assert writer.count >= stalled + 20
    assert writer.lost(Path(device.path)) == []


async def test_a_killed_simulator_is_followed_by_one_that_cuts_nothing(
    rds: Device, host: NvmeFabrics
) -> None:
    await rds.run(add("pvc-a") + "; " + add("pvc-b"))
    device = await connect(host, "pvc-a")
    before, uuid = connections(), await rds.uuid_of("pvc-a")
    async with writing(Path(device.path)) as writer:
        rds.end(signal.SIGKILL)
        await writer.writes_on()
    await asyncio.to_thread(rds.start)  # without the writer, which would take half of the processor

    assert connections() == before != set()
    assert await rds.uuid_of("pvc-a") == uuid
    assert writer.lost(Path(device.path)) == []
    assert await rds.run("/disk/remove [find slot=pvc-b]") == ""
    assert named("subsystems") == [nqn("pvc-a").text]


async def test_a_device_comes_back_empty_with_the_old_identity_or_a_new_one(
    rds: Device, host: NvmeFabrics
) -> None:
    await rds.run(add("pvc-a"))
    device, uuid = await connect(host, "pvc-a"), await rds.uuid_of("pvc-a")
    async with writing(Path(device.path)):
        pass
    await rds.ask("/lose-data", seconds=0)
    await until(lambda: is_live(host, "pvc-a"))
    drop_caches()

    content = await asyncio.to_thread(Path(device.path).read_bytes)
    same = await rds.uuid_of("pvc-a")
    await rds.ask("/lose-data", seconds=0, replaced=True)
    await rds.ask("/back")

    assert content == bytes(16 * MIB)
    assert same == uuid != await rds.uuid_of("pvc-a")


async def test_a_snapshot_is_what_was_written_when_it_was_made(
    rds: Device, host: NvmeFabrics
) -> None:
    make = "/disk/btrfs/subvolume/add fs=btr"
    await rds.run(f"{make} name=v/a; " + add("pvc-a", file="btr/v/a/volume.img"))
    device = await connect(host, "pvc-a")
    async with writing(Path(device.path)) as writer:
        before = writer.count
        said = await rds.run(f"{make} name=v/snap parent=v/a read-only=yes")
        after = writer.count
        frozen = digest(DISKS / "btr/v/snap/volume.img")
        await writer.writes_on()
        assert digest(DISKS / "btr/v/snap/volume.img") == frozen
    refused = await rds.run(add("pvc-f", file="btr/v/snap/volume.img"))
    cloned = await rds.run(
        f"{make} name=v/b parent=v/snap; {add('pvc-b', file='btr/v/b/volume.img')}"
    )
    clone = await connect(host, "pvc-b")

    assert (said, cloned) == ("", "")
    assert before - 1 <= max(numbers(DISKS / "btr/v/snap/volume.img")) <= after
    assert "read-only subvolume" in refused
    assert digest(Path(clone.path)) == frozen


async def test_a_password_is_asked_for_where_the_kernel_can(rds: Device, host: NvmeFabrics) -> None:
    allow = f"nvme-tcp-server-allow-host-name={HOST.nqn}"
    await rds.run(add("pvc-a", f"{allow} nvme-tcp-server-password=correct-horse"))
    (export,) = await rds.ask("/exports")
    wrong = None
    with contextlib.suppress(ConnectFailed):
        wrong = await connect(host, "pvc-a")

    assert (export["authentication"] == "required") is (wrong is None)
    if wrong is None:
        await connect(host, "pvc-a", Secret(export["secret"]))
