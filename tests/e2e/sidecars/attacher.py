"""What external-attacher does: VolumeAttachments become publications, and end with them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from grpclib import GRPCError

from libs.kube.answers import Object
from libs.kube.errors import ObjectMissing
from libs.kube.paths import PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from protos.gen.csi import v1 as csi
from tests.e2e.sidecars.serving import (
    CSI_NODES,
    Sidecar,
    Work,
    annotations,
    capability,
    is_ours,
    meta,
    status,
)
from tests.kube.shipped import DRIVER

FINALIZER = f"external-attacher/{DRIVER.replace('.', '-')}"
_NODE_ID = "csi.alpha.kubernetes.io/node-id"


@dataclass
class Attacher(Sidecar):
    """Calls ControllerPublishVolume and ControllerUnpublishVolume."""

    def __post_init__(self) -> None:
        self._attachments = self.watch(VOLUME_ATTACHMENTS)
        self._volumes = self.watch(PERSISTENT_VOLUMES)

    def due(self) -> Iterator[tuple[str, Work]]:
        """Yield what is to be attached, what is to be detached, and volumes that are let go."""
        used = set()
        for item in self._attachments.values():
            if item["spec"]["attacher"] != DRIVER:
                continue
            used.add(item["spec"]["source"].get("persistentVolumeName"))
            name, going = meta(item)["name"], meta(item).get("deletionTimestamp")
            if not going and not status(item).get("attached"):
                yield f"attach {name}", partial(self._attach, name)
            if going and FINALIZER in meta(item).get("finalizers", []):
                yield f"detach {name}", partial(self._detach, name)
        for volume in self._volumes.values():
            held = FINALIZER in meta(volume).get("finalizers", [])
            name = meta(volume)["name"]
            if held and meta(volume).get("deletionTimestamp") and name not in used:
                path = f"{PERSISTENT_VOLUMES}/{name}"
                yield f"let go of {name}", partial(self._without_finalizer, path)

    async def _attach(self, name: str) -> None:
        path = f"{VOLUME_ATTACHMENTS}/{name}"
        item = await self.kube.get(path)
        if item is None or meta(item).get("deletionTimestamp") or status(item).get("attached"):
            return
        volume = await self._volume(item)
        node = await self._node_id(item)
        await self._with_finalizer(f"{PERSISTENT_VOLUMES}/{meta(volume)['name']}", volume, {})
        await self._with_finalizer(path, item, {_NODE_ID: node})
        source = volume["spec"]["csi"]
        request = csi.ControllerPublishVolumeRequest(
            volume_id=source["volumeHandle"],
            node_id=node,
            volume_capability=capability(volume["spec"], source.get("fsType", "ext4")),
            readonly=bool(source.get("readOnly")),
            volume_context=source.get("volumeAttributes") or {},
        )
        try:
            answer = await self.controller.controller_publish_volume(request)
        except GRPCError as error:
            await self._tell(path, "attachError", error)
            raise
        attached = {"attached": True, "attachmentMetadata": answer.publish_context}
        await self.kube.patch(f"{path}/status", {"status": {**attached, "attachError": None}})

    async def _detach(self, name: str) -> None:
        path = f"{VOLUME_ATTACHMENTS}/{name}"
        item = await self.kube.get(path)
        if item is None or FINALIZER not in meta(item).get("finalizers", []):
            return
        volume = await self._volume(item)
        request = csi.ControllerUnpublishVolumeRequest(
            volume_id=volume["spec"]["csi"]["volumeHandle"],
            node_id=annotations(item).get(_NODE_ID) or item["spec"]["nodeName"],
        )
        try:
            await self.controller.controller_unpublish_volume(request)
        except GRPCError as error:
            await self._tell(path, "detachError", error)
            raise
        await self.kube.patch(f"{path}/status", {"status": {"attached": False}})
        await self._without_finalizer(path)

    async def _tell(self, path: str, where: str, error: GRPCError) -> None:
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        what = {"message": f"{error.status.name}: {error.message}", "time": stamp}
        await self.kube.patch(f"{path}/status", {"status": {where: what}})

    async def _volume(self, attachment: Object) -> Object:
        name = attachment["spec"]["source"]["persistentVolumeName"]
        volume = await self.kube.get(f"{PERSISTENT_VOLUMES}/{name}")
        if volume is None or not is_ours(volume):
            raise ObjectMissing(f"the PersistentVolume {name} is not there, or not ours")
        return volume

    async def _node_id(self, attachment: Object) -> str:
        """Return the node's ID as its kubelet has it from the node plugin."""
        name = attachment["spec"]["nodeName"]
        node = await self.kube.get(f"{CSI_NODES}/{name}")
        for driver in ((node or {}).get("spec") or {}).get("drivers") or []:
            if driver["name"] == DRIVER:
                return str(driver["nodeID"])
        raise ObjectMissing(f"the driver is not registered on {name}")

    async def _with_finalizer(self, path: str, item: Object, marks: Mapping[str, str]) -> None:
        own = meta(item).get("finalizers", [])
        if FINALIZER in own and marks.items() <= annotations(item).items():
            return
        change = {
            "resourceVersion": meta(item)["resourceVersion"],
            "finalizers": own if FINALIZER in own else [*own, FINALIZER],
            "annotations": dict(marks),
        }
        await self.kube.patch(path, {"metadata": change})

    async def _without_finalizer(self, path: str) -> None:
        item = await self.kube.get(path)
        if item is None or FINALIZER not in meta(item).get("finalizers", []):
            return
        rest = [one for one in meta(item)["finalizers"] if one != FINALIZER]
        change = {"resourceVersion": meta(item)["resourceVersion"], "finalizers": rest or None}
        await self.kube.patch(path, {"metadata": change})
