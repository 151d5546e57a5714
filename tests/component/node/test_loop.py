"""Loop devices as stand-ins for NVMe."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.core.ids import Nqn
from libs.nvmeof import loopdev
from libs.nvmeof.errors import ConnectFailed, HostHangs, NoDevice, NotManaged
from libs.nvmeof.loopdev import Loop
from libs.nvmeof.model import LinkState
from services.node.adapters.loop import LoopFabrics
from tests.component.node.loops import (
    PREFIX,
    SIZE,
    A,
    B,
    make_pool,
    needs_loop_devices,
    put,
    read,
    target,
    write,
)
from tests.fakes.faulty_fabrics import FaultyFabrics

pytestmark = needs_loop_devices


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    return make_pool(tmp_path)


@pytest.fixture
async def fabrics(pool: Path) -> AsyncIterator[LoopFabrics]:
    async with FaultyFabrics(LoopFabrics(pool.parent, [PREFIX])):  # it detaches all at the end
        yield LoopFabrics(pool, [PREFIX])


async def test_what_is_connected_has_the_content_and_the_size_of_its_file(
    fabrics: LoopFabrics,
) -> None:
    device = await fabrics.ensure_connected(target(A))

    assert device.size == SIZE
    assert read(device.path) == b"a" * 4096


async def test_connecting_again_gives_the_same_device(fabrics: LoopFabrics) -> None:
    first = await fabrics.ensure_connected(target(A))

    second = await fabrics.ensure_connected(target(A))

    assert second == first
    assert len(await fabrics.list_loops(A)) == 1


async def test_what_another_process_connected_is_found(fabrics: LoopFabrics, pool: Path) -> None:
    device = await fabrics.ensure_connected(target(A))

    found = await LoopFabrics(pool, [PREFIX]).find(A)

    assert found is not None
    assert (found.nqn, found.state, found.device) == (A.text, LinkState.LIVE, device)


async def test_what_a_killed_process_connected_stays_with_what_it_wrote(
    fabrics: LoopFabrics, pool: Path
) -> None:
    code = f"""
import asyncio, os, signal
from pathlib import Path
from tests.component.node.loops import A, PREFIX, target, write
from services.node.adapters.loop import LoopFabrics
device = asyncio.run(LoopFabrics(Path({str(pool)!r}), [PREFIX]).ensure_connected(target(A)))
write(device.path, b"x")
os.kill(os.getpid(), signal.SIGKILL)
"""
    child = await asyncio.create_subprocess_exec(sys.executable, "-c", code)
    ended = await child.wait()

    found = await fabrics.find(A)

    assert ended == -9
    assert found is not None
    assert found.device is not None
    assert read(found.device.path) == b"x" * 4096


async def test_thirty_at_once_get_a_device_each(fabrics: LoopFabrics, pool: Path) -> None:
    names = [Nqn.parse(f"{PREFIX}:pvc-many-{number}") for number in range(30)]
    for number, nqn in enumerate(names):
        put(pool / f"{nqn.text.rpartition(':')[2]}.img", bytes([number]), 1 << 20)

    found = await asyncio.gather(*(fabrics.ensure_connected(target(nqn)) for nqn in names))

    assert [read(device.path)[0] for device in found] == list(range(30))
    assert len(await fabrics.list_connections()) == 30


async def test_two_processes_that_connect_at_once_take_different_devices(
    fabrics: LoopFabrics,
) -> None:
    devices = await asyncio.gather(
        *(LoopFabrics(fabrics.directory, [PREFIX]).attach_another(A) for _ in range(12))
    )

    assert len({device.number for device in devices}) == 12


async def test_two_devices_on_one_file_see_the_same(fabrics: LoopFabrics) -> None:
    one = await fabrics.ensure_connected(target(A))
    other = await fabrics.attach_another(A)

    write(one.path, b"1", 4096)

    assert read(other.path, 4096) == b"1" * 4096


async def test_a_disconnected_subsystem_is_gone_and_its_file_has_what_was_written(
    fabrics: LoopFabrics, pool: Path
) -> None:
    device = await fabrics.ensure_connected(target(A))
    await fabrics.ensure_connected(target(B))
    write(device.path, b"x")

    await fabrics.ensure_disconnected(A)
    await fabrics.ensure_disconnected(A)

    assert await fabrics.find(A) is None
    assert [found.nqn for found in await fabrics.list_connections()] == [B.text]
    assert (pool / "volumes" / "pvc-a.img").read_bytes()[:4097] == b"x" * 4096 + b"a"


async def test_a_device_that_is_held_does_not_go_and_that_is_said(
    fabrics: LoopFabrics, pool: Path
) -> None:
    hasty = LoopFabrics(pool, [PREFIX], limit=0.3)
    device = await fabrics.ensure_connected(target(A))
    held = os.open(device.path, os.O_RDONLY)

    with pytest.raises(HostHangs, match="did not go"):
        await hasty.ensure_disconnected(A)
    os.close(held)

    await fabrics.ensure_disconnected(A)
    assert await fabrics.find(A) is None


async def test_a_file_that_has_grown_is_seen_after_a_rescan(
    fabrics: LoopFabrics, pool: Path
) -> None:
    await fabrics.ensure_connected(target(A))
    os.truncate(pool / "volumes" / "pvc-a.img", 2 * SIZE)

    await fabrics.rescan(A)

    found = await fabrics.find(A)
    assert found is not None
    assert found.device is not None
    assert found.device.size == 2 * SIZE


async def test_what_is_not_connected_cannot_be_rescanned(fabrics: LoopFabrics) -> None:
    with pytest.raises(NoDevice):
        await fabrics.rescan(A)


@pytest.mark.parametrize(
    "name", ["pvc-c.6a1-800000.of.snap-x.img", "deep/pvc-c/volume.img", "pvc-c.img"]
)
async def test_the_file_is_found_however_the_driver_named_it(
    fabrics: LoopFabrics, pool: Path, name: str
) -> None:
    put(pool / name, b"c")
    nqn = Nqn.parse(f"{PREFIX}:pvc-c")

    device = await fabrics.ensure_connected(target(nqn))

    assert read(device.path) == b"c" * 4096
    assert [found.nqn for found in await fabrics.list_connections()] == [nqn.text]


async def test_a_link_is_not_followed(fabrics: LoopFabrics, pool: Path, tmp_path: Path) -> None:
    put(tmp_path / "outside" / "pvc-c.img", b"c")
    (pool / "pvc-c.img").symlink_to(tmp_path / "outside" / "pvc-c.img")
    (pool / "more").symlink_to(tmp_path / "outside")

    with pytest.raises(ConnectFailed, match="0 files"):
        await fabrics.ensure_connected(target(Nqn.parse(f"{PREFIX}:pvc-c")))


async def test_of_two_files_neither_is_taken(fabrics: LoopFabrics, pool: Path) -> None:
    put(pool / "other" / "pvc-a.img", b"z")

    with pytest.raises(ConnectFailed, match="2 files"):
        await fabrics.ensure_connected(target(A))


async def test_what_is_not_managed_is_neither_connected_nor_disconnected(
    fabrics: LoopFabrics,
) -> None:
    other = Nqn.parse("nqn.2014-08.org.example:pvc-a")
    await fabrics.ensure_connected(target(A))

    with pytest.raises(NotManaged):
        await fabrics.ensure_connected(target(other))
    with pytest.raises(NotManaged):
        await fabrics.ensure_disconnected(other)
    assert await fabrics.find(other) is None
    assert await fabrics.find(A) is not None


async def test_loop_devices_elsewhere_are_left_alone(fabrics: LoopFabrics, tmp_path: Path) -> None:
    put(tmp_path / "pool-of-others" / "pvc-a.img", b"o")
    others = LoopFabrics(tmp_path / "pool-of-others", [PREFIX])
    await others.ensure_connected(target(A))

    found = await fabrics.find(A)
    await fabrics.ensure_disconnected(A)

    assert found is None
    assert await others.find(A) is not None


async def test_a_device_that_has_got_another_file_is_left_alone(fabrics: LoopFabrics) -> None:
    device = await fabrics.ensure_connected(target(A))
    remembered = Loop(device, "/a/file/that/it/had/before")

    loopdev.detach(remembered)
    with pytest.raises(NoDevice):
        loopdev.rescan(remembered)

    assert await fabrics.find(A) is not None


async def test_a_device_whose_file_was_removed_is_dead_and_can_be_disconnected(
    fabrics: LoopFabrics, pool: Path
) -> None:
    await fabrics.ensure_connected(target(A))
    (pool / "volumes" / "pvc-a.img").unlink()

    found = await fabrics.find(A)
    await fabrics.ensure_disconnected(A)

    assert found is not None
    assert found.state is LinkState.DEAD
    assert await fabrics.find(A) is None


async def test_a_volume_that_was_made_anew_gets_a_new_device(
    fabrics: LoopFabrics, pool: Path
) -> None:
    await fabrics.ensure_connected(target(A))
    (pool / "volumes" / "pvc-a.img").unlink()
    put(pool / "volumes" / "pvc-a.img", b"n")

    device = await fabrics.ensure_connected(target(A))

    found = await fabrics.find(A)
    assert read(device.path) == b"n" * 4096
    assert found is not None
    assert (found.state, found.device) == (LinkState.LIVE, device)
