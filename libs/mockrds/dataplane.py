"""What holds the bytes of the simulated device's files, if anything does."""

import os
from pathlib import Path
from typing import Protocol


class DataPlane(Protocol):
    """Told of every change to a backing file; paths are those of `/file`, sizes are bytes."""

    def resize(self, name: str, size: int) -> None:
        """Make a file, or give one another size."""

    def remove(self, name: str) -> None:
        """Remove a file."""


class NoData:
    """Keeps nothing: for everything that only asks the command line."""

    def resize(self, name: str, size: int) -> None:
        """Do nothing."""

    def remove(self, name: str) -> None:
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

    def _path(self, name: str) -> Path:
        path = (self._root / name).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise ValueError(f"{name} lies outside the directory of the data plane")
        return path
