"""Linux's own NVMe/TCP target, through configfs.

The files are those of drivers/nvme/target/configfs.c of Linux 6.1. Everything here blocks: taking a
subsystem away waits for what its hosts have under way.
"""

import contextlib
import errno

from libs.mockrds.configtree import Tree
from libs.mockrds.exports import (
    Admit,
    AdmitAll,
    Disable,
    Dismiss,
    Enable,
    Host,
    Link,
    Make,
    Place,
    Portal,
    Remove,
    Revalidate,
    Step,
    Subsystem,
    Unlink,
)

_MODEL = "attr_model"
_KEY = "dhchap_key"
_PROBE = "nqn.2000-02.com.mikrotik:rds-csi-mock-rds-probe"
_NUMBERS = range(1, 2**16)


class Configfs:
    """Reads and changes the subsystems that carry one mark, and leaves all others alone."""

    def __init__(self, tree: Tree, mark: str) -> None:
        """Use a tree.

        Args:
            tree: the target's configuration.
            mark: the model of our subsystems, at most 40 letters, by which they are known again.
        """
        self._tree = tree
        self._mark = mark
        self._emptied: set[str] = set()

    def read(self) -> dict[str, Subsystem]:
        """Return our subsystems, whoever made them; their sizes are not known."""
        portals = self._portals()
        return {
            nqn: self._subsystem(nqn, portals)
            for nqn in self._tree.names("subsystems")
            if self._tree.read(f"subsystems/{nqn}/{_MODEL}") == self._mark
        }

    def has_keys(self) -> bool:
        """Whether this target can ask hosts for a key (CONFIG_NVME_TARGET_AUTH)."""
        with contextlib.suppress(FileExistsError):
            self._tree.make(f"hosts/{_PROBE}")
        try:
            return self._tree.exists(f"hosts/{_PROBE}/{_KEY}")
        finally:
            self._tree.remove(f"hosts/{_PROBE}")

    def do(self, step: Step) -> None:
        """Change one thing.

        Raises:
            OSError: the kernel refuses it.
        """
        here = f"subsystems/{step.nqn}"
        match step:
            case Make():
                self._make(here)
            case Remove():
                if self._tree.exists(f"{here}/namespaces/1"):
                    self._tree.remove(f"{here}/namespaces/1")
                self._tree.remove(here)
            case AdmitAll(on=on):
                self._tree.write(f"{here}/attr_allow_any_host", str(int(on)))
            case Admit(host=host):
                self._admit(here, host)
            case Dismiss(host=host):
                self._dismiss(here, host.nqn)
            case Link(portal=portal):
                self._tree.link(f"{self._port(portal)}/subsystems/{step.nqn}", here)
            case Unlink(portal=portal):
                self._unlink(step.nqn, portal)
            case _:
                self._switch(f"{here}/namespaces/1", step)

    def _switch(self, namespace: str, step: Place | Enable | Disable | Revalidate) -> None:
        match step:
            case Place(path=path, uuid=uuid):
                if not self._tree.exists(namespace):
                    self._tree.make(namespace)
                self._tree.write(f"{namespace}/device_path", path)
                self._tree.write(f"{namespace}/device_uuid", uuid)
            case Enable():
                self._enable(namespace)
            case Disable():
                self._tree.write(f"{namespace}/enable", "0")
            case Revalidate():
                self._tree.write(f"{namespace}/revalidate_size", "1")

    def tidy(self) -> None:
        """Remove the ports that we have left empty."""
        for port in self._emptied:
            # Another subsystem may be there by now.
            with contextlib.suppress(OSError):
                self._tree.remove(port)
        self._emptied.clear()

    def _subsystem(self, nqn: str, portals: dict[str, set[Portal]]) -> Subsystem:
        here = f"subsystems/{nqn}"
        has_disk = "1" in self._tree.names(f"{here}/namespaces")
        disk = f"{here}/namespaces/1"
        path = self._tree.read(f"{disk}/device_path") if has_disk else ""
        path = "" if path == "(null)" else path
        return Subsystem(
            nqn=nqn,
            path=path,
            uuid=self._tree.read(f"{disk}/device_uuid") if path else "",
            enabled=has_disk and self._tree.read(f"{disk}/enable") == "1",
            any_host=self._tree.read(f"{here}/attr_allow_any_host") == "1",
            hosts=frozenset(map(self._host, self._tree.names(f"{here}/allowed_hosts"))),
            portals=frozenset(portals.get(nqn, ())),
        )

    def _host(self, nqn: str) -> Host:
        key = f"hosts/{nqn}/{_KEY}"
        return Host(nqn, self._tree.read(key) if self._tree.exists(key) else "")

    def _portals(self) -> dict[str, set[Portal]]:
        found: dict[str, set[Portal]] = {}
        for number in self._tree.names("ports"):
            portal = self._portal(f"ports/{number}")
            if portal is None:
                continue
            for nqn in self._tree.names(f"ports/{number}/subsystems"):
                found.setdefault(nqn, set()).add(portal)
        return found

    def _portal(self, port: str) -> Portal | None:
        if self._tree.read(f"{port}/addr_trtype") != "tcp":
            return None
        number = self._tree.read(f"{port}/addr_trsvcid")
        address = self._tree.read(f"{port}/addr_traddr")
        return Portal(address, int(number)) if number.isdecimal() else None

    def _make(self, here: str) -> None:
        try:
            self._tree.make(here)
        except FileExistsError:
            # Somebody else's, unless we were killed before it had our mark.
            if self._tree.names(f"{here}/namespaces"):
                raise
        self._tree.write(f"{here}/{_MODEL}", self._mark)

    def _enable(self, namespace: str) -> None:
        try:
            self._tree.write(f"{namespace}/enable", "1")
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            # The file's filesystem has no direct I/O (tmpfs): through the page cache, then.
            self._tree.write(f"{namespace}/buffered_io", "1")
            self._tree.write(f"{namespace}/enable", "1")

    def _admit(self, here: str, host: Host) -> None:
        known = f"hosts/{host.nqn}"
        if self._tree.exists(known) and self._host(host.nqn).key != host.key:
            # A key can be changed but not taken away; somebody else may use the host, too.
            with contextlib.suppress(OSError):
                self._tree.remove(known)
        with contextlib.suppress(FileExistsError):
            self._tree.make(known)
        if host.key:
            self._tree.write(f"{known}/{_KEY}", host.key)
        self._tree.link(f"{here}/allowed_hosts/{host.nqn}", known)

    def _dismiss(self, here: str, nqn: str) -> None:
        self._tree.unlink(f"{here}/allowed_hosts/{nqn}")
        # Another subsystem may still admit it; its key goes with the last one.
        with contextlib.suppress(OSError):
            self._tree.remove(f"hosts/{nqn}")

    def _unlink(self, nqn: str, portal: Portal) -> None:
        for port in self._ports_at(portal):
            if nqn in self._tree.names(f"{port}/subsystems"):
                self._tree.unlink(f"{port}/subsystems/{nqn}")
                self._emptied.add(port)

    def _ports_at(self, portal: Portal) -> list[str]:
        ports = [f"ports/{number}" for number in self._tree.names("ports")]
        return [port for port in ports if self._portal(port) == portal]

    def _port(self, portal: Portal) -> str:
        """Return the port of a portal; it is made where there is none."""
        for port in self._ports_at(portal):
            self._emptied.discard(port)
            return port
        taken = set(self._tree.names("ports"))
        # Only a name; the TCP port's own number is the easiest to recognise.
        order = (portal.port, *_NUMBERS)
        port = f"ports/{next(number for number in order if str(number) not in taken)}"
        self._tree.make(port)
        for name, text in (
            ("trtype", "tcp"),
            ("adrfam", "ipv6" if ":" in portal.address else "ipv4"),
            ("traddr", portal.address),
            ("trsvcid", str(portal.port)),
        ):
            self._tree.write(f"{port}/addr_{name}", text)
        return port
