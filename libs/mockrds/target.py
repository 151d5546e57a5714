"""The data plane whose disks hosts reach over NVMe/TCP, through a kernel's own target."""

import errno
import hashlib
import socket
from collections.abc import Callable, Sequence
from pathlib import Path

import structlog

from libs.mockrds.configtree import Tree
from libs.mockrds.dataplane import SparseFiles
from libs.mockrds.dhchap import secret_of
from libs.mockrds.errors import ConsoleError
from libs.mockrds.exports import (
    Export,
    Portal,
    Step,
    Subsystem,
    Unlink,
    contested_host,
    plan_steps,
    wanted_subsystem,
)
from libs.mockrds.nvmet import Configfs

log = structlog.get_logger(__name__)

MODEL = "RDS2216 simulated "

_CONNECT_LIMIT = 1.0

_REASONS = {
    errno.EROFS: "the backing file is in a read-only subvolume",
    errno.EINVAL: "the backing file's filesystem cannot be exported, or a name is not allowed",
    errno.EEXIST: "this kernel's target has another subsystem of that name",
    errno.EADDRINUSE: "the TCP port is taken",
    errno.EADDRNOTAVAIL: "this host does not have the address",
}


class ExportedFiles(SparseFiles):
    """Sparse files below a directory, exported by a kernel.

    What was exported before, by a process that was killed, is known again by the directory, and
    goes on without a break where it is still wanted.

    Attributes:
        cuts: whether the connection of a host that may no longer connect is cut, too. Linux by
            itself does not.
    """

    exports = True

    def __init__(
        self,
        root: Path,
        tree: Tree,
        address: str,
        *,
        cuts: bool = False,
        is_open: Callable[[Portal], bool] | None = None,
    ) -> None:
        """Own what is exported from a directory.

        Args:
            root: the directory.
            tree: the configuration of the kernel's target.
            address: the IP address at which the target listens.
            cuts: see the class.
            is_open: whether a portal can be connected to from here.
        """
        super().__init__(root)
        self.cuts = cuts
        self._address = address
        self._is_open = is_open or accepts_connections
        self._target = Configfs(tree, mark_of(root))
        self._wanted: tuple[Export, ...] = ()
        self._is_away = False
        self._now: dict[str, Subsystem] | None = None
        self._keys = self._target.has_keys()
        self._warned: set[str] = set()

    def export(self, wanted: Sequence[Export]) -> None:
        """Bring the target to what is wanted, in as few steps as that takes.

        Raises:
            ConsoleError: the target cannot.
        """
        self._wanted = tuple(wanted)
        if not self._is_away:
            self._converge(self._wanted)

    def withdraw(self) -> None:
        """Offer nothing for a while: every connection ends."""
        self._is_away = True
        self._converge(())

    def restore(self) -> None:
        """Offer again what is wanted."""
        self._is_away = False
        self._converge(self._wanted)

    def authentication(self, export: Export) -> str:
        """Return whether hosts have to know a secret: `off`, `required`, or why they need not."""
        if not export.password.reveal():
            return "off"
        if not self._keys:
            return "not enforced: this kernel's target has no CONFIG_NVME_TARGET_AUTH"
        if not export.hosts:
            return "not enforced: Linux asks only hosts on a list, and the disk has none"
        return "required"

    def describe(self) -> list[dict[str, object]]:
        """Return what is wanted, for people and tests; `secret` is what hosts need."""
        return [
            {
                "nqn": export.nqn,
                "address": self._address,
                "port": export.port,
                "file": str(self._path(export.file)),
                "uuid": export.uuid,
                "hosts": list(export.hosts),
                "authentication": self.authentication(export),
                "secret": secret_of(password) if (password := export.password.reveal()) else "",
            }
            for export in self._wanted
        ]

    def _converge(self, exports: Sequence[Export]) -> None:
        wanted = {export.nqn: self._subsystem(export) for export in exports}
        if len(wanted) < len(exports):
            raise ConsoleError("failure: two disks have the same NQN")
        if host := contested_host(wanted):
            raise ConsoleError(f"failure: Linux keeps one key for a host, and {host} has two")
        # Where a step fails, the kernel is asked again what there is.
        now, self._now = self._read() if self._now is None else self._now, None
        steps = plan_steps(now, wanted, cut=self.cuts)
        try:
            for step in steps:
                self._do(step)
        finally:
            self._target.tidy()
        self._now = wanted
        if steps:
            log.info("exports", disks=len(wanted), steps=len(steps))

    def _read(self) -> dict[str, Subsystem]:
        """Return what is exported, without what cannot be reached.

        A port listens in the network namespace of the process that linked it (drivers/nvme/target,
        sock_create): a container that is started anew has another.
        """
        now = self._target.read()
        portals = {portal for subsystem in now.values() for portal in subsystem.portals}
        closed = {portal for portal in portals if not self._is_open(portal)}
        for subsystem in now.values():
            for portal in subsystem.portals & closed:
                self._do(Unlink(subsystem.nqn, portal))
        return self._target.read() if closed else now

    def _do(self, step: Step) -> None:
        try:
            self._target.do(step)
        except OSError as error:
            log.warning("the target refuses", step=step, error=str(error))
            reason = _REASONS.get(
                error.errno or 0, f"error {errno.errorcode.get(error.errno or 0)}"
            )
            raise ConsoleError(f"failure: cannot export {step.nqn}: {reason}") from error

    def _subsystem(self, export: Export) -> Subsystem:
        state = self.authentication(export)
        if state.startswith("not") and export.nqn not in self._warned:
            self._warned.add(export.nqn)
            log.warning("a password protects nothing", nqn=export.nqn, reason=state)
        path = str(self._path(export.file))
        return wanted_subsystem(export, path, self._address, has_keys=self._keys)


def accepts_connections(portal: Portal) -> bool:
    """Whether somebody listens at a portal of this host."""
    # To connect to the address of all interfaces is to connect to loopback.
    try:
        socket.create_connection((portal.address, portal.port), _CONNECT_LIMIT).close()
    except OSError:
        return False
    return True


def mark_of(root: Path) -> str:
    """Return the model number of what is exported from a directory, for `nvme list` to show."""
    return MODEL + hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:12]
