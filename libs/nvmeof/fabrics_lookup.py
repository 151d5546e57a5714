"""Finding subsystems by NQN, off the event loop, with a memory that is never believed blindly."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from libs.nvmeof.fabrics_tree import Index, NvmeTree, Places
from libs.nvmeof.offload import Offload
from libs.nvmeof.sysfs import Subsystem

T = TypeVar("T")

CACHE_SECONDS = 10.0
"""How long it is remembered in which directory a subsystem is."""

_KEY = "the NVMe part of sysfs"
_AT_ONCE = 4
_READ_SECONDS = 10.0


class Lookup:
    """What the kernel has of subsystems.

    Only where they are is remembered, so that a hundred questions about a hundred volumes are not
    ten thousand files. A hit is read anew with its NQN, and what is not found is looked for in the
    whole tree, so no answer is older than its question.

    Args:
        tree: sysfs.
        offload: where calls that may hang are run.
        clock: returns seconds.
    """

    def __init__(
        self, tree: NvmeTree, offload: Offload, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._tree = tree
        self._offload = offload
        self._clock = clock
        self._index: Index = {}
        self._good_until = float("-inf")
        self._epoch = 0
        self._slots = asyncio.Semaphore(_AT_ONCE)
        self._reads: set[asyncio.Task[object]] = set()

    async def find(self, nqn: str) -> Subsystem | None:
        """Return what the kernel has of a subsystem; None if it does not know it.

        Raises:
            HostHangs: sysfs does not answer.
            Unreachable: it cannot be read.
        """
        places = self._index.get(nqn) if self._clock() < self._good_until else None
        if places is not None:
            seen = await self._read(lambda: self._tree.read(nqn, places))
            if seen is not None and seen.controllers:
                return seen
        return await self.find_anew(nqn)

    async def find_anew(self, nqn: str) -> Subsystem | None:
        """Likewise, from the whole tree, whatever is remembered."""
        index = await self._scan()
        if (places := index.get(nqn)) is None:
            return None
        return await self._read(lambda: self._tree.read(nqn, places))

    async def find_all(self, wanted: Callable[[str], bool]) -> list[Subsystem]:
        """Return what the kernel has of all subsystems whose NQN is wanted."""
        index = await self._scan()
        places = {nqn: where for nqn, where in index.items() if wanted(nqn)}
        return await self._read(lambda: self._read_all(places))

    def forget(self) -> None:
        """Remember nothing: something was changed."""
        self._epoch += 1
        self._good_until = float("-inf")

    async def run(self, function: Callable[[], T]) -> T:
        """Return what a function returns that looks at sysfs or device nodes."""
        return await self._read(function)

    async def _scan(self) -> Index:
        epoch, started = self._epoch, self._clock()
        index = await self._read(self._tree.index)
        if epoch == self._epoch:
            self._index, self._good_until = index, started + CACHE_SECONDS
        return index

    def _read_all(self, places: dict[str, Places]) -> list[Subsystem]:
        found = (self._tree.read(nqn, where) for nqn, where in places.items())
        return [subsystem for subsystem in found if subsystem is not None]

    async def _read(self, function: Callable[[], T]) -> T:
        """Run in a thread. A caller that is cancelled must not look like a kernel that hangs."""
        async with self._slots:
            task = asyncio.create_task(self._offload.run(_KEY, function, limit=_READ_SECONDS))
            self._reads.add(task)
            task.add_done_callback(self._finished)
            return await asyncio.shield(task)

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._reads.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled does not fetch it
