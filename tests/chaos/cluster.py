"""What Kubernetes and its sidecars write to the API, tried again until it is there."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import NAMESPACE_DNS, uuid5

from libs.core.errors import Unreachable
from libs.kube.answers import Object
from libs.kube.attachments import attachment_name
from libs.kube.client import KubeClient
from libs.kube.errors import Answered, ObjectChanged, ObjectExists, ObjectMissing
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from protos.gen.csi import v1 as csi
from tests.chaos.programs import HouseBroken
from tests.component.reconciler.rig import DRIVER, FINALIZER, HOST, NAMESPACE

T = TypeVar("T")

CONTENTS = "/apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents"
LEASE = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases/rds-csi-reconciler"
_DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SNAPSHOT = {"apiVersion": "snapshot.storage.k8s.io/v1", "kind": "VolumeSnapshotContent"}
_ATTACHMENT = {"apiVersion": "storage.k8s.io/v1", "kind": "VolumeAttachment"}
_DEFINITION = {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition"}
_TAINT = "node.kubernetes.io/out-of-service"
_PAUSE = 0.2
_WRONG = {400, 401, 403, 405, 422}
"""What is answered to a request that makes no sense."""

_LIMIT = 90.0
"""Seconds that the API may be away for as a whole."""


def host_nqn(node: str) -> str:
    """Return the host NQN of a node."""
    return HOST.format(uuid5(NAMESPACE_DNS, node))


@dataclass
class Cluster:
    """The API, as controllers use it who do not give up.

    Attributes:
        kube: the client.
        tries: how many requests were made.
    """

    kube: KubeClient
    tries: int = 0

    async def insist(self, make: Callable[[], Awaitable[T]]) -> T | None:
        """Make a request until it is answered; None where the object is not there, or is already.

        Raises:
            HouseBroken: the request makes no sense.
            TimeoutError: that took too long.
        """
        async with asyncio.timeout(_LIMIT):
            while True:
                self.tries += 1
                try:
                    return await make()
                except (ObjectExists, ObjectMissing):
                    return None
                except Answered as answer:
                    if answer.status in _WRONG:
                        raise HouseBroken(f"{answer}: {answer.detail}") from answer
                    await asyncio.sleep(_PAUSE)
                except Unreachable:
                    await asyncio.sleep(_PAUSE)

    async def get(self, path: str) -> Object | None:
        return await self.insist(lambda: self.kube.get(path))

    async def create(self, path: str, item: Mapping[str, Any]) -> None:
        await self.insist(lambda: self.kube.create(path, item))

    async def patch(self, path: str, change: Mapping[str, Any]) -> None:
        await self.insist(lambda: self.kube.patch(path, change))

    async def delete(self, path: str) -> None:
        await self.insist(lambda: self.kube.delete(path))

    # At the start

    async def set_up(self) -> None:
        """Install what the snapshot controller would."""
        names = {"plural": "volumesnapshotcontents", "kind": "VolumeSnapshotContent"}
        version = {"name": "v1", "served": True, "storage": True, "subresources": {"status": {}}}
        group = "snapshot.storage.k8s.io"
        spec = {"group": group, "names": names, "scope": "Cluster", "versions": [version]}
        name = {"name": f"volumesnapshotcontents.{group}"}
        await self.create(_DEFINITIONS, {"metadata": name, "spec": spec, **_DEFINITION})

    # Nodes

    async def add_node(self, name: str) -> None:
        """A kubelet registers its node.

        The host NQN is written here, since a plugin with loop devices has none to announce.
        """
        marks = {f"{DRIVER}/host-nqn": host_nqn(name)}
        await self.create(NODES, {"metadata": {"name": name, "annotations": marks}})
        await self._set_ready(name, "True")
        await self.patch(f"{NODES}/{name}", {"spec": {"taints": []}})

    async def delete_node(self, name: str) -> None:
        await self.delete(f"{NODES}/{name}")

    async def take_out_of_service(self, name: str) -> None:
        """A node is silent, and somebody says that it is switched off."""
        await self._set_ready(name, "Unknown")
        taint = {"key": _TAINT, "value": "nodeshutdown", "effect": "NoExecute"}
        await self.patch(f"{NODES}/{name}", {"spec": {"taints": [taint]}})

    async def _set_ready(self, name: str, status: str) -> None:
        stamp = datetime.now(UTC).isoformat()
        condition = {"type": "Ready", "status": status, "lastTransitionTime": stamp}
        await self.patch(f"{NODES}/{name}/status", {"status": {"conditions": [condition]}})

    # Volumes and snapshots

    async def add_volume(self, volume: csi.Volume, *, block: bool) -> None:
        """external-provisioner writes down what it made."""
        name = volume.volume_id
        spec = {
            "csi": {
                "driver": DRIVER,
                "volumeHandle": name,
                "volumeAttributes": volume.volume_context,
                **({} if block else {"fsType": "ext4"}),
            },
            "capacity": {"storage": str(volume.capacity_bytes)},
            "accessModes": ["ReadWriteOnce"],
            "volumeMode": "Block" if block else "Filesystem",
            "claimRef": {"namespace": "default", "name": f"claim-of-{name}"},
            "persistentVolumeReclaimPolicy": "Delete",
        }
        await self.create(PERSISTENT_VOLUMES, {"metadata": {"name": name}, "spec": spec})

    async def drop_volume(self, name: str) -> None:
        await self.delete(f"{PERSISTENT_VOLUMES}/{name}")

    async def add_content(self, snapshot: str, volume: str) -> None:
        """The snapshot controller asks for a snapshot."""
        spec = {
            "driver": DRIVER,
            "deletionPolicy": "Delete",
            "source": {"volumeHandle": volume},
            "volumeSnapshotRef": {"namespace": "default", "name": snapshot},
        }
        item = {"metadata": {"name": snapshot}, "spec": spec}
        await self.create(CONTENTS, {**item, **_SNAPSHOT})

    async def set_content(self, snapshot: str, handle: str) -> None:
        status = {"snapshotHandle": handle, "readyToUse": True}
        await self.patch(f"{CONTENTS}/{snapshot}/status", {"status": status})

    async def drop_content(self, snapshot: str) -> None:
        await self.delete(f"{CONTENTS}/{snapshot}")

    # Attachments

    @staticmethod
    def attachment(volume: str, node: str) -> str:
        return f"{VOLUME_ATTACHMENTS}/{attachment_name(volume, DRIVER, node)}"

    async def want_attached(self, volume: str, node: str) -> None:
        """The attach/detach controller wants a volume on a node."""
        spec = {
            "attacher": DRIVER,
            "nodeName": node,
            "source": {"persistentVolumeName": volume},
        }
        name = attachment_name(volume, DRIVER, node)
        metadata = {"name": name, "finalizers": [FINALIZER]}
        item = {"metadata": metadata, "spec": spec}
        await self.create(VOLUME_ATTACHMENTS, {**item, **_ATTACHMENT})

    async def set_attached(self, volume: str, node: str) -> None:
        """external-attacher writes down that it is there."""
        path = self.attachment(volume, node)
        await self.patch(f"{path}/status", {"status": {"attached": True}})

    async def want_detached(self, volume: str, node: str) -> None:
        """The attach/detach controller wants it gone."""
        await self.delete(self.attachment(volume, node))

    async def let_go(self, volume: str, node: str) -> None:
        """external-attacher takes its finalizer away."""
        await self.patch(self.attachment(volume, node), {"metadata": {"finalizers": None}})

    async def is_wanted(self, volume: str, node: str) -> bool | None:
        """Whether an attachment is there, and not being deleted; None where it is not there."""
        item = await self.get(self.attachment(volume, node))
        return None if item is None else not item["metadata"].get("deletionTimestamp")

    async def all_attachments(self) -> list[str]:
        """Return the names of what is there."""

        async def read() -> list[str]:
            pages = [page async for page in self.kube.list(VOLUME_ATTACHMENTS)]
            return [str(item["metadata"]["name"]) for page in pages for item in page.items]

        return await self.insist(read) or []

    # The election

    async def leader(self) -> str:
        """Return which replica leads, as far as the Lease says."""
        item = await self.get(LEASE)
        spec = (item or {}).get("spec") or {}
        return str(spec.get("holderIdentity") or "")

    async def skew(self, how: str) -> None:
        """Somebody whose clock is hours off writes the Lease, for the replica that has it."""
        hours = timedelta(hours=-3 if how == "past" else 3)
        stamp = (datetime.now(UTC) + hours).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        try:
            await self.kube.patch(LEASE, {"spec": {"renewTime": stamp}})
        except (ObjectChanged, ObjectMissing, Unreachable):
            return
