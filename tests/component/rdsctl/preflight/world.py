"""A cluster and a device as the existing driver leaves them, and preflight run on them."""

import asyncio
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from libs.core.size import GIB
from libs.kube.paths import CSI_DRIVERS, CSI_NODES
from libs.mockkube.testing import ATTACHMENTS, NODES, VOLUMES, ApiServer, Object
from libs.mockrds.testing import RunningDevice
from rdsctl.app import run
from rdsctl.preflight.cluster import CLASSES
from rdsctl.streams import Streams

DRIVER = "rds.csi.srvlab.io"
PREFIX = "nqn.2000-02.com.mikrotik"
BASE = "/raid10/volumes"
CUSTOM = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
LIMIT = 30.0


def volume_name(number: int) -> str:
    return f"pvc-00000000-0000-4000-8000-{number:012x}"


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    def findings(self, check: str) -> list[Any]:
        return [one for one in self.json["findings"] if one["check"] == check]

    @property
    def bad(self) -> dict[str, str]:
        """What is not well: the check and its text."""
        found = self.json["findings"]
        return {one["check"]: one["text"] for one in found if one["level"] != "ok"}


@dataclass
class World:
    api: ApiServer
    device: RunningDevice
    folder: Path

    async def add_volume(self, number: int, *, node: str = "", **context: str) -> str:
        """Add what the existing driver makes for a claim, and a VolumeAttachment for a node."""
        name = volume_name(number)
        attributes = {
            "rdsAddress": "192.0.2.10",
            "nvmeAddress": "198.51.100.10",
            "nvmePort": "4420",
            "nqn": f"{PREFIX}:{name}",
            "volumePath": f"{BASE}/{name}.img",
            "ctrlLossTmo": "-1",
            "reconnectDelay": "5",
            "keepAliveTmo": "0",
            "migrationTimeoutSeconds": "300",
            "storage.kubernetes.io/csiProvisionerIdentity": f"1-2-{DRIVER}",
        }
        source = {
            "driver": DRIVER,
            "volumeHandle": name,
            "fsType": "ext4",
            "volumeAttributes": attributes | context,
        }
        spec = {"csi": source, "capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"]}
        await self.api.put(VOLUMES, {"metadata": {"name": name}, "spec": spec})
        self.device.state.add_disk(
            {
                "type": "file",
                "slot": name,
                "file-path": f"{BASE}/{name}.img",
                "file-size": GIB,
                "nvme-tcp-export": True,
                "nvme-tcp-server-port": 4420,
                "nvme-tcp-server-nqn": f"{PREFIX}:{name}",
            }
        )
        if node:
            await self.api.attach(name, node, DRIVER, attached=True)
        return name

    def disk(self, slot: str) -> dict[str, Any]:
        (found,) = (d for d in self.device.state.disks if d.properties["slot"] == slot)
        return found.properties

    def leave_filesystems_alone(self) -> None:
        for disk in self.device.state.disks:
            disk.properties["mount-filesystem"] = False

    async def put_driver(self, **spec: Any) -> None:
        """Add the CSIDriver object of the existing driver."""
        whole = {"attachRequired": True, "podInfoOnMount": True, "fsGroupPolicy": "File"} | spec
        await self.api.put(CSI_DRIVERS, {"metadata": {"name": DRIVER}, "spec": whole})

    async def add_node(self, name: str) -> None:
        await self.api.put(NODES, {"metadata": {"name": name}})
        drivers = [{"name": DRIVER, "nodeID": name, "topologyKeys": None}]
        await self.api.put(CSI_NODES, {"metadata": {"name": name}, "spec": {"drivers": drivers}})

    async def add_class(self, name: str, **parameters: str) -> None:
        item = {"metadata": {"name": name}, "provisioner": DRIVER, "parameters": parameters}
        await self.api.put(CLASSES, item)

    async def serve(self, group: str, kind: str, version: str = "v1") -> str:
        """Have the cluster serve one more kind; return the path of its collection."""
        plural = f"{kind.lower()}s"
        spec = {
            "group": group,
            "names": {"plural": plural, "kind": kind},
            "scope": "Cluster",
            "versions": [{"name": version, "served": True}],
        }
        await self.api.put(CUSTOM, {"metadata": {"name": f"{plural}.{group}"}, "spec": spec})
        return f"/apis/{group}/{version}/{plural}"

    async def add_workloads(self, *, replicas: int = 1, host_network: bool = True) -> None:
        """Add the existing driver's Deployment and DaemonSet."""
        deployments = await self.serve("apps", "Deployment")
        daemon_sets = await self.serve("apps", "DaemonSet")
        arguments = ["-controller", "-rds-address=192.0.2.10"]
        controller = workload("rds-csi-controller", {}, arguments)
        controller["spec"]["replicas"] = replicas
        await self.api.put(deployments, controller)
        plugins = {"hostPath": {"path": f"/var/lib/kubelet/plugins/{DRIVER}/"}}
        pod = {"hostNetwork": host_network, "volumes": [plugins]}
        await self.api.put(daemon_sets, workload("rds-csi-node", pod, ["-node"]))

    @property
    def device_flags(self) -> list[str]:
        password, key = self.folder / "password", self.folder / "host-key"
        password.write_text(self.device.password)
        key.write_text(self.device.host_key)
        return [
            *("--rds-address", self.device.host, "--rds-port", str(self.device.port)),
            *("--rds-password-file", str(password), "--rds-host-key-file", str(key)),
        ]

    @property
    def cluster_flags(self) -> list[str]:
        return ["--kubeconfig", str(self.api.kubeconfig)]

    async def preflight(self, *more: str, cluster: bool = True, device: bool = True) -> Ended:
        flags = [*(self.cluster_flags if cluster else ()), *(self.device_flags if device else ())]
        return await run_here("preflight", *flags, "-o", "json", *more)


def workload(name: str, pod: Object, arguments: list[str]) -> Object:
    containers = [{"name": "driver", "args": arguments}]
    spec = {"template": {"spec": {"containers": containers, **pod}}}
    return {"metadata": {"name": name, "namespace": "rds-csi"}, "spec": spec}


async def run_here(*argv: str) -> Ended:
    out, err = io.StringIO(), io.StringIO()
    async with asyncio.timeout(LIMIT):
        code = await asyncio.to_thread(run, argv, {}, Streams(io.StringIO(), out, err))
    return Ended(code, out.getvalue(), err.getvalue())


__all__ = ["ATTACHMENTS", "DRIVER", "Ended", "World", "run_here", "volume_name"]
