"""What provisioner, attacher and kubelet tell the Kubernetes API of a volume, told by the demo."""

import contextlib
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import aiohttp

from demo.children import Surprise
from libs.kube.attachments import attachment_name
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS

DRIVER = "rds.csi.srvlab.io"
NODE = "worker-1"

_FINALIZER = "external-attacher/rds-csi-srvlab-io"
_MERGE = {"Content-Type": "application/merge-patch+json"}
_LIMIT = aiohttp.ClientTimeout(total=20)
_NOT_FOUND, _CONFLICT = 404, 409


class Cluster:
    """The Kubernetes API, as far as the demo writes to it; every change may be made twice."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def add_volume(self, volume: str, size: int, context: Mapping[str, str]) -> None:
        """Do as external-provisioner does when a volume was made."""
        source = {"driver": DRIVER, "volumeHandle": volume, "volumeAttributes": dict(context)}
        spec = {
            "capacity": {"storage": str(size)},
            "accessModes": ["ReadWriteOnce"],
            "persistentVolumeReclaimPolicy": "Delete",
            "csi": source,
        }
        await self._add(PERSISTENT_VOLUMES, "v1", "PersistentVolume", volume, spec)

    async def remove_volume(self, volume: str) -> None:
        """Do as it does when a volume was deleted."""
        await self._ask("DELETE", f"{PERSISTENT_VOLUMES}/{volume}", also=(_NOT_FOUND,))

    async def claim(self, volume: str) -> None:
        """Do as kube-controller-manager does before a volume is attached."""
        spec = {
            "attacher": DRIVER,
            "nodeName": NODE,
            "source": {"persistentVolumeName": volume},
        }
        kind = ("storage.k8s.io/v1", "VolumeAttachment")
        await self._add(
            VOLUME_ATTACHMENTS, *kind, _attachment(volume), spec, finalizers=[_FINALIZER]
        )

    async def confirm(self, volume: str) -> None:
        """Do as external-attacher does once it is attached, and as the kubelet does to use it."""
        path = f"{VOLUME_ATTACHMENTS}/{_attachment(volume)}/status"
        await self._ask("PATCH", path, {"status": {"attached": True}}, _MERGE)
        await self.report([volume])

    async def report(self, volumes: list[str]) -> None:
        """Do as the kubelet does: it is well, and uses these volumes."""
        status = {
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}],
            "volumesInUse": [f"kubernetes.io/csi/{DRIVER}^{volume}" for volume in volumes],
        }
        await self._ask("PATCH", f"{NODES}/{NODE}/status", {"status": status}, _MERGE)

    async def give_up(self, volume: str) -> None:
        """Do as kube-controller-manager does to have a volume detached."""
        await self.report([])
        path = f"{VOLUME_ATTACHMENTS}/{_attachment(volume)}"
        await self._ask("DELETE", path, also=(_NOT_FOUND,))

    async def release(self, volume: str) -> None:
        """Do as external-attacher does once it is detached."""
        path = f"{VOLUME_ATTACHMENTS}/{_attachment(volume)}"
        await self._ask(
            "PATCH", path, {"metadata": {"finalizers": None}}, _MERGE, also=(_NOT_FOUND,)
        )

    async def _add(  # noqa: PLR0913 (what an object is made of)
        self,
        path: str,
        version: str,
        kind: str,
        name: str,
        spec: Mapping[str, Any],
        *,
        finalizers: list[str] | None = None,
    ) -> None:
        metadata = {"name": name, "finalizers": finalizers or []}
        body = {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
        await self._ask("POST", path, body, also=(_CONFLICT,))

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        also: tuple[int, ...] = (),
    ) -> None:
        async with self._session.request(method, path, json=body, headers=headers) as response:
            if not response.ok and response.status not in also:
                text = await response.text()
                raise Surprise(f"expected {method} {path} to succeed; got {text[:300]}")


@contextlib.asynccontextmanager
async def open_cluster(server: str, account: Path) -> AsyncIterator[Cluster]:
    """Reach the API as a pod does, with the token and the authority of a service account."""
    context = ssl.create_default_context(cafile=str(account / "ca.crt"))
    token = (account / "token").read_text()
    async with aiohttp.ClientSession(
        server,
        connector=aiohttp.TCPConnector(ssl=context),
        headers={"Authorization": f"Bearer {token}"},
        timeout=_LIMIT,
    ) as session:
        yield Cluster(session)


def _attachment(volume: str) -> str:
    # As kube-controller-manager chooses it: the node plugin asks for it by this name.
    return attachment_name(volume, DRIVER, NODE)
