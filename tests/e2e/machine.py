"""A node of the cluster: containerd, a kubelet, the node plugin and its registrar."""

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from libs.mockkube.testing import render_kubeconfig
from libs.nvmeof.mountinfo import MountTable
from tests.e2e.ground import Ground
from tests.e2e.images import write_image
from tests.e2e.programs import node_command, registrar_command
from tests.kube.commands import free_ports
from tests.kube.processes import ClusterFailed, Process

_CONTAINERD = """\
version = 2
root = "{here}/root"
state = "{here}/state"
[grpc]
  address = "{socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "{here}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  restrict_oom_score_adj = true
  disable_apparmor = true
  stream_server_port = "0"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "{here}/cni"
    conf_dir = "{here}/cni"
"""
# Pods are on the host's network; all the same containerd wants to have read one configuration.
_NETWORK = {"cniVersion": "0.4.0", "name": "none", "plugins": [{"type": "none"}]}
_READY_SECONDS = 30.0


class Machine:
    """One of the two; its kubelet has a directory of its own.

    Args:
        name: of the Node.
        ground: where it is.
    """

    def __init__(self, name: str, ground: Ground) -> None:
        self.name = name
        self.ground = ground
        self.here = ground.directory / name
        self.kubelet_directory = self.here / "kubelet"
        self.csi_socket = self.kubelet_directory / "plugins" / "rds.csi.srvlab.io" / "csi.sock"
        self._socket = self.here / "ctd.sock"
        for place in ("cni", "kubelet/plugins_registry"):
            (self.here / place).mkdir(parents=True)
        self.csi_socket.parent.mkdir(parents=True)
        logs = ground.directory / "logs"
        self.containerd = Process(
            ["containerd", "--config", self._containerd_config()], logs / f"{name}-containerd.log"
        )
        self.kubelet = Process(self._kubelet_command(), logs / f"{name}-kubelet.log")
        self.plugin = Process(
            node_command(ground, name, self.kubelet_directory, self.csi_socket),
            logs / f"{name}-plugin.log",
        )
        self.registrar = Process(
            registrar_command(self.kubelet_directory, self.csi_socket),
            logs / f"{name}-registrar.log",
        )

    # What it is made of

    def _containerd_config(self) -> Path:
        path = self.here / "containerd.toml"
        path.write_text(_CONTAINERD.format(here=self.here, socket=self._socket))
        (self.here / "cni" / "10-none.conflist").write_text(json.dumps(_NETWORK))
        return path

    def _kubelet_command(self) -> list[str | Path]:
        cluster = self.ground.cluster
        cluster.add_client(f"{self.name}", f"system:node:{self.name}", "system:nodes")
        config = render_kubeconfig(cluster.url, "", str(cluster.authority))
        keys = {
            "client-certificate": str(cluster.directory / f"{self.name}.crt"),
            "client-key": str(cluster.directory / f"{self.name}.key"),
        }
        config["users"] = [{"name": "u", "user": keys}]
        (self.here / "kubeconfig").write_text(json.dumps(config))
        (self.here / "kubelet.json").write_text(json.dumps(self._kubelet_settings()))
        return [
            cluster.binaries / "kubelet",
            f"--config={self.here}/kubelet.json",
            f"--kubeconfig={self.here}/kubeconfig",
            f"--hostname-override={self.name}",
            f"--root-dir={self.kubelet_directory}",
            f"--cert-dir={self.here}/certificates",
            "--container-runtime=remote",
            f"--container-runtime-endpoint=unix://{self._socket}",
        ]

    def _kubelet_settings(self) -> dict[str, object]:
        (port,) = free_ports(1)
        return {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": "127.0.0.1",
            "port": port,
            "readOnlyPort": 0,
            "healthzPort": 0,
            "cgroupDriver": "cgroupfs",
            "cgroupsPerQOS": False,
            "enforceNodeAllocatable": [],
            "failSwapOn": False,
            "oomScoreAdj": 0,
            "maxOpenFiles": 20000,
            "makeIPTablesUtilChains": False,
            "resolvConf": "",
            "evictionHard": {"memory.available": "50Mi"},
            "imageGCHighThresholdPercent": 100,
            # A node is missed after 8 s here; see Site.
            "nodeStatusUpdateFrequency": "1s",
            "nodeLeaseDurationSeconds": 8,
            "syncFrequency": "5s",
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": False},
                "x509": {"clientCAFile": str(self.ground.cluster.authority)},
            },
            "authorization": {"mode": "AlwaysAllow"},
            "volumePluginDir": str(self.here / "flex"),
            "featureGates": {"DevicePlugins": False},  # their directory would be shared
        }

    # Its life

    def start(self) -> None:
        """Start everything; the Node is Ready some seconds later."""
        self.containerd.start()
        self._until(self._answers, "containerd answers", self.containerd)
        image = self.here / "image.tar"
        if not image.exists():
            write_image(image)
            self.ctr("images", "import", str(image))
        self.start_driver()
        self.kubelet.start()

    def start_driver(self) -> None:
        """Start the node plugin and its registrar."""
        self.plugin.start()
        self._until(self.csi_socket.exists, "the node plugin serves", self.plugin)
        self.registrar.start()

    def stop(self) -> None:
        """End what runs here, in good order as far as it goes."""
        for process in (self.kubelet, self.registrar, self.plugin):
            process.stop()
        self._kill_containers()
        self.containerd.stop()

    def lose_power(self) -> None:
        """End everything at once, as a machine does that is switched off.

        What was mounted here is gone. Loop devices stay: they are the kernel's, which does not end.
        """
        for process in (self.kubelet, self.plugin, self.registrar):
            process.stop(at_once=True)
        self._kill_containers()
        self.containerd.stop(at_once=True)
        for point in self.mounts():
            subprocess.run(["umount", "-l", point], check=False)  # noqa: S603, S607
        for place in (self.csi_socket, self._socket):
            place.unlink(missing_ok=True)

    def boot(self) -> None:
        """Start it again after it lost power: nothing runs there any more, and files are left."""
        for place in (self.here / "state", self.kubelet_directory / "pods"):
            subprocess.run(["rm", "-rf", "--one-file-system", place], check=False)  # noqa: S603, S607
        self.start()

    def _kill_containers(self) -> None:
        for process in list(self._shims()):
            for child in _children(process):
                _kill(child)
            _kill(process)

    def _shims(self) -> Iterator[int]:
        """Yield the processes that own this machine's containers: they are told its socket."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if b"shim" in words[0] and str(self._socket).encode() in words:
                    yield int(path.parts[2])

    def mounts(self) -> list[str]:
        """Return what is mounted below this machine's directory, the innermost first."""
        table = Path("/proc/self/mountinfo").read_bytes()
        found = MountTable.parse(table.decode(errors="backslashreplace")).below(str(self.here))
        return [mount.point for mount in found][::-1]

    def volume_mounts(self) -> list[str]:
        """Return where volumes of this driver are mounted on this machine."""
        places = [point for point in self.mounts() if str(self.kubelet_directory) in point]
        return [point for point in places if "kubernetes.io~csi" in point or "/csi/" in point]

    # What is asked of it

    def ctr(self, *arguments: str, limit: float = 60.0) -> str:
        """Run containerd's client; return what it prints.

        Raises:
            CommandFailed: it says no.
        """
        done = subprocess.run(  # noqa: S603
            ["ctr", "--address", self._socket, "--namespace", "k8s.io", *arguments],  # noqa: S607
            check=False,
            capture_output=True,
            text=True,
            timeout=limit,
        )
        if done.returncode:
            raise CommandFailed(f"{arguments}: {done.stdout}{done.stderr}")
        return done.stdout

    def _answers(self) -> bool:
        try:
            self.ctr("version", limit=5)
        except (CommandFailed, subprocess.TimeoutExpired):
            return False
        return True

    def _until(self, condition: Callable[[], bool], what: str, process: Process) -> None:
        deadline = time.monotonic() + _READY_SECONDS
        while not condition():
            process.check()
            if time.monotonic() > deadline:
                raise ClusterFailed(f"not so after {_READY_SECONDS:g} s: {what} on {self.name}")
            time.sleep(0.1)


class CommandFailed(Exception):
    """A command in a container, or on a machine, ended with an error; the text says which."""


def _children(process: int) -> list[int]:
    own: list[int] = []
    for path in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            own += map(int, path.read_text().split())
    return [*own, *(deeper for child in own for deeper in _children(child))]


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(process, signal.SIGKILL)
