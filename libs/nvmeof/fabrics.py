"""NVMe/TCP connections of this host: made, found, looked at anew and taken down.

Nothing is remembered of them: the kernel has them, others can change them, and names and numbers
are given away again. Every answer is looked up by NQN.
"""

import asyncio
import contextlib
import functools
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from libs.core.errors import InvalidRequest
from libs.core.ids import Nqn, parse_nqn_prefix
from libs.nvmeof.errors import ConnectFailed, HostHangs, NotManaged
from libs.nvmeof.fabrics_connect import Connector, FabricsFile, FabricsPort
from libs.nvmeof.fabrics_control import Control
from libs.nvmeof.fabrics_lookup import Lookup
from libs.nvmeof.fabrics_options import check_target
from libs.nvmeof.fabrics_run import ConnectRun, Limits, Parts
from libs.nvmeof.fabrics_tree import NvmeTree
from libs.nvmeof.hostid import HostIdentity
from libs.nvmeof.model import BlockDevice, Connection, Target
from libs.nvmeof.offload import Offload

T = TypeVar("T")


class NvmeFabrics:
    """Connections to this driver's subsystems. `open_fabrics` is the way in.

    Args:
        host: as whom connections are made.
        prefixes: what managed NQNs begin with, before a colon. Others are never touched.
        io_queues: queues of each connection at most. The kernel's own number is that of its
            processors, which a device with a thousand volumes cannot afford.
        limits: how much at once, and how long.
        tree: sysfs.
        file: where connections are made.

    Raises:
        InvalidRequest: there is no prefix, or one that no NQN has.
    """

    def __init__(  # noqa: PLR0913 (the last two are for tests)
        self,
        host: HostIdentity,
        prefixes: Iterable[str],
        *,
        io_queues: int = 4,
        limits: Limits | None = None,
        tree: NvmeTree | None = None,
        file: FabricsPort | None = None,
    ) -> None:
        self._prefixes = tuple(f"{parse_nqn_prefix(prefix)}:" for prefix in prefixes)
        if not self._prefixes:
            raise InvalidRequest("at least one NQN prefix must be managed")
        if io_queues < 1:
            raise InvalidRequest(f"a connection needs at least one queue, not {io_queues}")
        self._file = file or FabricsFile()
        limits, tree, offload = limits or Limits(), tree or NvmeTree(), Offload()
        lookup = Lookup(tree, offload)
        connector = Connector(self._file, host, io_queues, limits.at_once, offload)
        control = Control(tree, lookup, offload)
        self._parts = Parts(host, limits, tree, lookup, connector, control)
        self._locks: weakref.WeakValueDictionary[Nqn, asyncio.Lock] = weakref.WeakValueDictionary()
        self._running: dict[Target | Nqn, asyncio.Task[Any]] = {}

    async def check_can_connect(self) -> None:
        """Check that this host can connect and disconnect at all.

        Raises:
            HostUnable: it cannot; the message says what is missing.
        """
        await self._parts.lookup.run("the start", self._file.check)
        await self._parts.lookup.run("the start", self._parts.tree.check)

    async def ensure_connected(self, target: Target) -> BlockDevice:
        """Connect unless that is done, wait until the device is there, and return it.

        It goes on if its caller is cancelled, and whoever calls meanwhile waits for the same.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            InvalidRequest: the target has a value that is out of its range.
            ConnectFailed: the kernel could not connect, or a lost connection does not come back.
            NoDevice: it is connected, and no device appears.
            HostHangs: the kernel has not answered in time; the connection may yet appear.
            HostUnable: this host cannot connect, or not with authentication.
        """
        self._check_managed(target.nqn)
        check_target(target)
        return await self._shared(target, lambda: self._connect(target))

    async def find(self, nqn: Nqn) -> Connection | None:
        """Return what the host has of a subsystem; None if it is not connected.

        Raises:
            HostHangs: the kernel does not answer.
            Unreachable: sysfs cannot be read.
        """
        seen = await self._parts.lookup.find(nqn.text)
        return None if seen is None else seen.connection()

    async def list_connections(self) -> Sequence[Connection]:
        """Return all connections to managed subsystems.

        Raises:
            HostHangs: the kernel does not answer.
            Unreachable: sysfs cannot be read.
        """
        found = await self._parts.lookup.find_all(self._is_managed)
        return [c for c in (seen.connection() for seen in found) if c is not None]

    async def rescan(self, nqn: Nqn) -> None:
        """Have the kernel look at the size of a subsystem's device anew; it does so afterwards.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            ConnectFailed: there is no connection that works.
            HostUnable: this process may not.
        """
        self._check_managed(nqn)
        seen = await self._parts.lookup.find(nqn.text)
        if seen is None or not await self._parts.control.rescan(seen):
            raise ConnectFailed(f"no connection to {nqn} works, so its size cannot be looked at")

    async def ensure_disconnected(self, nqn: Nqn) -> None:
        """Disconnect, and wait until the subsystem is gone.

        Whether anything uses it is for the caller to know. It goes on if its caller is cancelled.

        Raises:
            NotManaged: its NQN has none of the managed prefixes.
            HostHangs: the kernel has not taken it down in time.
            HostUnable: this process may not.
        """
        self._check_managed(nqn)
        await self._shared(nqn, lambda: self._disconnect(nqn))

    async def aclose(self) -> None:
        """End what is under way; connections stay."""
        tasks = set(self._running.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self._parts.connector.aclose()

    async def _connect(self, target: Target) -> BlockDevice:
        limit = self._parts.limits.connect
        run = ConnectRun(
            self._parts,
            target,
            HostHangs(f"an earlier change of the connection to {target.nqn} has not ended"),
        )
        try:
            async with asyncio.timeout(limit), self._lock(target.nqn):
                await self._parts.connector.settle(target.nqn.text)
                return await run.establish()
        except TimeoutError:
            raise run.reason from None

    async def _disconnect(self, nqn: Nqn) -> None:
        limit = self._parts.limits.disconnect
        try:
            async with asyncio.timeout(limit), self._lock(nqn):
                # A connect that the kernel is still at would come back after we had said "gone".
                await self._parts.connector.settle(nqn.text)
                await self._parts.control.wait_until_gone(nqn.text, limit)
        except TimeoutError:
            raise HostHangs(f"the kernel has not disconnected {nqn} within {limit:g} s") from None

    def _lock(self, nqn: Nqn) -> asyncio.Lock:
        return self._locks.setdefault(nqn, asyncio.Lock())

    async def _shared(self, key: Target | Nqn, start: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Wait for the task of that key, which is begun if there is none."""
        task: asyncio.Task[T] | None = self._running.get(key)
        if task is None:
            task = asyncio.create_task(start())
            self._running[key] = task
            task.add_done_callback(functools.partial(self._ended, key))
        return await asyncio.shield(task)

    def _ended(self, key: Target | Nqn, task: "asyncio.Task[Any]") -> None:
        del self._running[key]
        if not task.cancelled():
            task.exception()  # a caller that was cancelled does not fetch it

    def _is_managed(self, nqn: str) -> bool:
        return nqn.startswith(self._prefixes)

    def _check_managed(self, nqn: Nqn) -> None:
        if not self._is_managed(nqn.text):
            raise NotManaged(f"{nqn} is not a volume of this driver: it is left alone")


@contextlib.asynccontextmanager
async def open_fabrics(
    host: HostIdentity,
    prefixes: Iterable[str],
    *,
    io_queues: int = 4,
    limits: Limits | None = None,
) -> AsyncIterator[NvmeFabrics]:
    """Give the connections of this host, once it is certain that it can make any.

    Raises:
        HostUnable: it cannot.
        InvalidRequest: there is no prefix, or one that no NQN has.
    """
    fabrics = NvmeFabrics(host, prefixes, io_queues=io_queues, limits=limits)
    try:
        await fabrics.check_can_connect()
        yield fabrics
    finally:
        await fabrics.aclose()
