"""The simulated device inside a test or another program."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import asyncssh

from libs.mockrds.device import Device
from libs.mockrds.faults import Faults
from libs.mockrds.files import Pool
from libs.mockrds.mock import Access, Exec, MockRds
from libs.mockrds.server import open_mock
from libs.mockrds.store import Store

PASSWORD = "simulated"  # noqa: S105 (of a device that does not exist)


@dataclass(frozen=True)
class RunningDevice:
    """A simulated device that is listening on loopback."""

    mock: MockRds
    port: int
    host_key: str
    host: str = "127.0.0.1"

    @property
    def user(self) -> str:
        """Who may log in."""
        return self.mock.access.user

    @property
    def password(self) -> str:
        """The user's password; empty where a key is needed."""
        return self.mock.access.password

    @property
    def state(self) -> Device:
        """The device itself: its disks, files and pools."""
        return self.mock.device

    @property
    def faults(self) -> Faults:
        """What is to go wrong."""
        return self.mock.faults

    @property
    def execs(self) -> list[Exec]:
        """Every command line received."""
        return self.mock.execs

    @property
    def history(self) -> list[Exec]:
        """The same as `execs`, under the control API's name."""
        return self.mock.execs

    async def restart(self, seconds: float = 0.0) -> None:
        """Cut all connections off, and refuse new ones for so many seconds."""
        await self.mock.restart(seconds)

    @property
    def slots(self) -> list[str]:
        """The slots of all file disks, in the order of their names."""
        return sorted(str(disk.properties["slot"]) for disk in self.state.disks)

    @property
    def lines(self) -> list[str]:
        """The command lines received that are not about the connection itself."""
        quiet = (":put", "/system")
        return [e.line for e in self.execs if not e.line.startswith(quiet) or "[" in e.line]


@cache
def generated_host_key() -> asyncssh.SSHKey:
    """Return a host key that is made once per process."""
    return asyncssh.generate_private_key("ssh-ed25519")


def public_text(key: asyncssh.SSHKey) -> str:
    """Return the OpenSSH line of a key's public half."""
    return key.export_public_key("openssh").decode().strip()


@contextlib.asynccontextmanager
async def running_device(
    device: Device | None = None,
    *,
    access: Access | None = None,
    port: int = 0,
    host_key: asyncssh.SSHKey | None = None,
    data: Path | None = None,
) -> AsyncIterator[RunningDevice]:
    """Run a device on loopback until the block ends; nothing of it is left but `data`.

    Args:
        device: what to run; one with a pool `raid10` of 1 TiB where it is left out.
        access: who may log in; `rds-csi` with `PASSWORD` where it is left out.
        port: where to listen; 0 takes a free port.
        host_key: one is made per process where it is left out.
        data: a directory that keeps the state from one device to the next.

    Raises:
        OSError: the port is taken.
        ValueError: what `data` has is not the state of a device.
    """
    mock = MockRds(device or Device([Pool("raid10", 2**40)]), access or Access(password=PASSWORD))
    if data is not None:
        mock.store = Store(data)
        mock.store.load(mock.device)
    key = host_key or generated_host_key()
    async with open_mock(mock, "127.0.0.1", port, key) as actual:
        yield RunningDevice(mock, actual, public_text(key))
