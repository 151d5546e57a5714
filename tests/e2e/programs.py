"""How everything but Kubernetes is called: the services as shipped, the device, the sidecars."""

import shutil
import sys
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from tests.e2e.ground import Ground
from tests.kube.shipped import NAMESPACE

Command = list[str | Path]

BASE_PATHS = "/raid10/volumes,/btr/volumes"
OLD_PREFIX = "nqn.2000-02.com.mikrotik"
"""What the NQNs of volumes of the existing driver begin with."""

PASSWORD = "rds-e2e"
POOLS = {"raid10": "xfs", "btr": "btrfs"}
THRESHOLDS = {"node-gone": 5.0, "out-of-service": 0.0, "not-ready": 10.0, "stuck": 3.0}
"""Seconds after which the reconciler acts; they are longer by default."""

STAND_INS = ("provisioner", "attacher", "resizer", "snapshotter")
"""The sidecars of the controller, of which there are stand-ins."""


def program(name: str) -> Path:
    """Return a program of ours, as it is installed."""
    return Path(sys.executable).parent / name


def _flags(flags: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in flags.items()]


def device_command(ground: Ground, ssh: int, control: int) -> Command:
    return [
        program("rds-csi-mock-rds"),
        f"--listen=127.0.0.1:{ssh}",
        f"--control=127.0.0.1:{control}",
        f"--password={PASSWORD}",
        f"--host-key={ground.directory / 'host-key'}",
        f"--disk-files={ground.files}",
        f"--data={ground.directory / 'device'}",
        *(f"--pool={name}=1T:{fs_type}" for name, fs_type in POOLS.items()),
    ]


def controller_command(ground: Ground, ssh: int) -> Command:
    here = ground.directory
    flags = {
        "rds-address": "127.0.0.1",
        "rds-port": ssh,
        "rds-password-file": here / "password",
        "rds-host-key-file": here / "host-key.pub",
        "nvme-address": "127.0.0.1",
        "nqn-prefix": ground.prefix,
        "volume-base-paths": BASE_PATHS,
        "kubeconfig": ground.cluster.kubeconfig_of("controller"),
        "csi-endpoint": f"unix://{here}/csi.sock",
        "admin-endpoint": f"unix://{here}/admin.sock",
        "drain-seconds": 5,
    }
    return [program("rds-csi-controller"), *_flags(flags)]


def reconciler_command(ground: Ground, name: str) -> Command:
    here = ground.directory
    flags = {
        "controller-endpoint": f"unix://{here}/admin.sock",
        "admin-endpoint": f"unix://{here}/{name}.sock",
        "kubeconfig": ground.cluster.kubeconfig_of("reconciler"),
        "namespace": NAMESPACE,
        "lease-seconds": 4,
        "lease-deadline": 3,
        "lease-retry": 0.5,
        "orphan-grace": 60,
        "interval": 5,
        "drain-seconds": 5,
        **THRESHOLDS,
    }
    # The replica's name, which a pod has from its host name.
    return ["env", f"HOSTNAME={name}", program("rds-csi-reconciler"), *_flags(flags)]


def node_command(ground: Ground, name: str, kubelet: Path, socket: Path) -> Command:
    flags = {
        "node-id": name,
        "managed-nqn-prefixes": f"{ground.prefix},{OLD_PREFIX}",
        "state-directory": socket.parent / "state",
        "kubelet-directory": kubelet,
        "fabrics": "loop",
        "loop-directory": ground.files,
        "kubeconfig": ground.cluster.kubeconfig_of("node"),
        "csi-endpoint": f"unix://{socket}",
        "drain-seconds": 5,
    }
    return [program("rds-csi-node"), *_flags(flags)]


def registrar_command(kubelet: Path, socket: Path) -> Command:
    if real := shutil.which("csi-node-driver-registrar"):
        flags = {
            "csi-address": socket,
            "kubelet-registration-path": socket,
            "plugin-registration-path": kubelet / "plugins_registry",
        }
        return [real, *_flags(flags)]
    registry = kubelet / "plugins_registry"
    stand_in = (sys.executable, "-m", "tests.e2e.sidecars.registrar")
    return ["env", f"PYTHONPATH={_root()}", *stand_in, str(socket), str(registry)]


def sidecar_commands(ground: Ground) -> dict[str, Command]:
    """Return how the controller's sidecars are called: the real ones as far as they are here."""
    common = {
        "csi-address": ground.directory / "csi.sock",
        "kubeconfig": ground.cluster.kubeconfig_of("controller"),
    }
    found: dict[str, Command] = {}
    for name in STAND_INS:
        if real := shutil.which(f"csi-{name}"):
            found[name] = [real, *_flags(common)]
    stand_ins = [name for name in STAND_INS if name not in found]
    run = partial(_stand_in, common)
    if stand_ins:
        found["stand-ins"] = run(stand_ins)
    cluster = {**common, "kubeconfig": ground.cluster.kubeconfig}
    if real := shutil.which("snapshot-controller"):
        found["snapshot-controller"] = [real, f"--kubeconfig={ground.cluster.kubeconfig}"]
    else:
        found["snapshot-controller"] = _stand_in(cluster, ["snapshot-controller"])
    return found


def _stand_in(flags: dict[str, Path], names: list[str]) -> Command:
    words = (sys.executable, "-m", "tests.e2e.sidecars", *_flags(flags), *names)
    return ["env", f"PYTHONPATH={_root()}", *words]


def _root() -> Path:
    return Path(__file__).parents[2]
