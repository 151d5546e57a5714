"""Data on a volume: written block by block, and looked for afterwards."""

import asyncio
import contextlib
import hashlib
import os
import threading
from collections.abc import AsyncIterator
from pathlib import Path

from tests.component.node.rig import (
    MIB,
)
from tests.vm.inside.rig import DEADLINE, until

_BLOCK = 4096
_SLOTS = 256


class Writer:
    """Writes numbered blocks, each synced, as a database does; knows what has to be there."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.count = 0
        self.stop = threading.Event()

    def run(self) -> None:
        descriptor = os.open(self._path, os.O_RDWR)
        try:
            while not self.stop.is_set():
                block = self.count.to_bytes(8, "big") * (_BLOCK // 8)
                os.pwrite(descriptor, block, self.count % _SLOTS * _BLOCK)
                os.fsync(descriptor)
                self.count += 1
        finally:
            os.close(descriptor)

    async def writes_on(self, blocks: int = 20) -> None:
        """Wait until so many more blocks are on the device."""
        goal = self.count + blocks

        async def reached() -> bool:
            return self.count >= goal

        await until(reached)

    def lost(self, path: Path) -> list[int]:
        """Return the numbers of the blocks that are not what was last written there."""
        drop_caches()
        with path.open("rb") as file:
            data = file.read(min(self.count, _SLOTS) * _BLOCK)

        def is_there(number: int) -> bool:
            at = number % _SLOTS * _BLOCK
            return data[at : at + _BLOCK] == number.to_bytes(8, "big") * (_BLOCK // 8)

        numbers = range(max(0, self.count - _SLOTS), self.count)
        return [number for number in numbers if not is_there(number)]


def newest(path: Path) -> int:
    """Return the number of the latest block that a writer left in a file; -1 if there is none."""
    data = path.read_bytes()[: _SLOTS * _BLOCK]
    blocks = (data[at : at + _BLOCK] for at in range(0, len(data), _BLOCK))
    numbers = [int.from_bytes(b[:8], "big") for b in blocks if b == b[:8] * (_BLOCK // 8)]
    return max(numbers, default=-1)


def drop_caches() -> None:
    Path("/proc/sys/vm/drop_caches").write_text("3")


@contextlib.asynccontextmanager
async def writing(path: Path) -> AsyncIterator[Writer]:
    """Write until the end of the block, and fail if a write did."""
    await asyncio.to_thread(_make, path)
    writer = Writer(path)
    task = asyncio.create_task(asyncio.to_thread(writer.run))
    try:
        await writer.writes_on()
        yield writer
    finally:
        writer.stop.set()
        done, _ = await asyncio.wait({task}, timeout=DEADLINE)
    assert done, "a write hangs"
    await task


def _make(path: Path) -> None:
    if not path.exists():
        path.touch()


def fill(path: Path, size: int = MIB) -> str:
    """Write random data, unsynced, and return its checksum."""
    data = os.urandom(size)
    with path.open("r+b" if path.exists() else "wb") as file:
        file.write(data)
    return hashlib.sha256(data).hexdigest()


def sum_of(path: Path, size: int = MIB) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(size)).hexdigest()
