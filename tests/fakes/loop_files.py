"""The files below loop devices: cut, copied, made unchangeable, or hidden behind a size."""

import contextlib
import fcntl
import os
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

_SET_STATUS, _GET_STATUS = 0x4C04, 0x4C05  # include/uapi/linux/loop.h
_STATUS_SIZE, _SIZE_LIMIT_AT = 232, 32
_GET_FLAGS, _SET_FLAGS, _IMMUTABLE = 0x80086601, 0x40086602, 0x10  # include/uapi/linux/fs.h
NOTHING = 512
"""Bytes that are left of a device of which nothing can be read: 0 would mean all."""


def can_break(directory: Path) -> bool:
    """Whether the filesystem of a directory heeds the immutable flag of a file that is open."""
    probe = directory / "immutable.probe"
    with probe.open("wb") as file:
        try:
            set_immutable(str(probe), on=True)
            os.pwrite(file.fileno(), b"x", 0)
        except OSError:
            heeded = probe.stat().st_size == 0
        else:
            heeded = False
        finally:
            with contextlib.suppress(OSError):
                set_immutable(str(probe), on=False)
    probe.unlink()
    return heeded


@contextlib.contextmanager
def shrunk(paths: Sequence[str]) -> Iterator[None]:
    """Have devices be so small that nothing gets to their file; what is in hand is finished."""
    for path in paths:
        limit(path, NOTHING)
    try:
        yield
    finally:
        for path in paths:
            limit(path, 0)


def limit(path: str, size: int) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        status = bytearray(_STATUS_SIZE)
        fcntl.ioctl(descriptor, _GET_STATUS, status)
        struct.pack_into("=Q", status, _SIZE_LIMIT_AT, size)
        fcntl.ioctl(descriptor, _SET_STATUS, bytes(status))
    finally:
        os.close(descriptor)


def set_immutable(file: str, *, on: bool) -> None:
    descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    try:
        (flags,) = struct.unpack("l", fcntl.ioctl(descriptor, _GET_FLAGS, bytes(8)))
        flags = flags | _IMMUTABLE if on else flags & ~_IMMUTABLE
        fcntl.ioctl(descriptor, _SET_FLAGS, struct.pack("l", flags))
    finally:
        os.close(descriptor)


def cut(file: str) -> None:
    os.truncate(file, 0)
    set_immutable(file, on=True)
    assert Path(file).stat().st_size == 0, "something was written meanwhile"


def copy(source: str, target: Path) -> None:
    """Give a file the content of another; holes stay holes."""
    with Path(source).open("rb") as old, target.open("r+b" if target.exists() else "wb") as new:
        size = os.fstat(old.fileno()).st_size
        os.truncate(new.fileno(), 0)
        os.truncate(new.fileno(), size)
        at = 0
        while at < size:
            try:
                at = os.lseek(old.fileno(), at, os.SEEK_DATA)
            except OSError:
                break  # nothing but a hole is left
            end = os.lseek(old.fileno(), at, os.SEEK_HOLE)
            while at < end:
                piece = os.pread(old.fileno(), min(1 << 20, end - at), at)
                at += os.pwrite(new.fileno(), piece, at)
        os.fsync(new.fileno())
