"""Controller, node plugin and simulated device together: what becomes of volumes."""

import asyncio
import os
from functools import partial
from pathlib import Path

import pytest

from tests.component.node.rig import MIB, SIZES, mount_table, mounted, raw
from tests.vm.inside.assembled import Assembly, content_of, parameters
from tests.vm.inside.rig import insist
from tests.vm.inside.writing import fill, newest, sum_of, writing
from tests.vm.nvmet import nvme

ROUNDS = 50
MANY = 20


def name_of(number: int) -> str:
    return f"pvc-00000000-0000-0000-0000-{number:012}"


OTHER = name_of(77)


@pytest.mark.parametrize(
    ("fs_type", "layout"), [("ext4", "subvolume"), ("xfs", "file"), ("btrfs", "file")]
)
async def test_a_volume_is_made_used_and_deleted_and_nothing_is_left(
    assembly: Assembly, fs_type: str, layout: str
) -> None:
    assembly.classes = parameters(layout)
    capability = mounted(fs_type)
    await assembly.create(capability=capability)
    written = fill(await assembly.bring(capability=capability) / "data")
    await assembly.take()

    found = sum_of(await assembly.bring(capability=capability) / "data")
    await assembly.take()
    await assembly.delete()

    assert found == written
    assert await assembly.left() == []


async def test_fifty_rounds_of_publishing_a_raw_block_volume_add_no_mount(
    assembly: Assembly,
) -> None:
    await assembly.create(capability=raw())
    await assembly.stage(capability=raw())
    device = await assembly.node.device()
    before = len(mount_table().mounts)
    seen = set()

    for _ in range(ROUNDS):
        status = (await assembly.node.publish(raw())).lstat()
        seen.add((os.major(status.st_rdev), os.minor(status.st_rdev), len(mount_table().mounts)))
        await assembly.node.unpublish()

    assert device is not None
    assert seen == {(*device.number, before)}


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs", "block"])
async def test_a_volume_grows_while_it_is_written_to(assembly: Assembly, fs_type: str) -> None:
    capability = raw() if fs_type == "block" else mounted(fs_type)
    size = SIZES.get(fs_type, 64 * MIB)
    await assembly.create(capability=capability)
    path = await assembly.bring(capability=capability)
    file = path if fs_type == "block" else path / "file"
    before = (await assembly.node.stats(path)).usage[0].total

    async with writing(file) as writer:
        grown = await assembly.grow(2 * size, capability=capability)
        await writer.writes_on()

    assert grown == 2 * size
    assert (await assembly.node.stats(path)).usage[0].total > before + size // 2
    assert writer.lost(file) == []


@pytest.mark.parametrize("fs_type", ["ext4", "xfs"])
async def test_a_snapshot_taken_while_writing_is_restored_larger_beside_its_source(
    assembly: Assembly, fs_type: str
) -> None:
    capability, size = mounted(fs_type), SIZES[fs_type]
    assembly.classes = parameters("subvolume")
    await assembly.create(capability=capability)
    path = await assembly.bring(capability=capability)
    kept = fill(path / "kept")
    await asyncio.to_thread(os.sync)

    async with writing(path / "file") as writer:
        before = writer.count
        source = await assembly.snapshot("snapshot-1")
        after = writer.count
        await writer.writes_on()
    changed = fill(path / "kept")
    await assembly.create(OTHER, capability, size=2 * size, source=source)
    restored = await assembly.bring(OTHER, capability)

    assert sum_of(restored / "kept") == kept
    assert sum_of(path / "kept") == changed
    assert before - 1 <= newest(restored / "file") <= after
    assert (await assembly.node.stats(restored, OTHER)).usage[0].total > size * 3 // 2
    assert (await assembly.node.stats(path)).usage[0].total <= size


async def test_a_clone_has_what_its_source_had_and_goes_its_own_way(assembly: Assembly) -> None:
    assembly.classes = parameters("subvolume")
    await assembly.create()
    path = await assembly.bring()
    first = fill(path / "data")
    await asyncio.to_thread(os.sync)

    await assembly.create(OTHER, source=content_of())
    second = fill(path / "data")
    clone = await assembly.bring(OTHER)
    cloned = sum_of(clone / "data")
    fill(clone / "data")

    assert cloned == first
    assert sum_of(path / "data") == second


async def test_nvme_cli_lists_and_can_undo_what_the_plugin_made(assembly: Assembly) -> None:
    volume = await assembly.create()
    await assembly.stage()
    nqn = volume.volume_context.get("nvme_nqn") or (await assembly.attach())["nvme_nqn"]
    listed = nvme("list-subsys", "-o", "json")

    await assembly.node.unstage()
    await assembly.stage()
    undone = nvme("disconnect", f"--nqn={nqn}")
    await assembly.node.unstage()

    assert nqn in listed
    assert "disconnected 1 controller" in undone
    assert assembly.node.leftovers() == []


async def test_twenty_volumes_are_staged_at_once(assembly: Assembly) -> None:
    names = [name_of(number) for number in range(MANY)]
    await asyncio.gather(*(assembly.create(name) for name in names))

    await asyncio.gather(*(insist(partial(assembly.stage, name)) for name in names))
    mounts = {Path(mount.point).parent.name for mount in assembly.node.mounts()}
    await asyncio.gather(*(insist(partial(assembly.node.unstage, name)) for name in names))
    await asyncio.gather(*(assembly.detach(name) for name in names))
    await asyncio.gather(*(assembly.delete(name) for name in names))

    assert mounts == set(names)
    assert await assembly.left() == []
