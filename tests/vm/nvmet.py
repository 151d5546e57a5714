"""Linux's own NVMe/TCP target: the device that tests in the machine use.

It is set up as the simulator sets it up, a step at a time; a subsystem is configured whole before
it is linked to the port.
"""

import contextlib
import os
import subprocess
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from libs.core.ids import Nqn
from libs.mockrds.configtree import KernelTree
from libs.mockrds.exports import (
    Admit,
    AdmitAll,
    Disable,
    Enable,
    Host,
    Link,
    Make,
    Place,
    Portal,
    Unlink,
    plan_steps,
)
from libs.mockrds.nvmet import Configfs

CONFIG = Path("/sys/kernel/config")
ADDRESS, PORT = "127.0.0.1", 4420
MIB = 2**20
_MARK = "tests in the machine"
_PORTAL = Portal(ADDRESS, PORT)


def load_modules() -> None:
    """Load both ends of NVMe/TCP, once."""
    if not (CONFIG / "nvmet").exists():
        _run("modprobe", "-a", "loop", "nvmet", "nvmet-tcp", "nvme-tcp")
        if not (CONFIG / "nvmet").exists():
            _run("mount", "-t", "configfs", "configfs", str(CONFIG))


class Nvmet:
    """A target with one port.

    Attributes:
        directory: where backing files lie; the kernel takes none on overlayfs.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._target = Configfs(KernelTree(), _MARK)

    def open(self) -> None:
        """Begin with nothing, whatever was left."""
        self.close()

    def close(self) -> None:
        """Take everything down."""
        for nqn in self._target.read():
            self.remove(Nqn(nqn))

    def export(
        self, nqn: Nqn, size: int = 16 * MIB, *, host: Nqn | None = None, enabled: bool = True
    ) -> None:
        """Export a new disk, to one host or to all."""
        self._target.do(Make(nqn.text))
        self._make_backing(nqn, size)
        # The kernel's default is a new one each time, and a host takes that for another disk.
        uuid = str(uuid5(NAMESPACE_URL, nqn.text))
        self._target.do(Place(nqn.text, str(self._backing(nqn)), uuid))
        if host:
            self.admit(nqn, host)
        else:
            self._target.do(AdmitAll(nqn.text, on=True))
        if enabled:
            self.enable(nqn)
        self.link(nqn)

    def remove(self, nqn: Nqn) -> None:
        """Stop exporting a disk, and forget it."""
        for step in plan_steps({nqn.text: self._target.read()[nqn.text]}, {}, cut=True):
            self._target.do(step)
        self._target.tidy()
        self._backing(nqn).unlink(missing_ok=True)

    def link(self, nqn: Nqn) -> None:
        """Let a subsystem be reached."""
        self._target.do(Link(nqn.text, _PORTAL))

    def unlink(self, nqn: Nqn) -> None:
        """Take a subsystem away from its hosts: live connections are cut, and none are made."""
        self._target.do(Unlink(nqn.text, _PORTAL))

    def enable(self, nqn: Nqn, *, on: bool = True) -> None:
        """Show a subsystem's disk, or hide it."""
        size = self._backing(nqn).stat().st_size
        self._target.do(Enable(nqn.text, size) if on else Disable(nqn.text))

    def admit(self, nqn: Nqn, host: Nqn) -> None:
        """Allow a host to connect."""
        self._target.do(Admit(nqn.text, Host(host.text)))

    def grow(self, nqn: Nqn, size: int) -> None:
        """Make a disk larger; nobody is told."""
        os.truncate(self._backing(nqn), size)

    def _make_backing(self, nqn: Nqn, size: int) -> None:
        with self._backing(nqn).open("wb") as file:
            file.truncate(size)

    def _backing(self, nqn: Nqn) -> Path:
        return self.directory / f"{nqn.text.rpartition(':')[2]}.img"


def disconnect_everything() -> None:
    """Leave no connection behind, whoever made it."""
    for controller in list(Path("/sys/class/nvme").glob("nvme*")):
        with contextlib.suppress(OSError):
            (controller / "delete_controller").write_text("1")


def nvme(*arguments: str) -> str:
    """Run nvme-cli and return what it prints."""
    return _run("nvme", *arguments)


def _run(*argv: str) -> str:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)  # noqa: S603
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout
