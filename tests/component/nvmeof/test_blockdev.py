"""Devices, read and held; loop devices stand in for them."""

import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from libs.core.size import MIB
from libs.nvmeof.blockdev import (
    Hold,
    erase_unfinished,
    flush,
    is_claimed,
    read_device,
    set_read_only,
)
from libs.nvmeof.errors import DeviceInUse, NoDevice
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.mounter import make_node, node_number
from tests.component.node.rig import needs_mounts
from tests.component.nvmeof.disks import make_disk, only_for_now, run

pytestmark = needs_mounts

SIZE = 16 * MIB
OURS = UUID("6a1c5c1e-7e2f-4a56-9b1f-0d3d6f7b8a90")


def _writable(device: BlockDevice) -> None:
    set_read_only(device, read_only=False)


@pytest.fixture
def image(tmp_path: Path) -> Iterator[Path]:
    with only_for_now(tmp_path):
        yield tmp_path / "disk.img"


@pytest.fixture
def disk(image: Path) -> BlockDevice:
    return make_disk(image, SIZE)


def unfinished(uuid: UUID = OURS, flag: int = 1) -> bytes:
    """Return the superblock of an XFS that mkfs has not finished."""
    raw = bytearray(512)
    raw[:4] = b"XFSB"
    raw[32:48] = uuid.bytes
    raw[126] = flag
    return bytes(raw)


def put(image: Path, content: bytes) -> None:
    with image.open("r+b") as file:
        file.write(content)


def test_a_device_is_read_at_its_start_middle_and_end(disk: BlockDevice, image: Path) -> None:
    put(image, b"head")

    reading = read_device(disk)

    assert (reading.size, reading.readable) == (SIZE, True)
    assert reading.head[:5] == b"head\0"


def test_what_is_read_is_on_the_device_and_not_in_the_page_cache(
    disk: BlockDevice, image: Path
) -> None:
    Path(disk.path).read_bytes()
    put(image, b"new")

    assert read_device(disk).head[:3] == b"new"


@pytest.mark.parametrize("size", [0, 64 * 1024, 512 * 1024, SIZE - 4096, SIZE - 512])
def test_a_device_whose_end_is_missing_is_not_readable(
    disk: BlockDevice, image: Path, size: int
) -> None:
    os.truncate(image, size)

    reading = read_device(disk)

    assert reading.size == SIZE
    assert not reading.readable


@pytest.mark.parametrize("call", [read_device, flush, is_claimed, _writable])
def test_what_is_not_that_very_device_is_no_device(
    disk: BlockDevice, image: Path, call: Callable[[BlockDevice], object]
) -> None:
    others = [
        replace(disk, path=str(image)),
        replace(disk, path=f"{image}.absent"),
        replace(disk, number=(disk.number[0], disk.number[1] + 1)),
        replace(disk, path="/dev/null"),
    ]

    for other in others:
        with pytest.raises(NoDevice):
            call(other)
    assert not Path(f"{image}.absent").exists()


def test_a_link_to_a_device_is_not_followed(disk: BlockDevice, image: Path) -> None:
    link = image.with_name("link")
    link.symlink_to(disk.path)

    with pytest.raises(NoDevice):
        read_device(replace(disk, path=str(link)))


def test_a_mounted_device_is_claimed_and_one_that_is_only_open_is_not(
    disk: BlockDevice, image: Path
) -> None:
    run("mkfs.ext4", "-q", disk.path)
    point = image.with_name("point")
    point.mkdir()

    with Path(disk.path).open("rb"):
        opened = is_claimed(disk)
    run("mount", disk.path, point)
    mounted = is_claimed(disk)
    run("umount", point)

    assert (opened, mounted, is_claimed(disk)) == (False, True, False)


def test_what_is_flushed_is_in_the_file(disk: BlockDevice, image: Path) -> None:
    with Path(disk.path).open("r+b") as device:
        device.write(b"written")
        device.flush()
        flush(disk)

        assert image.read_bytes()[:7] == b"written"


def test_a_device_refuses_writes_when_told_so_and_admits_them_again(disk: BlockDevice) -> None:
    set_read_only(disk, read_only=True)
    with Path(disk.path).open("r+b") as device:
        device.write(b"refused")
        with pytest.raises(PermissionError):
            device.flush()
        set_read_only(disk, read_only=False)
        device.flush()

    assert read_device(disk).readable


def test_a_loop_device_that_refused_writes_admits_those_to_its_next_file(
    disk: BlockDevice, image: Path
) -> None:
    set_read_only(disk, read_only=True)
    run("losetup", "-d", disk.path)

    again = make_disk(image.with_name("next.img"), MIB)

    Path(again.path).write_bytes(b"admitted")


def test_what_we_began_and_never_finished_is_erased(disk: BlockDevice, image: Path) -> None:
    put(image, unfinished() + b"behind")

    erase_unfinished(disk, OURS)

    assert image.read_bytes()[:519] == bytes(512) + b"behind\0"


@pytest.mark.parametrize(
    "content", [b"", unfinished(UUID(int=1)), unfinished(flag=0), b"data" * 200]
)
def test_nothing_else_is_erased(disk: BlockDevice, image: Path, content: bytes) -> None:
    put(image, content)

    with pytest.raises(DeviceInUse, match="never finished"):
        erase_unfinished(disk, OURS)

    assert image.read_bytes()[: len(content)] == content


def test_what_is_mounted_is_not_erased(disk: BlockDevice, image: Path) -> None:
    run("mkfs.ext4", "-q", disk.path)
    point = image.with_name("point")
    point.mkdir()
    run("mount", disk.path, point)

    with pytest.raises(DeviceInUse, match="is in use"):
        erase_unfinished(disk, OURS)


def test_a_device_node_is_put_in_the_place_of_another_one(tmp_path: Path) -> None:
    path = tmp_path / "node"

    make_node(path, (7, 1))
    make_node(path, (7, 2))

    assert node_number(path) == (7, 2)
    assert node_number(tmp_path / "absent") is None
    assert node_number(tmp_path) is None
    assert list(tmp_path.iterdir()) == [path]


def test_a_device_that_gives_errors_is_not_erased(disk: BlockDevice, image: Path) -> None:
    put(image, unfinished())
    os.truncate(image, 0)

    with pytest.raises(NoDevice, match="cannot be erased"):
        erase_unfinished(disk, OURS)


def holders(device: BlockDevice) -> int:
    """Return how often this process has a device open."""
    links = (entry for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink())
    return sum(str(link.readlink()) == device.path for link in links)


def test_a_device_is_held_until_it_is_released(disk: BlockDevice) -> None:
    hold = Hold(disk)

    hold.take()
    held = holders(disk)
    hold.release()
    hold.release()

    assert (held, holders(disk)) == (1, 0)


def test_a_device_that_is_opened_too_late_is_not_kept(disk: BlockDevice) -> None:
    hold = Hold(disk)

    hold.release()
    hold.take()

    assert holders(disk) == 0
