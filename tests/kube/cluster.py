"""A real Kubernetes control plane on loopback, from what `.ci/kube-build` has built."""

import base64
import contextlib
import http
import http.client
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from libs.mockkube.testing import render_kubeconfig
from tests.kube.commands import (
    FIRST_SERVICE,
    HOST,
    api_command,
    component_command,
    etcd_command,
    free_ports,
)
from tests.kube.pki import Pki
from tests.kube.processes import ClusterFailed, Process

ADMIN = "admin-token"
RIG = "RDS_CSI_KUBE_RIG"
REQUIRED = "RDS_CSI_REQUIRE_KUBE"
KUBECONFIG = "RDS_TEST_KUBECONFIG"

_READY_SECONDS = 60.0


def rig_directory() -> Path:
    """Return where `.ci/kube-build` puts what it builds."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get(RIG) or cache / "rds-csi-kube")


def is_built() -> bool:
    binaries = rig_directory() / "bin"
    return all(os.access(binaries / name, os.X_OK) for name in ("etcd", "kube-apiserver"))


@dataclass
class Cluster:
    """A control plane that runs.

    Attributes:
        directory: for its files; `kubeconfig` in it is an administrator's.
        tokens: of further users, without any right but what RBAC gives them: token to user.
    """

    directory: Path
    tokens: Mapping[str, str] = field(default_factory=dict)
    binaries: Path = field(default_factory=lambda: rig_directory() / "bin")

    def __post_init__(self) -> None:
        self._port, self._etcd_port, self._peer_port = free_ports(3)
        self.logs = self.directory / "log"
        self.logs.mkdir()
        self._pki = _make_pki(self.directory)
        self._etcd = self._process(etcd_command(self))
        self._api = self._process(api_command(self))
        self._others: list[Process] = []

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self._port}"

    @property
    def etcd_url(self) -> str:
        return f"http://{HOST}:{self._etcd_port}"

    @property
    def peer_url(self) -> str:
        return f"http://{HOST}:{self._peer_port}"

    @property
    def port(self) -> int:
        return self._port

    @property
    def kubeconfig(self) -> Path:
        return self.kubeconfig_of(ADMIN)

    @property
    def authority(self) -> Path:
        return self._pki.authority

    def kubeconfig_of(self, token: str) -> Path:
        """Write the kubeconfig of who has a token; return the file."""
        path = self.directory / f"{token}.kubeconfig"
        path.write_text(json.dumps(render_kubeconfig(self.url, token, str(self.authority))))
        return path

    def _process(self, command: Sequence[str | Path]) -> Process:
        return Process(command, self.logs / f"{Path(command[0]).name}.log")

    def start(self, components: Sequence[str] = ()) -> None:
        """Start etcd and the API server, and then others.

        Args:
            components: of `kube-controller-manager` and `kube-scheduler`.

        Raises:
            ClusterFailed: one of them does not run.
        """
        rows = [f'{ADMIN},admin,admin,"system:masters"']
        rows += [f"{token},{user},{user}" for token, user in self.tokens.items()]
        (self.directory / "tokens.csv").write_text("\n".join(rows) + "\n")
        self._etcd.start()
        self.start_api()
        for component in components:
            other = self._process(component_command(self, component))
            other.start()
            self._others.append(other)

    def start_api(self) -> None:
        """Start the API server and wait until it is ready.

        Raises:
            ClusterFailed: it does not run.
        """
        self._api.start()
        self._until(self._is_ready)

    def stop_api(self, *, at_once: bool = False) -> None:
        """End the API server; etcd goes on."""
        self._api.stop(at_once=at_once)

    def restart_api(self) -> None:
        """Kill the API server, and start it again."""
        self.stop_api(at_once=True)
        self.start_api()

    def stop(self) -> None:
        """End everything."""
        for process in (*reversed(self._others), self._api, self._etcd):
            process.stop(at_once=process is self._etcd)

    def compact(self) -> None:
        """Have etcd forget what happened before now."""
        key = base64.b64encode(b"k").decode()
        revision = self._etcd_call("kv/range", {"key": key})["header"]["revision"]
        self._etcd_call("kv/compaction", {"revision": revision, "physical": True})

    def _etcd_call(self, method: str, body: Mapping[str, Any]) -> Any:
        connection = http.client.HTTPConnection(HOST, self._etcd_port, timeout=10)
        with contextlib.closing(connection):
            connection.request("POST", f"/v3/{method}", json.dumps(body))
            return json.load(connection.getresponse())

    def _until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not condition():
            for process in (self._etcd, self._api):
                process.check()
            if time.monotonic() > deadline:
                raise ClusterFailed(f"not ready after {_READY_SECONDS:g} s; see {self.logs}")
            time.sleep(0.1)

    def _is_ready(self) -> bool:
        context = self._pki.client_context()
        connection = http.client.HTTPSConnection(HOST, self._port, timeout=5, context=context)
        with contextlib.closing(connection):
            try:
                connection.request("GET", "/readyz", headers={"Authorization": f"Bearer {ADMIN}"})
                return connection.getresponse().status == http.HTTPStatus.OK
            except OSError:
                return False


def _make_pki(directory: Path) -> Pki:
    pki = Pki(directory)
    pki.add_server("server", HOST, FIRST_SERVICE)
    pki.add_client("kubelet-client", "apiserver-kubelet-client", "system:masters")
    for component in ("kube-controller-manager", "kube-scheduler"):
        pki.add_client(component, f"system:{component}")
    pki.add_signing_key("accounts")
    return pki


@contextlib.contextmanager
def running_cluster(
    components: Sequence[str] = (), tokens: Mapping[str, str] | None = None
) -> Iterator[Cluster]:
    """Run a control plane until the block ends; nothing of it is left.

    Args:
        components: what runs beside etcd and the API server.
        tokens: of users without rights: token to user.

    Raises:
        ClusterFailed: it was not built, or does not start.
    """
    if not is_built():
        raise ClusterFailed(f"nothing is in {rig_directory()}/bin; run .ci/kube-build")
    directory = Path(tempfile.mkdtemp(prefix="rds-csi-kube-"))
    try:
        cluster = Cluster(directory, tokens or {})
        try:
            cluster.start(components)
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(directory)
