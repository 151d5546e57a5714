"""What holds the bytes of the simulated device's files, if anything does."""

import fcntl
import os
from pathlib import Path
from typing import Protocol

_FICLONE = 0x40049409
"""linux/fs.h: share the content of a whole file."""
_CHUNK = 1 << 20


class DataPlane(Protocol):
    """Told of every change to a backing file; paths are those of `/file`, sizes are bytes."""

    def resize(self, name: str, size: int) -> None:
        """Make a file, or give one another size."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def copy(self, source: str, target: str) -> None:
        """Make a file with the content of another, sharing it where the filesystem can."""


class NoData:
    """Keeps nothing: for everything that only asks the command line."""

    def resize(self, name: str, size: int) -> None:
        """Do nothing."""

    def remove(self, name: str) -> None:
        """Do nothing."""

    def copy(self, source: str, target: str) -> None:
        """Do nothing."""


class SparseFiles:
    """Keeps each file as a sparse file below a directory."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def resize(self, name: str, size: int) -> None:
        """Make the file with a hole of `size` bytes, or extend it."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            os.truncate(path, size)

    def remove(self, name: str) -> None:
        """Remove the file."""
        self._path(name).unlink(missing_ok=True)

    def copy(self, source: str, target: str) -> None:
        """Share the content by a reflink where the filesystem can (Btrfs, XFS), or copy it."""
        path = self._path(target)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._path(source).open("rb") as old, path.open("wb") as new:
            try:
                fcntl.ioctl(new, _FICLONE, old.fileno())
            except OSError:
                _copy_data(old.fileno(), new.fileno())

    def _path(self, name: str) -> Path:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise ValueError(f"{name} lies outside the directory of the data plane")
        return path


def _copy_data(source: int, target: int) -> None:
    """Copy what a file holds, and leave its holes as holes."""
    size = os.fstat(source).st_size
    os.truncate(target, size)
    at = 0
    while at < size:
        try:
            at = os.lseek(source, at, os.SEEK_DATA)
        except OSError:
            return  # nothing but a hole is left
        end = os.lseek(source, at, os.SEEK_HOLE)
        while at < end:
            at += os.pwrite(target, os.pread(source, min(_CHUNK, end - at), at), at)
