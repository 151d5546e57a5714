"""The configuration of Linux's NVMe target as a tree of directories, files and links."""

import os
from pathlib import Path
from typing import Protocol

from libs.core.errors import Unsupported

ROOT = Path("/sys/kernel/config/nvmet")


class Tree(Protocol):
    """The configuration of a target; paths are relative to its root."""

    def names(self, path: str) -> list[str]:
        """Return what is in a directory."""

    def exists(self, path: str) -> bool:
        """Whether there is something."""

    def read(self, path: str) -> str:
        """Return what a file has, without the newline."""

    def write(self, path: str, text: str) -> None:
        """Write a file that exists."""

    def make(self, path: str) -> None:
        """Make a directory."""

    def remove(self, path: str) -> None:
        """Remove a directory."""

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link to another path of the tree."""

    def unlink(self, path: str) -> None:
        """Remove a symbolic link."""


class KernelTree:
    """The tree of the running kernel."""

    def __init__(self, root: Path = ROOT) -> None:
        self._root = root

    def names(self, path: str) -> list[str]:
        """Return what is in a directory."""
        return sorted(each.name for each in (self._root / path).iterdir())

    def exists(self, path: str) -> bool:
        """Whether there is something."""
        return (self._root / path).exists()

    def read(self, path: str) -> str:
        """Return what a file has, without the newline."""
        return (self._root / path).read_text().strip()

    def write(self, path: str, text: str) -> None:
        """Write a file that exists; some may only be written, and none is made."""
        descriptor = os.open(self._root / path, os.O_WRONLY)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)

    def make(self, path: str) -> None:
        """Make a directory."""
        (self._root / path).mkdir()

    def remove(self, path: str) -> None:
        """Remove a directory."""
        (self._root / path).rmdir()

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link to another path of the tree."""
        (self._root / path).symlink_to(self._root / target)

    def unlink(self, path: str) -> None:
        """Remove a symbolic link."""
        (self._root / path).unlink()


def kernel_tree(root: Path = ROOT) -> KernelTree:
    """Return the tree of the running kernel.

    Raises:
        Unsupported: there is none, or this process may not change it.
    """
    if not root.is_dir():
        raise Unsupported(
            "this kernel's NVMe target cannot be reached: load it (modprobe nvmet-tcp), and mount "
            f"its configuration (mount -t configfs configfs {root.parent})"
        )
    if os.geteuid() or not os.access(root / "subsystems", os.W_OK):
        raise Unsupported("only root can use this kernel's NVMe target")
    return KernelTree(root)
