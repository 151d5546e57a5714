"""A second port of the kernel's target, where the other machine reaches it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from libs.core.ids import Nqn
from tests.vm.nvmet import CONFIG, PORT
from tests.vm.peer.wire import STORAGE

_NUMBER = "77"


class StoragePort:
    """A port on the wire for storage. What is exported elsewhere can be linked to it, too."""

    def __init__(self) -> None:
        self._path = CONFIG / "nvmet" / "ports" / _NUMBER

    def link(self, nqn: Nqn) -> None:
        """Let a subsystem be reached by the other machine."""
        self._link(nqn).symlink_to(CONFIG / "nvmet" / "subsystems" / nqn.text)

    def unlink(self, nqn: Nqn) -> None:
        """Take a subsystem away: live connections are cut, and none are made."""
        self._link(nqn).unlink(missing_ok=True)

    def open(self) -> None:
        self._path.mkdir()
        for name, text in (
            ("trtype", "tcp"),
            ("adrfam", "ipv4"),
            ("traddr", STORAGE[0]),
            ("trsvcid", str(PORT)),
        ):
            (self._path / f"addr_{name}").write_text(text)

    def close(self) -> None:
        for link in list((self._path / "subsystems").iterdir()):
            link.unlink()
        self._path.rmdir()

    def _link(self, nqn: Nqn) -> Path:
        return self._path / "subsystems" / nqn.text


@contextlib.contextmanager
def open_storage_port() -> Iterator[StoragePort]:
    """Own a port; it listens while any subsystem is linked to it."""
    port = StoragePort()
    port.open()
    try:
        yield port
    finally:
        port.close()
