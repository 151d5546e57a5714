"""Processes' clocks: each has one of its own, which is set while it runs.

A library of sixty lines, `clock.c`, is loaded before the C library and answers for it. What
measures time (the monotonic clock, and that since boot) goes on as ever: only the time of day is
another. libfaketime does the same and more, but lets a process wait for its own threads at every
look at a clock: with it the same run came to a tenth of the operations.
"""

import asyncio
import os
import shutil
import struct
from pathlib import Path

COMPILER = shutil.which("cc")
"""What makes the library; without it, all processes have the machine's clock."""

_SOURCE = Path(__file__).with_name("clock.c")


async def build_library(directory: Path) -> Path | None:
    """Compile what sets clocks, and return where it is; None where there is no compiler.

    Raises:
        RuntimeError: it does not compile.
    """
    if COMPILER is None:
        return None
    library = directory / "clock.so"
    flags = ("-shared", "-fPIC", "-O2", "-Wall", "-Werror", "-o", str(library))
    process = await asyncio.create_subprocess_exec(COMPILER, *flags, str(_SOURCE), "-ldl")
    if await asyncio.wait_for(process.wait(), 60):
        raise RuntimeError(f"{_SOURCE.name} does not compile")
    return library


def environment(library: Path | None, clock: Path) -> dict[str, str]:
    """Return with which environment a process has that clock; the machine's without the library."""
    if library is None:
        return {}
    return {"LD_PRELOAD": str(library), "RDS_CHAOS_CLOCK": str(clock)}


def set_clock(clock: Path, seconds: float) -> None:
    """Set a clock to so many seconds after, or before, the machine's.

    In place, because processes have the file mapped: 8 bytes that are written at once.
    """
    file = os.open(clock, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(file, struct.pack("=q", round(seconds)), 0)
    finally:
        os.close(file)
