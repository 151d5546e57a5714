"""Reading block devices themselves. All of it blocks: it is run through `offload`.

A device is opened without being created: a redirection to the name of a disk that has gone makes an
ordinary file of that name, which then passes for the disk.
"""

import contextlib
import errno
import fcntl
import mmap
import os
import stat
import struct
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from libs.core.size import MIB
from libs.nvmeof.errors import DeviceInUse, NoDevice
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.superblock import HEAD, XFS_SECTOR, parse_superblock

_BLKGETSIZE64 = 0x80081272
_BLKFLSBUF = 0x1261
BLKROSET = 0x125D
"""ioctl numbers of include/uapi/linux/fs.h, as on 64-bit machines."""

_PIECE = 4096


@dataclass(frozen=True, slots=True)
class Reading:
    """What reading a device gave.

    Attributes:
        size: bytes, as the kernel has it.
        head: its first bytes; empty where they could not be read.
        readable: whether its start, 1 MiB into it, and its end were all read.
    """

    size: int
    head: bytes
    readable: bool


def read_device(device: BlockDevice) -> Reading:
    """Read a device's start, middle and end, from the device and not from the page cache.

    Raises:
        NoDevice: it is not there, or another one is.
    """
    with _opened(device, os.O_RDONLY | os.O_DIRECT) as descriptor:
        size = _size(descriptor)
        try:
            head = _read(descriptor, 0, min(HEAD, size))
            readable = len(head) == min(HEAD, size)
            for offset in (MIB, size - _PIECE):
                if 0 <= offset <= size - _PIECE:
                    readable = readable and len(_read(descriptor, offset, _PIECE)) == _PIECE
        except OSError:
            return Reading(size, b"", readable=False)
        return Reading(size, head, readable and size >= _PIECE)


def flush(device: BlockDevice) -> None:
    """Write out what the page cache holds for a device.

    Raises:
        NoDevice: it is not there, another one is, or it takes no writes any more.
    """
    with _opened(device, os.O_RDONLY) as descriptor:
        try:
            os.fsync(descriptor)
            fcntl.ioctl(descriptor, _BLKFLSBUF)
        except OSError as error:
            raise NoDevice("the device takes no writes any more", detail=repr(error)) from error


class Hold:
    """Keeps a device's name and number from being given to another one, while it lives.

    The kernel gives both away only when nobody has the device open. It is no exclusive use.
    """

    def __init__(self, device: BlockDevice) -> None:
        self.device = device
        self._opened: contextlib.AbstractContextManager[int] | None = None
        self._is_over = False
        self._lock = threading.Lock()

    def take(self) -> None:
        """Open the device.

        Raises:
            NoDevice: it is not there, or another one is.
        """
        opened = _opened(self.device, os.O_RDONLY)
        opened.__enter__()
        with self._lock:
            if not self._is_over:
                self._opened = opened
                return
        opened.__exit__(None, None, None)

    def release(self) -> None:
        """Let go of the device, also of one that is only just being opened.

        Whoever closes a block device last waits until all is written that it has to write
        (Linux: block/bdev.c, blkdev_put): without a path to it, until the connection is given up.
        """
        with self._lock:
            self._is_over = True
            opened, self._opened = self._opened, None
        if opened is not None:
            opened.__exit__(None, None, None)


def set_read_only(device: BlockDevice, *, read_only: bool) -> None:
    """Have the kernel refuse all writes to a device, or admit them again.

    Raises:
        NoDevice: it is not there, another one is, or the kernel cannot do that.
    """
    with _opened(device, os.O_RDONLY) as descriptor:
        try:
            fcntl.ioctl(descriptor, BLKROSET, struct.pack("i", read_only))
        except OSError as error:
            state = "read-only" if read_only else "writable"
            raise NoDevice(f"the device cannot be made {state}", detail=repr(error)) from error


def is_claimed(device: BlockDevice) -> bool:
    """Whether a filesystem in any mount namespace, a mapping or an array holds a device.

    The kernel admits one exclusive opener of a block device (open(2), O_EXCL), and these are such.

    Raises:
        NoDevice: it is not there, or another one is.
    """
    try:
        with _opened(device, os.O_RDONLY | os.O_EXCL):
            return False
    except DeviceInUse:
        return True


def erase_unfinished(device: BlockDevice, uuid: UUID) -> None:
    """Erase the superblock of a filesystem that we began to make and that mkfs never finished.

    The device is held exclusively meanwhile, and what is erased is looked at once more.

    Raises:
        DeviceInUse: something uses the device, or what is on it is not that.
        NoDevice: it is not there, another one is, or it cannot be read or written any more.
    """
    with _opened(device, os.O_RDWR | os.O_EXCL) as descriptor:
        try:
            found = parse_superblock(os.pread(descriptor, HEAD, 0))
            if found is None or not found.unfinished or found.uuid != uuid:
                raise DeviceInUse(
                    "what is on the device is not a filesystem that was never finished"
                )
            os.pwrite(descriptor, bytes(XFS_SECTOR), 0)
            os.fsync(descriptor)
        except OSError as error:
            raise NoDevice("the device cannot be erased", detail=repr(error)) from error


@contextlib.contextmanager
def _opened(device: BlockDevice, flags: int) -> Iterator[int]:
    try:
        descriptor = os.open(device.path, flags | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.EBUSY:
            raise DeviceInUse(f"{device.path} is in use", detail=repr(error)) from error
        raise NoDevice(f"{device.path} cannot be opened", detail=repr(error)) from error
    try:
        status = os.fstat(descriptor)
        number = (os.major(status.st_rdev), os.minor(status.st_rdev))
        if not stat.S_ISBLK(status.st_mode) or number != device.number:
            raise NoDevice(
                f"{device.path} is not the block device {device.number[0]}:{device.number[1]}"
            )
        yield descriptor
    finally:
        os.close(descriptor)


def _size(descriptor: int) -> int:
    try:
        answer = fcntl.ioctl(descriptor, _BLKGETSIZE64, bytes(8))
    except OSError as error:
        raise NoDevice("the device does not tell its size", detail=repr(error)) from error
    (size,) = struct.unpack("Q", answer)
    return int(size)


def _read(descriptor: int, offset: int, count: int) -> bytes:
    """Read into memory that is aligned as direct I/O wants it."""
    with mmap.mmap(-1, count) as buffer:
        got = os.preadv(descriptor, [buffer], offset)
        return buffer[:got]
