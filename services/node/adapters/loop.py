"""Loop devices instead of NVMe/TCP: for development, demonstration and tests, on one machine.

This is no data path for production: there is no network in it and nothing that keeps two hosts
apart. A subsystem is a file below a directory, such as that in which the simulated device keeps
the content of its volumes; to connect is to make a loop device of it. As with NVMe, what is
connected is the kernel's: it stays when this process is killed, and is found again by asking the
kernel.
"""

import asyncio
import os
import stat
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from libs.core.ids import Nqn
from libs.core.images import Image
from libs.nvmeof import loopdev
from libs.nvmeof.errors import ConnectFailed, HostHangs, NoDevice, NotManaged
from libs.nvmeof.loopdev import Loop
from libs.nvmeof.model import BlockDevice, Connection, LinkState, Target
from libs.nvmeof.offload import Offload

T = TypeVar("T")

_LOOK_AGAIN = 0.02
"""Seconds between two looks whether a device has gone: the kernel tells nobody."""


class LoopFabrics:
    """Connections that are loop devices on files below a directory, and on no others.

    The last part of an NQN names the file, as the driver names those of its volumes
    (`libs.core.images`): `<slot>.img`, or a copy's longer name, or `volume.img` in a subvolume of
    that name. Addresses, secrets and the times of a `Target` mean nothing here. Links are not
    followed, at no level below the directory.

    Args:
        directory: where the files are, at any depth.
        managed_prefixes: what the NQNs of volumes begin with, up to and without the colon.
        limit: seconds that the kernel may take for one thing.
    """

    def __init__(
        self, directory: Path, managed_prefixes: Collection[str], *, limit: float = 10.0
    ) -> None:
        self.directory = directory
        self._prefixes = tuple(managed_prefixes)
        self._limit = limit
        self._offload = Offload()
        self._changing = asyncio.Lock()

    async def ensure_connected(self, target: Target) -> BlockDevice:
        """Make a loop device of the subsystem's file unless there is one, and return it.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            ConnectFailed: there is no such file, more than one, or only one that is no plain file.
            HostUnable: this host has no loop devices.
            HostHangs: the kernel did not answer in time.
        """
        slot = self._slot(target.nqn)
        async with self._changing:
            for loop in await self.list_loops(target.nqn):
                if not loop.is_deleted:
                    return loop.device
            return await self._run(f"connect {slot}", lambda: _connect(self._root(), slot))

    async def find(self, nqn: Nqn) -> Connection | None:
        """Return the subsystem's loop device; one whose file was removed is dead."""
        if not self._is_managed(nqn):
            return None
        loops = await self.list_loops(nqn)
        return connection_of(nqn, loops[0]) if loops else None

    async def list_connections(self) -> Sequence[Connection]:
        """Return all loop devices on the files of volumes, under the first managed prefix.

        A file does not tell under which of several prefixes it was connected.
        """
        found: dict[str, Loop] = {}
        for slot, loop in await self._list():
            found.setdefault(slot, loop)
        return [
            connection_of(Nqn.parse(f"{self._prefixes[0]}:{slot}"), loop)
            for slot, loop in found.items()
        ]

    async def rescan(self, nqn: Nqn) -> None:
        """Have the subsystem's loop devices take the size that the file has now.

        Raises:
            NoDevice: it is not connected.
            HostHangs: the kernel did not answer in time.
        """
        loops = await self.list_loops(nqn)
        if not loops:
            raise NoDevice(f"{nqn} is not connected")
        for loop in loops:
            await self._run(f"rescan {loop.device.path}", _bound(loopdev.rescan, loop))

    async def ensure_disconnected(self, nqn: Nqn) -> None:
        """Detach all loop devices of the subsystem, and wait until they are gone.

        Where something has one open, it goes as soon as that closes it.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            HostHangs: something keeps one open, or the kernel did not answer in time.
        """
        self.check_managed(nqn)
        async with self._changing:
            for loop in await self.list_loops(nqn):
                await self.detach(loop)

    async def attach_another(self, nqn: Nqn) -> BlockDevice:
        """Make one more loop device of a subsystem's file, as a disk that has got a new name.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            ConnectFailed: there is no such file, or more than one.
            HostUnable: this host has no loop devices.
        """
        slot = self._slot(nqn)
        async with self._changing:
            return await self._run(f"connect {slot}", lambda: _connect(self._root(), slot))

    async def detach(self, loop: Loop) -> None:
        """Detach one loop device, and wait until it is gone.

        Raises:
            HostHangs: something keeps it open, or the kernel did not answer in time.
        """
        await self._run(f"detach {loop.device.path}", lambda: loopdev.detach(loop))
        try:
            async with asyncio.timeout(self._limit):
                while await self._is_there(loop):  # noqa: ASYNC110 (the kernel sets no event)
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise HostHangs(f"{loop.device.path} did not go within {self._limit:g} s") from None

    def check_managed(self, nqn: Nqn) -> None:
        """Check that an NQN is one of this driver's.

        Raises:
            NotManaged: it is not.
        """
        self._slot(nqn)

    async def list_loops(self, nqn: Nqn | None = None) -> list[Loop]:
        """Return the loop devices of one subsystem or of all; those without a file come last."""
        wanted = nqn.text.rpartition(":")[2] if nqn else None
        return [loop for slot, loop in await self._list() if wanted in {None, slot}]

    async def _is_there(self, loop: Loop) -> bool:
        key = f"detach {loop.device.path}"
        known = await self._run(key, loopdev.list_loops)
        return (loop.device.number, loop.file) in {(now.device.number, now.file) for now in known}

    async def _list(self) -> list[tuple[str, Loop]]:
        def read() -> list[tuple[str, Loop]]:
            root = self._root()
            inside = [loop for loop in loopdev.list_loops() if loop.file.startswith(f"{root}/")]
            named = [(_slot_of(loop.file), loop) for loop in inside]
            return [(slot, loop) for slot, loop in named if slot]

        return sorted(await self._run("list", read), key=lambda found: found[1].is_deleted)

    async def _run(self, key: str, function: Callable[[], T]) -> T:
        return await self._offload.run(f"loop devices: {key}", function, limit=self._limit)

    def _root(self) -> str:
        """Return the directory as the kernel spells it; it may have been made after this."""
        return str(self.directory.resolve())

    def _is_managed(self, nqn: Nqn) -> bool:
        return nqn.text.rpartition(":")[0] in self._prefixes

    def _slot(self, nqn: Nqn) -> str:
        if not self._is_managed(nqn):
            raise NotManaged(f"{nqn} is not one of this driver's")
        return nqn.text.rpartition(":")[2]


def connection_of(nqn: Nqn, loop: Loop) -> Connection:
    """Return a loop device as the connection that it stands for."""
    state = LinkState.DEAD if loop.is_deleted else LinkState.LIVE
    return Connection(nqn.text, state, loop.device, (Path(loop.device.path).name,))


def _bound(function: Callable[[Loop], T], loop: Loop) -> Callable[[], T]:
    return lambda: function(loop)


def _slot_of(file: str) -> str:
    image = Image.parse(file)
    return image.slot.text if image else ""


def _connect(root: str, slot: str) -> BlockDevice:
    found = list(_open_files(root, slot))
    try:
        if len(found) != 1:
            raise ConnectFailed(f"there are {len(found)} files for {slot}, not one")
        return loopdev.attach(found[0])
    finally:
        for descriptor in found:
            os.close(descriptor)


def _open_files(root: str, slot: str) -> Iterator[int]:
    """Open each plain file of a slot, by a way that leads through no link."""
    for path, _, names, directory in os.fwalk(root, follow_symlinks=False):
        for name in names:
            if _slot_of(f"{path}/{name}") == slot:
                descriptor = _open_plain(name, directory)
                if descriptor is not None:
                    yield descriptor


def _open_plain(name: str, directory: int) -> int | None:
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
    except OSError:
        return None  # a link, or gone
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    return None
