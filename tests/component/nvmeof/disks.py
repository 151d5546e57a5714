"""Loop devices for tests of what is done with disks; at the end nothing of them is left."""

import contextlib
import subprocess
from collections.abc import Iterator
from pathlib import Path

from libs.nvmeof import loopdev
from libs.nvmeof.model import BlockDevice
from tests.component.node.rig import mount_table


def run(*argv: str | Path) -> str:
    done = subprocess.run(argv, check=True, capture_output=True, text=True, timeout=30)  # noqa: S603 (our own words)
    return done.stdout


def make_disk(image: Path, size: int) -> BlockDevice:
    """Make a loop device of a new file."""
    with image.open("wb") as file:
        file.truncate(size)
    return attach(image)


def attach(image: Path) -> BlockDevice:
    with image.open("r+b") as file:
        return loopdev.attach(file.fileno())


@contextlib.contextmanager
def only_for_now(path: Path) -> Iterator[Path]:
    """Unmount what is mounted below a directory, and detach its loop devices, at the end."""
    try:
        yield path
    finally:
        for mount in mount_table().below(str(path)):
            subprocess.run(["umount", "-l", mount.point], check=False)  # noqa: S603, S607
        for loop in loopdev.list_loops():
            if loop.file.startswith(f"{path}/"):
                loopdev.detach(loop)
