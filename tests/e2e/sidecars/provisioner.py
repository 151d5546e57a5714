"""What external-provisioner does: claims become volumes, and released volumes go."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from libs.kube.answers import Object
from libs.kube.errors import ObjectExists, ObjectMissing
from libs.kube.paths import PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from protos.gen.csi import v1 as csi
from tests.e2e.sidecars.serving import (
    CLAIMS,
    CLASSES,
    SNAPSHOTS,
    Sidecar,
    Work,
    annotations,
    capability,
    is_ours,
    meta,
    quantity,
    status,
)
from tests.kube.shipped import DRIVER

_PROVISIONER = "volume.beta.kubernetes.io/storage-provisioner"
_NODE = "volume.kubernetes.io/selected-node"
_MADE_BY = "pv.kubernetes.io/provisioned-by"
_SIDECARS = "csi.storage.k8s.io/"


@dataclass
class Provisioner(Sidecar):
    """Calls CreateVolume and DeleteVolume."""

    def __post_init__(self) -> None:
        self._claims = self.watch(CLAIMS)
        self._volumes = self.watch(PERSISTENT_VOLUMES)
        self._classes = self.watch(CLASSES)
        self._attachments = self.watch(VOLUME_ATTACHMENTS)

    def due(self) -> Iterator[tuple[str, Work]]:
        """Yield claims without a volume, and volumes without a claim."""
        for claim in self._claims.values():
            if self._is_wanted(claim):
                yield f"create pvc-{meta(claim)['uid']}", partial(self._create, claim)
        attached = {
            item["spec"]["source"].get("persistentVolumeName")
            for item in self._attachments.values()
        }
        for volume in self._volumes.values():
            if _is_released(volume) and meta(volume)["name"] not in attached:
                yield f"delete {meta(volume)['name']}", partial(self._delete, volume)

    def _is_wanted(self, claim: Object) -> bool:
        marks = annotations(claim)
        if marks.get(_PROVISIONER) != DRIVER or claim["spec"].get("volumeName"):
            return False
        if meta(claim).get("deletionTimestamp"):
            return False
        found = self._classes.get(claim["spec"]["storageClassName"])
        waits = found is not None and found.get("volumeBindingMode") == "WaitForFirstConsumer"
        name = f"pvc-{meta(claim)['uid']}"
        return self._volumes.get(name) is None and (not waits or _NODE in marks)

    async def _create(self, claim: Object) -> None:
        name = f"pvc-{meta(claim)['uid']}"
        if await self.kube.get(f"{PERSISTENT_VOLUMES}/{name}") is not None:
            return
        group = self._classes.get(claim["spec"]["storageClassName"]) or {}
        given = group.get("parameters") or {}
        fs_type = given.get(f"{_SIDECARS}fstype", "ext4")
        request = csi.CreateVolumeRequest(
            name=name,
            capacity_range=csi.CapacityRange(
                required_bytes=quantity(claim["spec"]["resources"]["requests"]["storage"])
            ),
            volume_capabilities=[capability(claim["spec"], fs_type)],
            parameters={k: v for k, v in given.items() if not k.startswith(_SIDECARS)},
            volume_content_source=await self._source(claim),
        )
        made = (await self.controller.create_volume(request)).volume
        assert made is not None
        await self._record(name, claim, group, made, fs_type)

    async def _source(self, claim: Object) -> csi.VolumeContentSource | None:
        source = claim["spec"].get("dataSource")
        if source is None:
            return None
        space, name = meta(claim)["namespace"], source["name"]
        if source["kind"] == "PersistentVolumeClaim":
            item = await self._must_get(f"/api/v1/namespaces/{space}/persistentvolumeclaims/{name}")
            volume = await self._must_get(f"{PERSISTENT_VOLUMES}/{item['spec']['volumeName']}")
            handle = volume["spec"]["csi"]["volumeHandle"]
            found = csi.VolumeContentSourceVolumeSource(volume_id=handle)
            return csi.VolumeContentSource(volume=found)
        item = await self._must_get(f"{SNAPSHOTS}/namespaces/{space}/volumesnapshots/{name}")
        content = status(item).get("boundVolumeSnapshotContentName")
        if not status(item).get("readyToUse") or not content:
            raise ObjectMissing(f"the snapshot {name} is not ready")
        item = await self._must_get(f"{SNAPSHOTS}/volumesnapshotcontents/{content}")
        snapshot = csi.VolumeContentSourceSnapshotSource(snapshot_id=status(item)["snapshotHandle"])
        return csi.VolumeContentSource(snapshot=snapshot)

    async def _must_get(self, path: str) -> Object:
        item = await self.kube.get(path)
        if item is None:
            raise ObjectMissing(f"{path} is not there")
        return item

    async def _record(
        self, name: str, claim: Object, group: Object, made: csi.Volume, fs_type: str
    ) -> None:
        block = claim["spec"].get("volumeMode") == "Block"
        source: dict[str, Any] = {
            "driver": DRIVER,
            "volumeHandle": made.volume_id,
            "volumeAttributes": made.volume_context,
        }
        spec = {
            "capacity": {"storage": str(made.capacity_bytes)},
            "accessModes": claim["spec"]["accessModes"],
            "persistentVolumeReclaimPolicy": group.get("reclaimPolicy", "Delete"),
            "storageClassName": claim["spec"]["storageClassName"],
            "volumeMode": claim["spec"].get("volumeMode", "Filesystem"),
            "claimRef": {
                "kind": "PersistentVolumeClaim",
                "apiVersion": "v1",
                **{key: meta(claim)[key] for key in ("namespace", "name", "uid")},
            },
            "csi": source if block else source | {"fsType": fs_type},
        }
        item = {"metadata": {"name": name, "annotations": {_MADE_BY: DRIVER}}, "spec": spec}
        try:
            await self.kube.create(PERSISTENT_VOLUMES, item)
        except ObjectExists:
            return

    async def _delete(self, volume: Object) -> None:
        path = f"{PERSISTENT_VOLUMES}/{meta(volume)['name']}"
        now = await self.kube.get(path)
        if now is None or not _is_released(now):
            return
        handle = now["spec"]["csi"]["volumeHandle"]
        await self.controller.delete_volume(csi.DeleteVolumeRequest(volume_id=handle))
        try:
            await self.kube.delete(path)
        except ObjectMissing:
            return


def _is_released(volume: Object) -> bool:
    return (
        is_ours(volume)
        and status(volume).get("phase") == "Released"
        and volume["spec"].get("persistentVolumeReclaimPolicy") == "Delete"
        and annotations(volume).get(_MADE_BY) == DRIVER
        and not meta(volume).get("deletionTimestamp")
    )
