"""Finding subsystems by NQN, off the event loop, with a memory that is never believed blindly."""

import asyncio
import time
from collections.abc import Callable
from typing import TypeVar

from libs.core.errors import Unreachable
from libs.nvmeof.fabrics_tree import Index, NvmeTree, Places
from libs.nvmeof.offload import Offload
from libs.nvmeof.sysfs import Subsystem

T = TypeVar("T")

CACHE_SECONDS = 10.0
"""How long it is remembered in which directory a subsystem is."""

_WHOLE = "the whole of it"
_AT_ONCE = 4
_READ_SECONDS = 10.0
_MOVES = 5
"""How often a subsystem may be somewhere else than a moment ago, which is not the same as gone."""


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
            seen = await self.run(nqn, lambda: self._tree.read(nqn, places))
            if seen is not None and seen.controllers:
                return seen
        return await self.find_anew(nqn)

    async def find_anew(self, nqn: str) -> Subsystem | None:
        """Likewise, from the whole tree, whatever is remembered.

        Raises:
            HostHangs: sysfs does not answer.
            Unreachable: it cannot be read, or changes all the time.
        """
        for _ in range(_MOVES):
            index = await self._scan()
            if (places := index.get(nqn)) is None:
                return None
            seen = await self.run(nqn, lambda where=places: self._tree.read(nqn, where))  # type: ignore[misc]
            if seen is not None:
                return seen
        raise Unreachable(f"{nqn} is connected and disconnected faster than it can be looked at")

    async def find_all(self, wanted: Callable[[str], bool]) -> list[Subsystem]:
        """Return what the kernel has of all subsystems whose NQN is wanted."""
        index = await self._scan()
        places = {nqn: where for nqn, where in index.items() if wanted(nqn)}
        return await self.run(_WHOLE, lambda: self._read_all(places))

    def forget(self) -> None:
        """Remember nothing: something was changed."""
        self._epoch += 1
        self._good_until = float("-inf")

    async def run(self, about: str, function: Callable[[], T]) -> T:
        """Return what a function returns that looks at sysfs or device nodes.

        A caller that is cancelled must not look like a kernel that hangs: the thread is waited for
        by a task of its own.

        Args:
            about: the subsystem that it looks at: one that hangs does not keep others waiting.
            function: called in a thread.

        Raises:
            HostHangs: the kernel does not answer.
        """
        async with self._slots:
            task = asyncio.create_task(
                self._offload.run(f"{about} in sysfs", function, limit=_READ_SECONDS)
            )
            self._reads.add(task)
            task.add_done_callback(self._finished)
            return await asyncio.shield(task)

    async def _scan(self) -> Index:
        epoch, started = self._epoch, self._clock()
        index = await self.run(_WHOLE, self._tree.index)
        if epoch == self._epoch:
            self._index, self._good_until = index, started + CACHE_SECONDS
        return index

    def _read_all(self, places: dict[str, Places]) -> list[Subsystem]:
        found = (self._tree.read(nqn, where) for nqn, where in places.items())
        return [subsystem for subsystem in found if subsystem is not None]

    def _finished(self, task: asyncio.Task[object]) -> None:
        self._reads.discard(task)
        if not task.cancelled():
            task.exception()  # a caller that was cancelled does not fetch it
