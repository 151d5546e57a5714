"""The kernel's side of NVMe/TCP as far as files show it: a tree of them, and who changes it."""

import contextlib
import errno
import os
import selectors
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from libs.core.ids import Nqn
from libs.nvmeof.errors import HostUnable
from libs.nvmeof.fabrics import NvmeFabrics
from libs.nvmeof.fabrics_run import Limits
from libs.nvmeof.fabrics_tree import NvmeTree
from libs.nvmeof.hostid import HostIdentity
from libs.nvmeof.model import Target

PREFIX = "nqn.2000-02.com.mikrotik"
NQN = Nqn(f"{PREFIX}:pvc-a")
TARGET = Target(NQN, "127.0.0.1", 4420)
_UUID = "11111111-1111-4111-8111-111111111111"
HOST = HostIdentity(Nqn(f"nqn.2014-08.org.nvmexpress:uuid:{_UUID}"), _UUID)
QUICK = Limits(backoff=0.01, attempt=5.0, connect=5.0, settle=0.1, device=0.3, disconnect=5.0)


@dataclass
class Behaviour:
    """What this kernel and its targets do.

    `refusals` are the errors of the next connects, `without_disk` the NQNs whose next connects show
    none, `rescans_show_disks` whether a rescan mends that.
    """

    refusals: list[int] = field(default_factory=list)
    without_disk: int = 0
    rescans_show_disks: bool = False
    deletes_hang: bool = False
    authenticates: bool = False
    missing: bool = False
    open_gate: threading.Event = field(default_factory=threading.Event)


class Kernel:
    """Satisfies `FabricsPort`; `root` has `sys` and `dev`."""

    def __init__(self, root: Path) -> None:
        self.sys, self.dev = root / "sys", root / "dev"
        self._controllers = self.sys / "class" / "nvme"
        self._subsystems = self.sys / "class" / "nvme-subsystem"
        for directory in (self._controllers, self._subsystems, self.dev):
            directory.mkdir(parents=True)
        self.does = Behaviour()
        self.does.open_gate.set()
        self.options: list[dict[str, str]] = []
        self.deleted: list[str] = []
        self.rescanned: list[str] = []
        self.under_way = self.most_under_way = 0
        self._lock = threading.Lock()
        self._requests = selectors.DefaultSelector()
        self._wake, self._waker = os.pipe()
        self._requests.register(self._wake, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.does.open_gate.set()
        os.write(self._waker, b"x")
        self._thread.join()
        for key in list(self._requests.get_map().values()):
            os.close(key.fd)
        os.close(self._waker)
        self._requests.close()

    def fabrics(self, limits: Limits = QUICK) -> NvmeFabrics:
        tree = NvmeTree(self.sys, self.dev, self._number_of)
        return NvmeFabrics(HOST, [PREFIX], limits=limits, tree=tree, file=self)

    def check(self) -> None:
        if self.does.missing:
            raise HostUnable("there is no such module")

    def connect(self, options: str) -> str:
        given = dict(part.split("=", 1) for part in options.split(","))
        with self._lock:
            self.options.append(given)
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            assert self.does.open_gate.wait(10)
            with self._lock:
                return self._connect(given)
        finally:
            with self._lock:
                self.under_way -= 1

    def _connect(self, given: dict[str, str]) -> str:
        if self.does.refusals:
            number = self.does.refusals.pop(0)
            raise OSError(number, os.strerror(number))
        if self.places(given["nqn"]):
            raise OSError(errno.EALREADY, "already")
        number = self.attach(given["nqn"], host=given["hostnqn"], disk=not self.does.without_disk)
        self.does.without_disk = max(0, self.does.without_disk - 1)
        return f"instance={number},cntlid=1\n"

    def attach(self, nqn: str, *, host: str = HOST.nqn.text, disk: bool = True) -> int:
        """Make a controller, as nvme-cli or a connect does."""
        number = next(i for i in range(1000) if not self.controller(i).exists())
        controller, subsystem = self.controller(number), self.subsystem(number)
        controller.mkdir()
        self._set(controller, subsysnqn=nqn, state="live", transport="tcp", hostnqn=host)
        self._set(controller, address="traddr=127.0.0.1,trsvcid=4420", hostid=HOST.id)
        if self.does.authenticates:
            self._set(controller, dhchap_secret="none")
        for request in ("delete_controller", "rescan_controller"):
            os.mkfifo(controller / request)
            reader = os.open(controller / request, os.O_RDWR | os.O_NONBLOCK)
            self._requests.register(reader, selectors.EVENT_READ, (number, request))
        subsystem.mkdir()
        self._set(subsystem, subsysnqn=nqn)
        (subsystem / controller.name).symlink_to(controller)
        if disk:
            self.show_disk(number)
        os.write(self._waker, b".")
        return number

    def show_disk(self, number: int, sectors: int = 2048) -> None:
        name = f"nvme{number}n1"
        disk = self.subsystem(number) / name
        disk.mkdir()
        self._set(disk, dev=f"259:{number}", size=str(sectors), nsid="1", hidden="0")
        (self.dev / name).write_text(f"259:{number}")

    def detach(self, number: int) -> None:
        """Take a controller down, as nvme-cli does or the kernel when it gives up."""
        self.set_state(number, "deleting")
        disk = f"nvme{number}n1"
        (self.dev / disk).unlink(missing_ok=True)
        shutil.rmtree(self.subsystem(number) / disk, ignore_errors=True)
        for key in list(self._requests.get_map().values()):
            if key.data is not None and key.data[0] == number:
                self._requests.unregister(key.fd)
                os.close(key.fd)
        shutil.rmtree(self.controller(number))
        shutil.rmtree(self.subsystem(number))

    def set_state(self, number: int, state: str) -> None:
        self._set(self.controller(number), state=state)

    def places(self, nqn: str) -> list[int]:
        return [
            int(path.parent.name.removeprefix("nvme-subsys"))
            for path in self._subsystems.glob("*/subsysnqn")
            if path.read_text().strip() == nqn
        ]

    def controller(self, number: int) -> Path:
        return self._controllers / f"nvme{number}"

    def subsystem(self, number: int) -> Path:
        return self._subsystems / f"nvme-subsys{number}"

    @staticmethod
    def _set(directory: Path, **texts: str) -> None:
        for name, text in texts.items():
            draft = directory / f".{name}"
            draft.write_text(text + "\n")
            draft.rename(directory / name)

    @staticmethod
    def _number_of(path: str) -> tuple[int, int] | None:
        with contextlib.suppress(OSError):
            major, minor = Path(path).read_text().split(":")
            return int(major), int(minor)
        return None

    def _serve(self) -> None:
        while True:
            for key, _ in self._requests.select():
                if key.data is None:
                    if b"x" in os.read(self._wake, 4096):
                        return
                    continue
                with contextlib.suppress(OSError):  # closed by an earlier one of these
                    os.read(key.fd, 16)
                    with self._lock:
                        self._obey(*key.data)

    def _obey(self, number: int, request: str) -> None:
        name = f"nvme{number}"
        if request == "rescan_controller":
            self.rescanned.append(name)
            if self.does.rescans_show_disks:
                self.show_disk(number)
            return
        self.deleted.append(name)
        self.set_state(number, "deleting")
        if not self.does.deletes_hang:
            self.detach(number)


@contextlib.contextmanager
def running_kernel(root: Path) -> Iterator[Kernel]:
    with Kernel(root) as kernel:
        yield kernel
