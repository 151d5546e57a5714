"""What external-snapshotter does, in its two halves: the cluster's and the driver's."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from libs.kube.answers import Object
from libs.kube.errors import ObjectExists, ObjectMissing
from libs.kube.paths import PERSISTENT_VOLUMES
from protos.gen.csi import v1 as csi
from tests.e2e.sidecars.serving import SNAPSHOTS, Sidecar, Work, meta, status
from tests.kube.shipped import DRIVER

_BOUND = "snapshot.storage.kubernetes.io/volumesnapshot-bound-protection"
_DELETE = "snapshot.storage.kubernetes.io/volumesnapshotcontent-bound-protection"


@dataclass
class SnapshotController(Sidecar):
    """The cluster's half: a VolumeSnapshot gets a VolumeSnapshotContent, and its state."""

    def __post_init__(self) -> None:
        self._snapshots = self.watch(f"{SNAPSHOTS}/volumesnapshots")
        self._contents = self.watch(f"{SNAPSHOTS}/volumesnapshotcontents")

    def due(self) -> Iterator[tuple[str, Work]]:
        """Yield snapshots without a content, or with an older state, or that are to go."""
        for snapshot in self._snapshots.values():
            name = meta(snapshot)["name"]
            content = self._contents.get(_content_name(snapshot))
            if meta(snapshot).get("deletionTimestamp"):
                yield f"drop {name}", partial(self._drop, snapshot)
            elif content is None:
                yield f"bind {name}", partial(self._bind, snapshot)
            elif _state(content) != status(snapshot):
                yield f"show {name}", partial(self._show, snapshot)

    async def _bind(self, snapshot: Object) -> None:
        space, claim = meta(snapshot)["namespace"], snapshot["spec"]["source"]
        name = claim["persistentVolumeClaimName"]
        bound = await self.kube.get(f"/api/v1/namespaces/{space}/persistentvolumeclaims/{name}")
        volume = await self.kube.get(
            f"{PERSISTENT_VOLUMES}/{((bound or {}).get('spec') or {}).get('volumeName', '-')}"
        )
        if volume is None:
            raise ObjectMissing(f"the claim {name} has no volume")
        await self.kube.patch(_path(snapshot), {"metadata": {"finalizers": [_BOUND]}})
        spec: dict[str, Any] = {
            "driver": DRIVER,
            "deletionPolicy": "Delete",
            "volumeSnapshotClassName": snapshot["spec"]["volumeSnapshotClassName"],
            "source": {"volumeHandle": volume["spec"]["csi"]["volumeHandle"]},
            "volumeSnapshotRef": {
                "kind": "VolumeSnapshot",
                **{key: meta(snapshot)[key] for key in ("namespace", "name", "uid")},
            },
        }
        item = {
            "apiVersion": "snapshot.storage.k8s.io/v1",
            "kind": "VolumeSnapshotContent",
            "metadata": {"name": _content_name(snapshot), "finalizers": [_DELETE]},
            "spec": spec,
        }
        try:
            await self.kube.create(f"{SNAPSHOTS}/volumesnapshotcontents", item)
        except ObjectExists:
            return

    async def _show(self, snapshot: Object) -> None:
        content = await self.kube.get(
            f"{SNAPSHOTS}/volumesnapshotcontents/{_content_name(snapshot)}"
        )
        if content is not None:
            await self.kube.patch(f"{_path(snapshot)}/status", {"status": _state(content)})

    async def _drop(self, snapshot: Object) -> None:
        path = f"{SNAPSHOTS}/volumesnapshotcontents/{_content_name(snapshot)}"
        content = await self.kube.get(path)
        if content is None:
            await self.kube.patch(_path(snapshot), {"metadata": {"finalizers": None}})
        elif not meta(content).get("deletionTimestamp"):
            await self.kube.delete(path)
        else:
            raise ObjectExists("its content is still there")


@dataclass
class Snapshotter(Sidecar):
    """The driver's half: a VolumeSnapshotContent becomes a snapshot. Calls CreateSnapshot."""

    def __post_init__(self) -> None:
        self._contents = self.watch(f"{SNAPSHOTS}/volumesnapshotcontents")

    def due(self) -> Iterator[tuple[str, Work]]:
        """Yield contents without a snapshot, and snapshots that are to go."""
        for content in self._contents.values():
            name = meta(content)["name"]
            if content["spec"]["driver"] != DRIVER:
                continue
            if meta(content).get("deletionTimestamp"):
                yield f"delete {name}", partial(self._delete, name)
            elif not status(content).get("readyToUse"):
                yield f"take {name}", partial(self._take, name)

    async def _take(self, name: str) -> None:
        path = f"{SNAPSHOTS}/volumesnapshotcontents/{name}"
        content = await self.kube.get(path)
        if content is None or status(content).get("readyToUse"):
            return
        request = csi.CreateSnapshotRequest(
            source_volume_id=content["spec"]["source"]["volumeHandle"],
            name=f"snapshot-{content['spec']['volumeSnapshotRef']['uid']}",
        )
        made = (await self.controller.create_snapshot(request)).snapshot
        assert made is not None
        state = {
            "snapshotHandle": made.snapshot_id,
            "restoreSize": made.size_bytes,
            "readyToUse": made.ready_to_use,
        }
        await self.kube.patch(f"{path}/status", {"status": state})

    async def _delete(self, name: str) -> None:
        path = f"{SNAPSHOTS}/volumesnapshotcontents/{name}"
        content = await self.kube.get(path)
        if content is None:
            return
        if handle := status(content).get("snapshotHandle"):
            request = csi.DeleteSnapshotRequest(snapshot_id=handle)
            await self.controller.delete_snapshot(request)
        await self.kube.patch(path, {"metadata": {"finalizers": None}})


def _path(snapshot: Object) -> str:
    space, name = meta(snapshot)["namespace"], meta(snapshot)["name"]
    return f"{SNAPSHOTS}/namespaces/{space}/volumesnapshots/{name}"


def _content_name(snapshot: Object) -> str:
    return f"snapcontent-{meta(snapshot)['uid']}"


def _state(content: Object) -> Object:
    found = status(content)
    state: Object = {"boundVolumeSnapshotContentName": meta(content)["name"]}
    if "readyToUse" in found:
        state["readyToUse"] = found["readyToUse"]
        state["restoreSize"] = str(found["restoreSize"])
    return state
