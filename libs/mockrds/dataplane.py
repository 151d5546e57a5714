"""What holds the bytes of the simulated device's files, if anything does."""

import errno
import fcntl
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from libs.mockrds import btrfs
from libs.mockrds.exports import Export

_FICLONE = 0x40049409
"""linux/fs.h: share the content of a whole file."""
_CHUNK = 1 << 20


class DataPlane(Protocol):
    """Told of every change to a backing file; paths are those of `/file`, sizes are bytes."""

    exports: bool
    """Whether hosts can reach the disks. Then every method may block for a while."""

    def resize(self, name: str, size: int) -> None:
        """Make a file, or give one another size."""

    def remove(self, name: str) -> None:
        """Remove a file."""

    def copy(self, source: str, target: str) -> None:
        """Make a file with the content of another, sharing it where the filesystem can."""

    def blank(self, name: str) -> None:
        """Forget the content of a file."""

    def make_subvolume(self, name: str) -> None:
        """Make a directory that can be snapshotted."""

    def snapshot(self, source: str, target: str, *, read_only: bool) -> None:
        """Make a directory with the content of another at this moment."""

    def remove_subvolume(self, name: str) -> None:
        """Remove a directory with all that is in it."""

    def export(self, wanted: Sequence[Export]) -> None:
        """Offer these disks to hosts, and no others; a backing file has its size already.

        Raises:
            ConsoleError: that is not possible; some of it may have been done.
        """

    def withdraw(self) -> None:
        """Offer nothing until `restore`; what is asked for meanwhile is remembered."""

    def restore(self) -> None:
        """Offer again what is wanted."""


class _Unexported:
    """A plane whose disks nobody can reach."""

    exports = False

    def export(self, wanted: Sequence[Export]) -> None:
        """Do nothing."""

    def withdraw(self) -> None:
        """Do nothing."""

    def restore(self) -> None:
        """Do nothing."""


class NoData(_Unexported):
    """Keeps nothing: for everything that only asks the command line."""

    def resize(self, name: str, size: int) -> None:
        """Do nothing."""

    def remove(self, name: str) -> None:
        """Do nothing."""

    def copy(self, source: str, target: str) -> None:
        """Do nothing."""

    def blank(self, name: str) -> None:
        """Do nothing."""

    def make_subvolume(self, name: str) -> None:
        """Do nothing."""

    def snapshot(self, source: str, target: str, *, read_only: bool) -> None:
        """Do nothing."""

    def remove_subvolume(self, name: str) -> None:
        """Do nothing."""


class SparseFiles(_Unexported):
    """Keeps each file as a sparse file below a directory; on Btrfs, subvolumes are real."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def resize(self, name: str, size: int) -> None:
        """Make the file with a hole of `size` bytes, or extend it."""
        path = self._path(name)
        if path.exists() and path.stat().st_size == size:
            return  # also where it could not be written, in a read-only snapshot
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
        _copy(self._path(source), path)

    def blank(self, name: str) -> None:
        """Put a hole of the same size in the file's place; what is frozen stays as it is."""
        path = self._path(name)
        size = path.stat().st_size
        try:
            path.unlink()
        except OSError as error:
            if error.errno == errno.EROFS:
                return
            raise
        self.resize(name, size)

    def make_subvolume(self, name: str) -> None:
        """Make a subvolume, or a directory where the filesystem has none."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if not btrfs.make_subvolume(path):
            path.mkdir()

    def snapshot(self, source: str, target: str, *, read_only: bool) -> None:
        """Make a snapshot, or copy file by file where the filesystem has none."""
        old, new = self._path(source), self._path(target)
        new.parent.mkdir(parents=True, exist_ok=True)
        files = sorted(path for path in old.rglob("*") if path.is_file())
        for path in files:
            _flush(path)  # what a host has written through the page cache belongs to the moment
        if btrfs.snapshot(old, new, read_only=read_only):
            return
        new.mkdir()
        for path in files:
            copy = new / path.relative_to(old)
            copy.parent.mkdir(parents=True, exist_ok=True)
            _copy(path, copy)

    def remove_subvolume(self, name: str) -> None:
        """Remove a subvolume or directory."""
        path = self._path(name)
        if path.exists() and not btrfs.remove_subvolume(path):
            shutil.rmtree(path)

    def _path(self, name: str) -> Path:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise ValueError(f"{name} lies outside the directory of the data plane")
        return path


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: Path, target: Path) -> None:
    with source.open("rb") as old, target.open("wb") as new:
        try:
            fcntl.ioctl(new, _FICLONE, old.fileno())
        except OSError:
            _copy_data(old.fileno(), new.fileno())


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
