"""Linux's own NVMe/TCP target, set up through configfs: the device that tests in the machine use.

The files are those of drivers/nvme/target/configfs.c of Linux. A subsystem is configured whole
before it is linked to the port.
"""

import contextlib
import os
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from uuid import NAMESPACE_URL, uuid5

from libs.core.ids import Nqn

CONFIG = Path("/sys/kernel/config")
ADDRESS, PORT = "127.0.0.1", 4420
MIB = 2**20


def load_modules() -> None:
    """Load both ends of NVMe/TCP, once."""
    if not (CONFIG / "nvmet").exists():
        _run("modprobe", "-a", "loop", "nvmet", "nvmet-tcp", "nvme-tcp")
        if not (CONFIG / "nvmet").exists():
            _run("mount", "-t", "configfs", "configfs", str(CONFIG))


@dataclass
class Nvmet:
    """A target with one port.

    Attributes:
        directory: where backing files lie. On tmpfs they need `buffered`; on ext4, xfs, btrfs and
            9p they must not have it; on overlayfs the kernel takes none.
        buffered: whether the page cache is used.
        root: of its configuration.
    """

    directory: Path
    buffered: bool = True
    root: Path = field(default=CONFIG / "nvmet")

    def open(self) -> None:
        """Make the port; it listens while any subsystem is linked to it."""
        port = self.root / "ports" / "1"
        port.mkdir()
        for name, text in (
            ("trtype", "tcp"),
            ("adrfam", "ipv4"),
            ("traddr", ADDRESS),
            ("trsvcid", str(PORT)),
        ):
            (port / f"addr_{name}").write_text(text)

    def close(self) -> None:
        """Take everything down."""
        for subsystem in list((self.root / "subsystems").iterdir()):
            self.remove(Nqn(subsystem.name))
        for directory in (self.root / "ports" / "1", *(self.root / "hosts").iterdir()):
            directory.rmdir()

    def export(
        self, nqn: Nqn, size: int = 16 * MIB, *, host: Nqn | None = None, enabled: bool = True
    ) -> None:
        """Export a new disk, to one host or to all."""
        subsystem = self._subsystem(nqn)
        subsystem.mkdir()
        (subsystem / "attr_allow_any_host").write_text("0" if host else "1")
        self._make_backing(nqn, size)
        namespace = subsystem / "namespaces" / "1"
        namespace.mkdir()
        (namespace / "device_path").write_text(str(self._backing(nqn)))
        (namespace / "buffered_io").write_text("1" if self.buffered else "0")
        # The kernel's default is a new one each time, and a host takes that for another disk.
        (namespace / "device_uuid").write_text(str(uuid5(NAMESPACE_URL, nqn.text)))
        if host:
            self.admit(nqn, host)
        if enabled:
            self.enable(nqn)
        self.link(nqn)

    def remove(self, nqn: Nqn) -> None:
        """Stop exporting a disk, and forget it."""
        subsystem = self._subsystem(nqn)
        self.unlink(nqn)
        self.enable(nqn, on=False)
        for host in list((subsystem / "allowed_hosts").iterdir()):
            host.unlink()
        (subsystem / "namespaces" / "1").rmdir()
        subsystem.rmdir()
        self._backing(nqn).unlink()

    def link(self, nqn: Nqn) -> None:
        """Let a subsystem be reached."""
        self._link(nqn).symlink_to(self._subsystem(nqn))

    def unlink(self, nqn: Nqn) -> None:
        """Take a subsystem away from its hosts: live connections are cut, and none are made."""
        self._link(nqn).unlink(missing_ok=True)

    def enable(self, nqn: Nqn, *, on: bool = True) -> None:
        """Show a subsystem's disk, or hide it."""
        (self._subsystem(nqn) / "namespaces" / "1" / "enable").write_text("1" if on else "0")

    def admit(self, nqn: Nqn, host: Nqn) -> None:
        """Allow a host to connect."""
        known = self.root / "hosts" / host.text
        known.mkdir(exist_ok=True)
        (self._subsystem(nqn) / "allowed_hosts" / host.text).symlink_to(known)

    def dismiss(self, nqn: Nqn, host: Nqn) -> None:
        """Allow a host no further connections; a live one stays."""
        (self._subsystem(nqn) / "allowed_hosts" / host.text).unlink()

    def grow(self, nqn: Nqn, size: int) -> None:
        """Make a disk larger; nobody is told."""
        os.truncate(self._backing(nqn), size)

    def blank(self, nqn: Nqn) -> None:
        """Put an empty disk of the same size and identity in the place of another."""
        size = self._backing(nqn).stat().st_size
        self.unlink(nqn)
        self.enable(nqn, on=False)
        self._backing(nqn).unlink()
        self._make_backing(nqn, size)
        self.enable(nqn)
        self.link(nqn)

    def is_blank(self, nqn: Nqn) -> bool:
        """Whether nothing was ever written to a disk."""
        return self._backing(nqn).stat().st_blocks == 0

    def _make_backing(self, nqn: Nqn, size: int) -> None:
        with self._backing(nqn).open("wb") as file:
            file.truncate(size)

    def _subsystem(self, nqn: Nqn) -> Path:
        return self.root / "subsystems" / nqn.text

    def _link(self, nqn: Nqn) -> Path:
        return self.root / "ports" / "1" / "subsystems" / nqn.text

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
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    assert done.returncode == 0, f"{argv}: {done.stdout}{done.stderr}"
    return done.stdout
