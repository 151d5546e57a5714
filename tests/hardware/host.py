"""This host's half: it connects to what the device exports."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

from libs.core.errors import RdsCsiError
from libs.core.ids import Nqn
from libs.core.secret import Secret
from libs.nvmeof.errors import NoDevice
from libs.nvmeof.fabrics import NvmeFabrics, open_fabrics
from libs.nvmeof.hostid import ensure_identity
from libs.nvmeof.model import BlockDevice, LinkState, Target

_LOSS = 10
"""Seconds after which a connection of the kit is given up: nothing may stay of it."""


class Host(Protocol):
    """A host that can connect."""

    @property
    def nqn(self) -> str:
        """As whom it connects."""
        ...

    async def connect(self, nqn: Nqn, secret: Secret | None = None) -> int:
        """Connect, and return the size of the disk.

        Raises:
            RdsCsiError: it could not.
        """
        ...

    async def size(self, nqn: Nqn, *, rescan: bool) -> int:
        """Return the size that this host sees now."""
        ...

    async def is_live(self, nqn: Nqn) -> bool:
        """Whether I/O would go through now."""
        ...

    async def mark(self, nqn: Nqn, text: bytes) -> None:
        """Write this at the start of a disk that is connected."""
        ...

    async def read_mark(self, nqn: Nqn, length: int) -> bytes:
        """Return what is at the start of a disk that is connected."""
        ...

    async def disconnect(self, nqn: Nqn) -> None:
        """Let nothing of it be left."""
        ...


class KernelHost:
    """This machine's kernel."""

    def __init__(self, fabrics: NvmeFabrics, nqn: str, address: str, port: int) -> None:
        self._fabrics, self._nqn, self._address, self._port = fabrics, nqn, address, port

    @property
    def nqn(self) -> str:
        return self._nqn

    async def connect(self, nqn: Nqn, secret: Secret | None = None) -> int:
        target = Target(
            nqn, self._address, self._port, ctrl_loss=_LOSS, reconnect_delay=1, secret=secret
        )
        return (await self._fabrics.ensure_connected(target)).size

    async def size(self, nqn: Nqn, *, rescan: bool) -> int:
        if rescan:
            await self._fabrics.rescan(nqn)
        seen = await self._fabrics.find(nqn)
        return seen.device.size if seen and seen.device else 0

    async def is_live(self, nqn: Nqn) -> bool:
        seen = await self._fabrics.find(nqn)
        return seen is not None and seen.state is LinkState.LIVE

    async def mark(self, nqn: Nqn, text: bytes) -> None:
        await asyncio.to_thread(write_start, await self._device(nqn), text)

    async def read_mark(self, nqn: Nqn, length: int) -> bytes:
        return await asyncio.to_thread(read_start, await self._device(nqn), length)

    async def _device(self, nqn: Nqn) -> BlockDevice:
        seen = await self._fabrics.find(nqn)
        if seen is None or seen.device is None:
            raise NoDevice(f"{nqn} has no device")
        return seen.device

    async def disconnect(self, nqn: Nqn) -> None:
        await self._fabrics.ensure_disconnected(nqn)


def write_start(device: BlockDevice, text: bytes) -> None:
    with _opened(device, os.O_RDWR) as descriptor:
        os.pwrite(descriptor, text, 0)
        os.fsync(descriptor)


def read_start(device: BlockDevice, length: int) -> bytes:
    with _opened(device, os.O_RDONLY) as descriptor:
        return os.pread(descriptor, length, 0)


@contextlib.contextmanager
def _opened(device: BlockDevice, flags: int) -> Iterator[int]:
    """Open a device, if it is still the one that was found: a name may be another's by now.

    Raises:
        NoDevice: it cannot be opened, read or written, or is another one.
    """
    try:
        descriptor = os.open(device.path, flags | os.O_CLOEXEC)
        try:
            number = os.fstat(descriptor).st_rdev
            if (os.major(number), os.minor(number)) != device.number:
                raise NoDevice(f"{device.path} is another device by now")
            yield descriptor
        finally:
            os.close(descriptor)
    except OSError as error:
        raise NoDevice(f"{device.path} cannot be used", detail=str(error)) from error


@contextlib.asynccontextmanager
async def open_host(address: str, port: int, prefix: str) -> AsyncIterator[KernelHost]:
    """Have this host take part; every connection that it made is gone at the end.

    Raises:
        HostUnable: it cannot connect.
    """
    identity = await ensure_identity()
    async with open_fabrics(identity, (prefix,)) as fabrics:
        try:
            yield KernelHost(fabrics, identity.nqn.text, address, port)
        finally:
            with contextlib.suppress(RdsCsiError, TimeoutError):
                async with asyncio.timeout(30):
                    for connection in await fabrics.list_connections():
                        await fabrics.ensure_disconnected(Nqn(connection.nqn))
