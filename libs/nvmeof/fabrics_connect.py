"""One connect: from a target to the kernel's file and its answer.

The kernel makes one connection at a time (`nvmf_dev_mutex` in drivers/nvme/host/fabrics.c of
Linux), and a peer that accepts and says nothing holds it for ten seconds: more than a few writers
at once would only be threads that wait for each other.
"""

import asyncio
import errno
import ipaddress
import os
import socket
import stat
from pathlib import Path
from typing import Protocol

from libs.nvmeof.errors import ConnectFailed, HostHangs, HostUnable
from libs.nvmeof.fabrics_options import (
    HOPELESS,
    explain,
    parse_answer,
    render_options,
)
from libs.nvmeof.hostid import HostIdentity
from libs.nvmeof.model import Target
from libs.nvmeof.offload import Offload

_LONGEST_ANSWER = 4096
_WRITE_SECONDS = 600.0
"""How long a write that nobody waits for any more is remembered as going on."""


class ConnectHopeless(ConnectFailed):
    """A connect was refused for a reason that does not pass by itself."""


class FabricsPort(Protocol):
    """Where connections are made; it blocks."""

    def check(self) -> None:
        """Check that connections can be made at all.

        Raises:
            HostUnable: they cannot.
        """

    def connect(self, options: str) -> str:
        """Hand over options and return the answer.

        Raises:
            HostUnable: connections cannot be made at all.
            OSError: as the kernel says it.
        """


class FabricsFile:
    """The kernel's file for connections.

    Args:
        path: where it is.
    """

    def __init__(self, path: Path = Path("/dev/nvme-fabrics")) -> None:
        self._path = path

    def check(self) -> None:
        """Check that the file is there, is what it should be, and may be opened."""
        os.close(self._open())

    def connect(self, options: str) -> str:
        """Write options, and read the answer: both on one descriptor, which the kernel wants."""
        handle = self._open()
        try:
            os.write(handle, options.encode("ascii"))
            return os.read(handle, _LONGEST_ANSWER).decode(errors="replace")
        finally:
            os.close(handle)

    def _open(self) -> int:
        try:
            handle = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise self._unable(error) from error
        if not stat.S_ISCHR(os.fstat(handle).st_mode):
            os.close(handle)
            raise HostUnable(f"{self._path} is no device, but a file that somebody made")
        return handle

    def _unable(self, error: OSError) -> HostUnable:
        if error.errno in {errno.ENOENT, errno.ENODEV, errno.ENXIO}:
            return HostUnable(
                f"{self._path} is not there: load the kernel module nvme-tcp on this host (and "
                "mount its /dev into the node plugin)",
                detail=str(error),
            )
        return HostUnable(
            f"{self._path} cannot be opened: the node plugin must run privileged",
            detail=str(error),
        )


class Connector:
    """Makes connections, a few at a time.

    Args:
        file: where they are made.
        host: as whom.
        io_queues: how many queues each has at most.
        at_once: how many writes are under way at most, those included whose caller has given up.
        offload: where calls that may hang are run.
    """

    def __init__(
        self, file: FabricsPort, host: HostIdentity, io_queues: int, at_once: int, offload: Offload
    ) -> None:
        self._file = file
        self._host = host
        self._io_queues = io_queues
        self._slots = asyncio.Semaphore(at_once)
        self._offload = offload
        self._writes: dict[str, asyncio.Task[str]] = {}

    async def connect(self, target: Target, attempt: int, limit: float) -> str | None:
        """Try once, and return the name of the controller that was made.

        Args:
            target: to what. A name may stand for several addresses; each attempt takes the next.
            attempt: which one this is, from 0.
            limit: seconds for the kernel.

        Returns:
            None if the kernel says that it is connected already, by whomever.

        Raises:
            ConnectHopeless: the kernel refused, and will again.
            ConnectFailed: it could not.
            HostHangs: it has not answered in time; the connection may yet appear.
            HostUnable: this host cannot connect to anything.
            InvalidRequest: the target has a value that is out of its range.
        """
        addresses = await self._resolve(target, limit)
        traddr = addresses[attempt % len(addresses)]
        options = render_options(target, traddr, self._host.nqn, self._host.id, self._io_queues)
        where = f"{target.nqn} at {traddr} port {target.port}"
        try:
            return parse_answer(await self._write(target, options, limit))
        except OSError as error:
            if error.errno == errno.EALREADY:
                return None
            kind = ConnectHopeless if error.errno in HOPELESS else ConnectFailed
            raise kind(
                f"cannot connect to {where}: {explain(error.errno or 0)}", detail=repr(error)
            ) from None

    async def settle(self, nqn: str) -> None:
        """Wait until no write for a subsystem is under way: it might be connected afterwards."""
        if (write := self._writes.get(nqn)) is not None:
            await asyncio.wait({write})

    async def aclose(self) -> None:
        """Forget the writes that are under way; the kernel does not let go of them."""
        for write in tuple(self._writes.values()):
            write.cancel()
        if self._writes:
            await asyncio.wait(set(self._writes.values()))

    async def _write(self, target: Target, options: str, limit: float) -> str:
        nqn = target.nqn.text
        await self._slots.acquire()
        write = asyncio.create_task(
            self._offload.run(
                f"the connection to {nqn}",
                lambda: self._file.connect(options),
                limit=_WRITE_SECONDS,
            )
        )
        self._writes[nqn] = write
        write.add_done_callback(lambda _: self._written(nqn, write))
        await asyncio.wait({write}, timeout=limit)
        if write.done():
            return write.result()
        # Linux 6.12 may wait for an answer that a target does not send to a wrong secret.
        why = "; the secret may be wrong" if target.secret is not None else ""
        raise HostHangs(
            f"the kernel has not connected to {nqn} within {limit:g} s; it may yet{why}"
        )

    def _written(self, nqn: str, write: "asyncio.Task[str]") -> None:
        self._slots.release()
        if self._writes.get(nqn) is write:
            del self._writes[nqn]
        if not write.cancelled():
            write.exception()  # a caller that has given up does not fetch it

    async def _resolve(self, target: Target, limit: float) -> list[str]:
        try:
            ipaddress.ip_address(target.address)
        except ValueError:
            pass
        else:
            return [target.address]
        try:
            found = await self._offload.run(
                f"the address of {target.address}",
                lambda: socket.getaddrinfo(target.address, target.port, type=socket.SOCK_STREAM),
                limit=limit,
            )
        except (OSError, UnicodeError) as error:
            raise ConnectFailed(
                f"no address is known for {target.address}: check the name and this host's DNS",
                detail=repr(error),
            ) from None
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))
