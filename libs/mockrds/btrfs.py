"""Btrfs subvolumes, made and removed by the ioctls of linux/btrfs.h."""

import errno
import fcntl
import os
import struct
from pathlib import Path

_SUBVOL_CREATE = 0x5000940E
_SNAP_DESTROY = 0x5000940F
_SNAP_CREATE_V2 = 0x50009417
_READ_ONLY = 1 << 1
_FIRST_INODE = 256
"""Of the root of a subvolume (BTRFS_FIRST_FREE_OBJECTID)."""


def is_subvolume(path: Path) -> bool:
    """Whether a directory on Btrfs is a subvolume; other filesystems use the number, too."""
    return path.is_dir() and path.stat().st_ino == _FIRST_INODE


def make_subvolume(path: Path) -> bool:
    """Make an empty subvolume; False where the filesystem is not Btrfs.

    Raises:
        OSError: it exists, or Btrfs cannot.
    """
    return _ioctl(path.parent, _SUBVOL_CREATE, _named(path.name))


def snapshot(source: Path, target: Path, *, read_only: bool) -> bool:
    """Make a snapshot of a subvolume; False where it is none, or the filesystem is not Btrfs.

    Raises:
        OSError: the target exists, or Btrfs cannot.
    """
    if not is_subvolume(source):
        return False
    descriptor = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
    try:
        flags = _READ_ONLY if read_only else 0
        # struct btrfs_ioctl_vol_args_v2: fd, transid, flags, 32 bytes unused, name[4040].
        head = struct.pack("=qQQ32x", descriptor, 0, flags)
        given = bytearray(head + os.fsencode(target.name).ljust(4040, b"\0"))
        return _ioctl(target.parent, _SNAP_CREATE_V2, given)
    finally:
        os.close(descriptor)


def remove_subvolume(path: Path) -> bool:
    """Remove a subvolume with all in it; False where it is none, or not on Btrfs.

    Raises:
        OSError: Btrfs cannot.
    """
    return is_subvolume(path) and _ioctl(path.parent, _SNAP_DESTROY, _named(path.name))


def _named(name: str) -> bytearray:
    # struct btrfs_ioctl_vol_args: fd, name[4088].
    return bytearray(struct.pack("=q", 0) + os.fsencode(name).ljust(4088, b"\0"))


def _ioctl(directory: Path, request: int, given: bytearray) -> bool:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.ioctl(descriptor, request, given)
    except OSError as error:
        if error.errno == errno.ENOTTY:
            return False
        raise
    finally:
        os.close(descriptor)
    return True
