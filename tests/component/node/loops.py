"""Loop devices and what is done with them in tests."""

import mmap
import os
import subprocess
from pathlib import Path

import pytest

from libs.core.ids import Nqn
from libs.nvmeof.model import Target

PREFIX = "nqn.2000-02.com.mikrotik"
SIZE = 8 << 20
A, B = (Nqn.parse(f"{PREFIX}:pvc-{name}") for name in "ab")

needs_loop_devices = pytest.mark.skipif(
    os.geteuid() != 0 or not Path("/dev/loop-control").exists() or not Path("/sys/block").is_dir(),
    reason="needs root, loop devices and /sys",
)


def make_pool(root: Path) -> Path:
    """Make a directory as the simulated device has one, with two volumes in it."""
    put(root / "pool" / "volumes" / "pvc-a.img", b"a")
    put(root / "pool" / "volumes" / "pvc-b.img", b"b")
    return root / "pool"


def put(path: Path, content: bytes, size: int = SIZE) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content * size)


def target(nqn: Nqn) -> Target:
    return Target(nqn, "192.0.2.1", 4420)


def read(path: str, offset: int = 0) -> bytes:
    """Read one block, from the device and not from the page cache."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, 4096) as block:
            os.preadv(descriptor, [block], offset)
            return block[:]
    finally:
        os.close(descriptor)


def write(path: str, byte: bytes, offset: int = 0) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_DIRECT)
    try:
        with mmap.mmap(-1, 4096) as block:
            block[:] = byte * 4096
            os.pwritev(descriptor, [block], offset)
    finally:
        os.close(descriptor)


def run(*argv: str | Path) -> None:
    subprocess.run(argv, check=True, capture_output=True, timeout=30)  # noqa: S603 (our own words)


def run_anyway(*argv: str | Path) -> None:
    subprocess.run(argv, check=False, capture_output=True, timeout=30)  # noqa: S603 (our own words)
