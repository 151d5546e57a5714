"""The node plugin's settings."""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from libs.core.ids import NodeId, parse_driver_name, parse_nqn_prefix
from libs.ops.settings import choice, integer, pairs, seconds, setting, switch
from libs.ops.telemetry import TelemetrySettings


def _prefixes(text: str) -> tuple[str, ...]:
    found = tuple(part.strip() for part in text.split(",") if part.strip())
    if not found:
        raise ValueError("must not be empty: without it nothing tells our connections from others")
    return tuple(parse_nqn_prefix(part, "each prefix") for part in found)


def _directory(text: str) -> str:
    path = PurePosixPath(text)
    if not path.is_absolute() or ".." in path.parts or str(path) == "/":
        raise ValueError("must be an absolute path without '..', and not the root")
    return str(path)


@dataclass(frozen=True, kw_only=True)
class NodeSettings(TelemetrySettings):
    """Every setting of the node plugin; `libs.ops.settings` makes flags and variables of them."""

    node_id: NodeId = setting("name of this node's Node object", NodeId.parse)
    managed_nqn_prefixes: tuple[str, ...] = setting(
        "what the NQNs of volumes begin with, separated by commas; nothing else is ever connected "
        "or disconnected",
        _prefixes,
    )
    state_directory: Path = setting(
        "directory of this node in which records are kept through restarts",
        Path,
        Path("/var/lib/kubelet/plugins/rds.csi.srvlab.io/state"),
    )
    kubelet_directory: str = setting(
        "the kubelet's directory: staging and target paths lie below it",
        _directory,
        "/var/lib/kubelet",
    )
    topology: tuple[tuple[str, str], ...] = setting(
        "topology segments of this node, as KEY=VALUE pairs: which devices it reaches", pairs, ()
    )
    max_volumes: int = setting(
        "volumes that this node may have; 0 leaves the number open", integer(0, 100_000), 128
    )
    io_queues: int = setting(
        "I/O queues of a connection; each is a TCP connection of its own", integer(1, 128), 4
    )
    connects_at_once: int = setting("connects that may be tried at once", integer(1, 64), 4)
    check_seconds: float = setting(
        "how long checking a filesystem may take before it is mounted", seconds(10, 86_400), 600.0
    )
    health_seconds: float = setting(
        "time between two looks at the volumes that are staged", seconds(1, 3600), 60.0
    )
    fabrics: str = setting(
        "how volumes are reached: NVMe/TCP, or loop devices on the files of a simulated device, "
        "which is for development",
        choice("nvme", "loop"),
        "nvme",
    )
    loop_directory: Path | None = setting(
        "with loop devices: the directory with the simulated device's files", Path, None
    )
    nvme_directory: Path = setting(
        "directory with hostnqn and hostid; they are made where they are missing",
        Path,
        Path("/etc/nvme"),
    )
    cluster: str = setting(
        "whether the cluster is told of this node and its volumes", choice("kube", "none"), "kube"
    )
    kubeconfig: Path | None = setting(
        "kubeconfig file; without it, the pod's service account is used", Path, None
    )
    csi_endpoint: str = setting("socket to serve CSI on", str, "unix:///csi/csi.sock")
    driver_name: str = setting("name of the CSI driver", parse_driver_name, "rds.csi.srvlab.io")
    clean_up: bool = setting(
        "whether connections that nothing needs are removed at the start", switch, default=True
    )
    drain_seconds: float = setting(
        "how long calls in hand may take to finish at shut-down", seconds(0, 600), 30.0
    )

    def __post_init__(self) -> None:
        if self.fabrics == "loop" and self.loop_directory is None:
            raise ValueError("--loop-directory is required with --fabrics=loop")
