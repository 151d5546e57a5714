"""Each fault that tests can put into connections, shown on a real loop device."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from libs.core.ids import Nqn
from libs.nvmeof.blockdev import is_claimed, read_device
from libs.nvmeof.errors import ConnectFailed, HostHangs, NoDevice
from libs.nvmeof.loopdev import list_loops
from libs.nvmeof.model import LinkState
from services.node.adapters.loop import LoopFabrics
from tests.component.node.loops import (
    PREFIX,
    SIZE,
    A,
    B,
    make_pool,
    needs_loop_devices,
    read,
    run,
    run_anyway,
    target,
    write,
)
from tests.fakes.faulty_fabrics import FaultyFabrics
from tests.fakes.loop_files import can_break

pytestmark = needs_loop_devices


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return make_pool(tmp_path)


@pytest.fixture
def breakable(pool: Path) -> None:
    if not can_break(pool):
        pytest.skip("needs a filesystem that heeds the immutable flag, such as ext4")


@pytest.fixture
async def faulty(pool: Path) -> AsyncIterator[FaultyFabrics]:
    async with FaultyFabrics(LoopFabrics(pool, [PREFIX], limit=2.0)) as fabrics:
        yield fabrics


@pytest.fixture
def point(tmp_path: Path, faulty: FaultyFabrics) -> Iterator[Path]:  # noqa: ARG001 (goes first)
    """A place to mount something on, which is unmounted before the devices go."""
    point = tmp_path / "mounted"
    point.mkdir()
    yield point
    run_anyway("umount", point)


async def test_a_connect_can_be_held_back_and_released(faulty: FaultyFabrics) -> None:
    gate = faulty.hold_connects()
    connect = asyncio.create_task(faulty.ensure_connected(target(A)))
    await gate.reached.wait()
    held = await faulty.find(A)

    gate.opened.set()

    assert held is None
    assert (await connect).size == SIZE


async def test_as_many_connects_fail_as_were_asked_for(faulty: FaultyFabrics) -> None:
    faulty.fail_connects(2)

    for _ in range(2):
        with pytest.raises(ConnectFailed):
            await faulty.ensure_connected(target(A))

    assert (await faulty.ensure_connected(target(A))).size == SIZE
    assert faulty.counts.connects == 3


async def test_as_many_finds_fail_as_were_asked_for(faulty: FaultyFabrics) -> None:
    faulty.fail_finds(1)

    with pytest.raises(HostHangs):
        await faulty.find(A)

    assert await faulty.find(A) is None


async def test_a_lost_connection_is_not_found_and_its_disk_goes(faulty: FaultyFabrics) -> None:
    await faulty.ensure_connected(target(A))
    await faulty.ensure_connected(target(B))

    await faulty.vanish(A)

    assert await faulty.find(A) is None
    assert [found.nqn for found in await faulty.list_connections()] == [B.text]


async def test_the_disk_of_a_lost_connection_stays_under_a_mount_and_gives_errors(
    faulty: FaultyFabrics, point: Path
) -> None:
    old = await faulty.ensure_connected(target(A))
    run("mkfs.ext4", "-q", "-F", old.path)
    run("mount", old.path, point)

    await faulty.vanish(A)

    assert await faulty.find(A) is None
    assert is_claimed(old)
    assert not read_device(old).readable
    run("mountpoint", point)


async def test_a_connection_that_comes_back_has_another_disk_with_what_was_flushed(
    faulty: FaultyFabrics, point: Path
) -> None:
    old = await faulty.ensure_connected(target(A))
    run("mkfs.ext4", "-q", "-F", old.path)
    run("mount", old.path, point)
    (point / "file").write_text("flushed")
    run("sync", "-f", point)

    new = await faulty.renumber(A)

    found = await faulty.find(A)
    run("umount", point)
    run("mount", new.path, point)
    assert found is not None
    assert found.device == new != old
    assert (point / "file").read_text() == "flushed"


async def test_the_old_disk_goes_with_its_last_mount(faulty: FaultyFabrics, point: Path) -> None:
    old = await faulty.ensure_connected(target(A))
    run("mkfs.ext4", "-q", "-F", old.path)
    run("mount", old.path, point)
    new = await faulty.renumber(A)
    before = [loop.device.number for loop in await faulty.inner.list_loops(A)]

    run("umount", point)

    assert sorted(before) == sorted([old.number, new.number])
    assert [loop.device.number for loop in await faulty.inner.list_loops(A)] == [new.number]


async def test_a_connect_after_a_loss_gives_the_new_disk(
    faulty: FaultyFabrics, point: Path
) -> None:
    old = await faulty.ensure_connected(target(A))
    run("mkfs.ext4", "-q", "-F", old.path)
    run("mount", old.path, point)
    await faulty.vanish(A)

    new = await faulty.ensure_connected(target(A))

    assert new.number != old.number
    assert await faulty.ensure_connected(target(A)) == new


async def test_a_connection_can_be_without_a_device(faulty: FaultyFabrics) -> None:
    faulty.hide_device(A)

    with pytest.raises(NoDevice):
        await faulty.ensure_connected(target(A))

    found = await faulty.find(A)
    assert found is not None
    assert found.device is None
    faulty.show_device(A)
    assert (await faulty.ensure_connected(target(A))).size == SIZE


@pytest.mark.parametrize("state", [LinkState.CONNECTING, LinkState.DEAD])
async def test_a_connection_can_be_in_any_state(faulty: FaultyFabrics, state: LinkState) -> None:
    await faulty.ensure_connected(target(A))

    faulty.set_state(A, state)
    told = await faulty.find(A)
    faulty.set_state(A, None)
    after = await faulty.find(A)

    assert told is not None
    assert told.state is state
    assert after is not None
    assert after.state is LinkState.LIVE


@pytest.mark.usefixtures("breakable")
async def test_reads_fail_and_then_give_exactly_what_was_there(
    faulty: FaultyFabrics, pool: Path
) -> None:
    device = await faulty.ensure_connected(target(A))
    content = os.urandom(SIZE)
    (pool / "volumes" / "pvc-a.img").write_bytes(content)

    await faulty.break_reads(A)
    broken = await faulty.find(A)
    for offset in (0, SIZE - 4096):
        with pytest.raises(OSError, match="Input/output error"):
            read(device.path, offset)
    with pytest.raises(OSError, match="Input/output error"):
        write(device.path, b"x")
    await faulty.mend_reads(A)

    assert broken is not None
    assert broken.device == device
    assert (pool / "volumes" / "pvc-a.img").read_bytes() == content
    assert read(device.path) == content[:4096]
    assert [path.name for path in (pool / "volumes").iterdir() if path.suffix != ".img"] == []


@pytest.mark.usefixtures("breakable")
async def test_a_filesystem_survives_reads_that_failed(faulty: FaultyFabrics, point: Path) -> None:
    device = await faulty.ensure_connected(target(A))
    run("mkfs.ext4", "-q", "-F", device.path)
    run("mount", device.path, point)
    (point / "file").write_text("kept")
    run("umount", point)

    await faulty.break_reads(A)
    readable = read_device(device).readable
    await faulty.mend_reads(A)

    run("mount", device.path, point)
    assert not readable
    assert (point / "file").read_text() == "kept"


@pytest.mark.usefixtures("breakable")
async def test_writes_fail_while_reads_succeed(faulty: FaultyFabrics) -> None:
    device = await faulty.ensure_connected(target(A))

    await faulty.fail_writes(A)
    with pytest.raises(OSError, match="Input/output error"):
        write(device.path, b"x")
    during = read(device.path)
    await faulty.allow_writes(A)
    write(device.path, b"x")

    assert during == b"a" * 4096
    assert read(device.path) == b"x" * 4096


@pytest.mark.usefixtures("breakable")
async def test_at_the_end_all_is_mended_and_detached(pool: Path) -> None:
    async with FaultyFabrics(LoopFabrics(pool, [PREFIX])) as faulty:
        await faulty.ensure_connected(target(A))
        await faulty.ensure_connected(target(B))
        await faulty.break_reads(A)
        await faulty.fail_writes(B)

    assert not [loop for loop in list_loops() if loop.file.startswith(str(pool))]
    assert (pool / "volumes" / "pvc-a.img").read_bytes() == b"a" * SIZE
    (pool / "volumes" / "pvc-b.img").write_bytes(b"")


async def test_calls_are_counted(faulty: FaultyFabrics) -> None:
    await faulty.ensure_connected(target(A))
    await faulty.rescan(A)
    await faulty.find(A)
    await faulty.ensure_disconnected(A)
    with pytest.raises(NoDevice):
        await faulty.rescan(Nqn.parse(f"{PREFIX}:pvc-none"))

    counts = faulty.counts
    assert (counts.connects, counts.rescans, counts.finds, counts.disconnects) == (1, 2, 1, 1)
