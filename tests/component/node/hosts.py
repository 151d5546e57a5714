"""The host of a node plugin under test: a directory, and what is mounted and attached there."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.component.node.rig import loops_below, mount_table, why_not


@contextlib.contextmanager
def clean_host(path: Path) -> Iterator[None]:
    """Leave no mount and no loop device behind, whatever a test did."""
    try:
        yield
    finally:
        for mount in mount_table().below(str(path / "kubelet")):
            subprocess.run(["umount", "-l", mount.point], check=False)  # noqa: S603, S607
        for loop in list(loops_below(path / "images")):
            subprocess.run(["losetup", "-d", loop], check=False)  # noqa: S603, S607


@contextlib.contextmanager
def in_memory(path: Path) -> Iterator[None]:
    """Keep what is below a directory in memory.

    Filesystems sync a lot, and the disks of some machines are slow at that.
    """
    path.mkdir(exist_ok=True)
    if why_not():
        yield
        return
    subprocess.run(["mount", "-t", "tmpfs", "-o", "mode=700", "host", path], check=True)  # noqa: S603, S607
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=False)  # noqa: S603, S607
