"""What else may be at a target: what is not the driver's is never replaced or removed."""

import asyncio
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from grpclib.const import Status

from tests.component.controller.rig import error_of
from tests.component.node.blocks import SIZE, size_of
from tests.component.node.loops import run_anyway
from tests.component.node.rig import NAME, NodeRig, mounted, needs_mounts, raw

pytestmark = needs_mounts


async def test_a_filesystem_volume_is_not_published_as_a_device_nor_the_reverse(
    rig: NodeRig,
) -> None:
    block = f"{NAME[:-1]}2"
    await rig.stage(mounted())
    await rig.stage(raw(), block)

    as_device = await error_of(rig.publish(raw()))
    as_filesystem = await error_of(rig.publish(mounted(), name=block))

    for status, text in (as_device, as_filesystem):
        assert status is Status.INVALID_ARGUMENT
        assert "volume_capability must be that of the staged volume" in text
    assert not rig.target().exists()
    assert not rig.target(name=block).exists()


async def test_a_node_of_a_device_that_has_gone_is_replaced(rig: NodeRig) -> None:
    await rig.stage(raw())
    os.mknod(rig.target(), 0o600 | stat.S_IFBLK, os.makedev(7, 4000))

    target = await rig.publish(raw())

    assert size_of(target) == SIZE
    assert stat.S_IMODE(target.lstat().st_mode) == 0o660


def put_file(path: Path) -> None:
    path.write_text("somebody's")


def put_link(path: Path) -> None:
    path.symlink_to("/dev/null")


def identity_of(path: Path) -> tuple[int, int, int]:
    """Return what tells a file from another one; looking at it does not change that."""
    status = path.lstat()
    return status.st_ino, status.st_mode, status.st_ctime_ns


OTHERS: dict[str, Callable[[Path], object]] = {
    "file": put_file,
    "link": put_link,
    "directory": Path.mkdir,
    "pipe": os.mkfifo,
}


@pytest.mark.parametrize("other", OTHERS)
async def test_what_is_not_a_device_node_is_never_replaced_or_removed(
    rig: NodeRig, other: str
) -> None:
    await rig.stage(raw())
    OTHERS[other](rig.target())
    before = identity_of(rig.target())

    status, text = await error_of(rig.publish(raw()))

    assert status is Status.ALREADY_EXISTS
    assert str(rig.target()) in text
    assert identity_of(rig.target()) == before
    await rig.unstage()  # nothing counts as published


async def test_a_mount_of_somebody_else_at_a_path_that_is_no_text_is_in_nobodys_way(
    rig: NodeRig,
) -> None:
    odd = os.fsencode(rig.kubelet.parent) + b"/\xff"
    os.mkdir(odd)  # noqa: PTH102 (no text)
    await asyncio.to_thread(run_anyway, "mount", "-t", "tmpfs", "tmpfs", os.fsdecode(odd))

    try:
        await rig.stage(raw())
        target = await rig.publish(raw())
    finally:
        await asyncio.to_thread(run_anyway, "umount", os.fsdecode(odd))

    assert size_of(target) == SIZE
