"""Loop devices with the faults that connections over a network have."""

import asyncio
import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from libs.core.errors import RdsCsiError
from libs.core.ids import Nqn
from libs.nvmeof import loopdev
from libs.nvmeof.errors import ConnectFailed, HostHangs, NoDevice
from libs.nvmeof.loopdev import Loop
from libs.nvmeof.model import BlockDevice, Connection, LinkState, Target
from services.node.adapters.loop import LoopFabrics, connection_of
from tests.fakes.loop_files import NOTHING, copy, cut, limit, set_immutable, shrunk


@dataclass
class Counts:
    """How often each verb was called."""

    connects: int = 0
    disconnects: int = 0
    rescans: int = 0
    finds: int = 0


@dataclass
class Gate:
    """Where connects wait.

    Attributes:
        reached: set as soon as one does.
        opened: set by the test.
    """

    reached: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)


class FaultyFabrics:
    """`Fabrics` over loop devices, in which a test breaks things.

    Use it as `async with FaultyFabrics(inner) as fabrics`: at the end all is mended, and every loop
    device below the inner one's directory is detached.

    Breaking reads and writes needs a filesystem below that heeds the immutable flag of a file that
    is open already, as ext4 does: see `can_break`.
    """

    def __init__(self, inner: LoopFabrics) -> None:
        self.inner = inner
        self.counts = Counts()
        self.gate: Gate | None = None
        self.cuts = False
        """Whether a disconnect takes a disk away at once though it is mounted, as with NVMe."""
        self._connect_errors: list[RdsCsiError] = []
        self._find_errors: list[RdsCsiError] = []
        self._disconnect_errors: list[RdsCsiError] = []
        self._states: dict[str, LinkState] = {}
        self._hidden: set[str] = set()
        self._stale: set[tuple[tuple[int, int], str]] = set()
        self._frozen: dict[str, str] = {}
        self._kept: dict[str, Path] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Mend all, and detach every loop device below the directory.

        Raises:
            HostHangs: something still has one open; the others are gone.
        """
        if self.gate:
            self.gate.opened.set()
        for nqn in (*self._kept, *self._frozen):
            await self.mend_reads(Nqn(nqn))
            await self.allow_writes(Nqn(nqn))
        stuck = []
        for loop in await self.inner.list_loops():
            try:
                await self.inner.detach(loop)
            except HostHangs as error:
                stuck.append(error)
        if stuck:
            raise stuck[0]

    # What a test may do.

    def hold_connects(self) -> Gate:
        """Let connects wait until the gate is opened."""
        self.gate = Gate()
        return self.gate

    def fail_connects(self, count: int, error: RdsCsiError | None = None) -> None:
        """Let the next connects fail."""
        self._connect_errors += [error or ConnectFailed("the peer refused")] * count

    def fail_finds(self, count: int, error: RdsCsiError | None = None) -> None:
        """Let the next looks at a subsystem fail."""
        self._find_errors += [error or HostHangs("the kernel did not answer")] * count

    def fail_disconnects(self, count: int) -> None:
        """Let the next disconnects fail before the kernel is asked for anything."""
        self._disconnect_errors += [HostHangs("the kernel did not answer")] * count

    def set_state(self, nqn: Nqn, state: LinkState | None) -> None:
        """Tell of a state that is not the true one; None ends that."""
        self._states.pop(nqn.text, None)
        if state:
            self._states[nqn.text] = state

    def hide_device(self, nqn: Nqn) -> None:
        """Be connected, and have no block device."""
        self._hidden.add(nqn.text)

    def show_device(self, nqn: Nqn) -> None:
        """End `hide_device`."""
        self._hidden.discard(nqn.text)

    async def vanish(self, nqn: Nqn) -> None:
        """Lose the connection for good: nothing is found, and the old disk gives errors.

        Where something has the disk open or mounted it stays, without content, until that ends. The
        file keeps what was flushed. A later connect makes a disk with another number.
        """
        for loop in await self._live(nqn):
            self._stale.add((loop.device.number, loop.file))
            await asyncio.to_thread(limit, loop.device.path, NOTHING)
            await asyncio.to_thread(loopdev.detach, loop)

    async def renumber(self, nqn: Nqn) -> BlockDevice:
        """Lose the connection and get it back with another disk, which is returned."""
        await self.vanish(nqn)
        return await self._attach(nqn)

    async def break_reads(self, nqn: Nqn) -> None:
        """Let reads and writes fail; the size stays. What was there comes back with `mend_reads`.

        The file is cut to nothing, so the kernel finds nothing where it reads. What was written is
        flushed before; nothing may be writing while this is called.
        """
        file = self._file(await self._live(nqn))
        kept = Path(f"{file}.kept")
        with await self._shrunk(nqn):
            await asyncio.to_thread(copy, file, kept)
        self._kept[nqn.text] = kept
        self._frozen[nqn.text] = file
        cut(file)  # not before: a device takes the size that its file has then

    async def mend_reads(self, nqn: Nqn) -> None:
        """Bring back exactly what was there when reads were broken; writes go through again."""
        kept = self._kept.pop(nqn.text, None)
        if kept is None:
            return
        file = self._frozen.pop(nqn.text)
        with await self._shrunk(nqn):
            set_immutable(file, on=False)
            await asyncio.to_thread(copy, str(kept), Path(file))
            kept.unlink()

    async def fail_writes(self, nqn: Nqn) -> None:
        """Let writes fail, and reads succeed."""
        file = self._file(await self._live(nqn))
        set_immutable(file, on=True)
        self._frozen[nqn.text] = file

    async def allow_writes(self, nqn: Nqn) -> None:
        """End `fail_writes`."""
        if nqn.text in self._frozen and nqn.text not in self._kept:
            set_immutable(self._frozen.pop(nqn.text), on=False)

    # What the node asks for.

    async def ensure_connected(self, target: Target) -> BlockDevice:
        self.counts.connects += 1
        if self.gate:
            self.gate.reached.set()
            await self.gate.opened.wait()
        if self._connect_errors:
            raise self._connect_errors.pop(0)
        live = [loop for loop in await self._live(target.nqn) if not loop.is_deleted]
        device = live[0].device if live else await self._attach(target.nqn)
        if target.nqn.text in self._hidden:
            raise NoDevice(f"{target.nqn} is connected and has no device")
        return device

    async def find(self, nqn: Nqn) -> Connection | None:
        self.counts.finds += 1
        if self._find_errors:
            raise self._find_errors.pop(0)
        return await self._look(nqn)

    async def list_connections(self) -> Sequence[Connection]:
        known = [Nqn(found.nqn) for found in await self.inner.list_connections()]
        return [found for nqn in known if (found := await self._look(nqn))]

    async def rescan(self, nqn: Nqn) -> None:
        self.counts.rescans += 1
        loops = await self._live(nqn)
        if not loops:
            raise NoDevice(f"{nqn} is not connected")
        for loop in loops:
            await asyncio.to_thread(loopdev.rescan, loop)

    async def ensure_disconnected(self, nqn: Nqn) -> None:
        self.counts.disconnects += 1
        self.inner.check_managed(nqn)
        if self._disconnect_errors:
            raise self._disconnect_errors.pop(0)
        if self.cuts:
            await self.vanish(nqn)
        for loop in await self._live(nqn):
            await self.inner.detach(loop)

    async def _look(self, nqn: Nqn) -> Connection | None:
        live = await self._live(nqn)
        if not live:
            return None
        found = connection_of(nqn, live[0])
        device = None if nqn.text in self._hidden else found.device
        state = self._states.get(nqn.text, found.state)
        return Connection(found.nqn, state, device, found.controllers)

    async def _live(self, nqn: Nqn) -> list[Loop]:
        """Return the disks that are not left over from a lost connection."""
        loops = await self.inner.list_loops(nqn)
        return [loop for loop in loops if (loop.device.number, loop.file) not in self._stale]

    async def _attach(self, nqn: Nqn) -> BlockDevice:
        device = await self.inner.attach_another(nqn)
        # The number of a disk that has gone may be given again: this one is not left over.
        self._stale = {stale for stale in self._stale if stale[0] != device.number}
        return device

    @staticmethod
    def _file(loops: Sequence[Loop]) -> str:
        assert loops, "only what is connected can be broken"
        return loops[0].file

    async def _shrunk(self, nqn: Nqn) -> contextlib.AbstractContextManager[None]:
        return shrunk([loop.device.path for loop in await self._live(nqn)])
