"""The memory of the leader, saved before anything rests on it."""

import asyncio
from collections.abc import Callable

from libs.core.errors import InUse, OutcomeUnknown
from services.reconciler.memory import Memory
from services.reconciler.ports import Clock, MemoryStore

_TRIES = 3


class Recall:
    """Keeps the memory. Each process has one; only a leader changes it.

    Args:
        store: where it outlives the process.
        clock: the time.
        check: raises where this process does not lead.
        allowance: seconds between two saves at most, and those that a change of leaders takes: what
            of the time between two leaders counts as waited.
    """

    def __init__(
        self, store: MemoryStore, clock: Clock, check: Callable[[], None], allowance: float
    ) -> None:
        self._store = store
        self._clock = clock
        self._check = check
        self._allowance = allowance
        self._memory: Memory | None = None
        self._version = ""
        self._lock = asyncio.Lock()
        self.saved_at = 0.0

    @property
    def known(self) -> Memory | None:
        """What is remembered; None while that is not known."""
        return self._memory

    def forget(self) -> None:
        """Forget what is known: somebody else may have changed it."""
        self._memory = None

    async def look(self) -> Memory:
        """Return what the leader saved last, for one who only looks.

        Raises:
            RdsCsiError: it cannot be read.
        """
        memory, _ = await self._store.load()
        return memory

    async def read(self) -> Memory:
        """Return the memory, loaded if need be.

        Raises:
            NotLeader: it would have to be loaded, and this process does not lead.
            RdsCsiError: it cannot be loaded: nothing may be done that rests on it.
        """
        async with self._lock:
            return await self._read()

    async def _read(self) -> Memory:
        if self._memory is None:
            memory, self._version = await self._store.load()
            self._check()  # another leader may change it: it is not to be taken for what is known
            self._memory = memory.rebased(self._clock.now(), self._allowance)
        return self._memory

    async def replace(self, before: Memory, after: Memory) -> bool:
        """Save what a decision remembers; False where `before`, which it began with, has changed.

        Raises:
            NotLeader: this process does not lead.
            RdsCsiError: it is not known to be saved.
        """
        async with self._lock:
            if self._memory is not before:
                return False
            if after != before:
                await self._save(after)
            return True

    async def change(self, change: Callable[[Memory], Memory]) -> Memory:
        """Save the memory with a change to it; return it.

        Raises:
            NotLeader: this process does not lead.
            RdsCsiError: the change is not possible, or not known to be saved.
        """
        async with self._lock:
            left = _TRIES
            while True:
                left -= 1
                after = change(await self._read())
                try:
                    await self._save(after)
                except (InUse, OutcomeUnknown):
                    # Whether the change is there is seen when it is read again; made twice it is
                    # the same.
                    if not left:
                        raise
                else:
                    return after

    async def touch(self) -> None:
        """Save the memory as it is, so that the next leader knows how much time has passed.

        Raises:
            RdsCsiError: it is not known to be saved.
        """
        async with self._lock:
            await self._save(await self._read())

    async def _save(self, memory: Memory) -> None:
        try:
            self._check()
            self._version = await self._store.save(memory, self._version)
        except BaseException:  # whoever waits may also go away, and it is saved all the same
            self._memory = None  # until it is read again, nothing rests on it
            raise
        self._memory, self.saved_at = memory, self._clock.now()
