"""Raw block devices: their size, their content, and where they are mounted."""

import fcntl
import os
import struct
from pathlib import Path

from libs.core.size import MIB
from libs.nvmeof.mountinfo import Mount
from tests.component.node.rig import mount_table

SIZE = 64 * MIB
"""The size of a raw volume in tests."""
_BLKGETSIZE64 = 0x80081272
"""Its number in include/uapi/linux/fs.h, as on 64-bit machines."""


def size_of(path: Path) -> int:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        (size,) = struct.unpack("Q", fcntl.ioctl(descriptor, _BLKGETSIZE64, bytes(8)))
    finally:
        os.close(descriptor)
    return int(size)


def number_of(loop: str) -> tuple[int, int]:
    number = Path(loop).stat().st_rdev
    return os.major(number), os.minor(number)


def mounts_of(loop: str) -> list[Mount]:
    """Return the mounts of a device, as of its node that was mounted at a target."""
    table = mount_table().mounts
    return [each for each in table if each.source == loop or each.device == number_of(loop)]


def first_bytes(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)
