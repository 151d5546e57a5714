"""A Btrfs copy on the node of its source: whether both can be mounted is for the kernel to say."""

import asyncio
import os

import pytest
from grpclib.const import Status

from tests.component.node.rig import mounted
from tests.vm.inside.assembled import Assembly, parameters
from tests.vm.inside.plugin import error_of
from tests.vm.inside.writing import fill, sum_of

COPY = "pvc-00000000-0000-0000-0000-000000000077"
BTRFS = mounted("btrfs")


def release() -> tuple[int, int]:
    """Return that of the kernel."""
    major, minor, *_ = os.uname().release.split(".")
    return int(major), int(minor)


async def make_copy(assembly: Assembly) -> str:
    """Make a volume with data, mounted, and a copy of it; return the data's checksum."""
    assembly.classes = parameters("subvolume")
    await assembly.create(capability=BTRFS)
    written = fill(await assembly.bring(capability=BTRFS) / "data")
    await asyncio.to_thread(os.sync)
    source = await assembly.snapshot("snapshot-1")
    await assembly.create(COPY, BTRFS, source=source)
    return written


@pytest.mark.skipif(release() >= (6, 7), reason="this kernel mounts both")
async def test_a_restored_btrfs_waits_until_its_source_is_unmounted(assembly: Assembly) -> None:
    written = await make_copy(assembly)

    status, text = await error_of(assembly.stage(COPY, BTRFS))
    await assembly.take()
    restored = await assembly.bring(COPY, BTRFS)

    assert status is Status.FAILED_PRECONDITION
    assert "with the same UUID" in text
    assert sum_of(restored / "data") == written


@pytest.mark.skipif(release() < (6, 7), reason="this kernel knows a Btrfs by its UUID alone")
async def test_a_restored_btrfs_is_mounted_beside_its_source(assembly: Assembly) -> None:
    written = await make_copy(assembly)
    path = assembly.node.target()

    changed = fill(path / "data")
    restored = await assembly.bring(COPY, BTRFS)

    assert sum_of(restored / "data") == written
    assert sum_of(path / "data") == changed
