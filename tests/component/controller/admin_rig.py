"""An assembled controller with its admin API, on its own or in a cluster."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from libs.core.paths import DevicePath
from libs.csikit.channel import AdminChannel, open_admin_channel
from libs.csikit.collect import (
    AttachmentListing,
    DeviceListing,
    collect_attachments,
    collect_inventory,
)
from libs.kube.paths import SNAPSHOT_CONTENTS
from libs.mockkube.resources import CUSTOM_RESOURCES
from libs.mockrds.device import Device
from libs.mockrds.disks import Disk
from libs.mockrds.files import Pool
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as admin
from tests.component.controller.rig import GIB, NAME, Rig, open_rig
from tests.fakes.apiserver import ATTACHMENTS, NODES, VOLUMES, ApiServer, running_api

DRIVER = "rds.csi.srvlab.io"
HOST = "nqn.2014-08.org.nvmexpress:uuid:{}"
HOSTS = {name: HOST.format(name) for name in ("a", "b", "c")}
FENCED = {"fencing": "host"}
BASES = {"file": "/raid10/volumes", "subvolume": "/btr/volumes"}
OTHER = "pvc-00000000-0000-0000-0000-000000000002"
Kind = admin.ItemKind


@dataclass
class AdminRig:
    """A controller and its admin API."""

    rig: Rig
    channel: AdminChannel
    stub: admin.ControllerAdminStub

    async def inventory(self, *devices: str) -> dict[str, DeviceListing]:
        return await collect_inventory(
            self.stub.get_inventory(admin.GetInventoryRequest(devices=list(devices)))
        )

    async def listing(self) -> DeviceListing:
        (listing,) = (await self.inventory()).values()
        return listing

    async def volume(self, name: str = NAME) -> admin.Volume:
        (found,) = [v for v in (await self.listing()).volumes if v.volume_id == name]
        return found

    async def leftover(self) -> admin.Leftover:
        (found,) = (await self.listing()).leftovers
        return found

    async def snapshot(self) -> admin.Snapshot:
        """Take a snapshot of the only volume, and return what is listed of it."""
        await self.rig.controller.create_snapshot(
            csi.CreateSnapshotRequest(name="nightly", source_volume_id=NAME)
        )
        (frozen,) = (await self.listing()).snapshots
        return frozen

    async def attachments(self, **fields: str) -> AttachmentListing:
        return await collect_attachments(
            self.stub.list_attachments(admin.ListAttachmentsRequest(**fields))
        )

    async def detach(self, node: str, volume: str = NAME, **fields: str) -> admin.DetachResponse:
        message = admin.DetachRequest(
            volume_id=volume, node_id=node, **{"reason": "a test", **fields}
        )
        return await self.stub.detach(message)

    async def fence(self, node: str, volume: str = NAME, **fields: str) -> admin.FenceResponse:
        message = admin.FenceRequest(
            volume_id=volume, node_id=node, **{"reason": "a test", **fields}
        )
        return await self.stub.fence(message)

    async def unfence(self, node: str, volume: str = NAME) -> admin.UnfenceResponse:
        message = admin.UnfenceRequest(volume_id=volume, node_id=node, reason="a test")
        return await self.stub.unfence(message)

    async def delete(self, item: Any, **fields: Any) -> admin.DeleteOrphanResponse:
        """Remove an item of the inventory; `fields` are of the request."""
        return await self.stub.delete_orphan(request_of(item, **fields))

    @property
    def disk(self) -> Disk:
        (disk,) = self.rig.device.state.disks
        return disk

    @property
    def admitted(self) -> str:
        return str(self.disk.properties["nvme-tcp-server-allow-host-name"])


@dataclass
class InCluster(AdminRig):
    """The same in a cluster."""

    api: ApiServer

    async def claim(self, node: str, *, attached: bool = True, volume: str = NAME) -> str:
        """Add a VolumeAttachment, or change it, and return its UID."""
        stamp = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        await self.api.attach(volume, node, DRIVER, attached=attached, created=stamp)
        item = self.api.objects[ATTACHMENTS][f"csi-{volume}-{node}"]
        return str(item["metadata"]["uid"])

    async def publish(self, node: str) -> None:
        """Publish as external-attacher does."""
        await self.claim(node, attached=False)
        await self.rig.publish(node)
        await self.claim(node)

    async def refer(self, volume: str = NAME, name: str = "", driver: str = DRIVER) -> None:
        """Add a PersistentVolume."""
        spec = {"csi": {"driver": driver, "volumeHandle": volume}}
        await self.api.put(VOLUMES, {"metadata": {"name": name or volume}, "spec": spec})

    async def know_snapshots(self, *contents: dict[str, Any]) -> None:
        """Add the kind VolumeSnapshotContent, and objects of it, each with spec and status."""
        names = {"plural": "volumesnapshotcontents", "kind": "VolumeSnapshotContent"}
        spec = {
            "group": "snapshot.storage.k8s.io",
            "names": names,
            "scope": "Cluster",
            "versions": [{"name": "v1", "served": True, "storage": True}],
        }
        name = "volumesnapshotcontents.snapshot.storage.k8s.io"
        await self.api.put(CUSTOM_RESOURCES, {"metadata": {"name": name}, "spec": spec})
        for i, content in enumerate(contents):
            await self.api.put(SNAPSHOT_CONTENTS, {"metadata": {"name": f"content-{i}"}, **content})


def request_of(item: Any, **fields: Any) -> admin.DeleteOrphanRequest:
    match item:
        case admin.Volume():
            kind, name = Kind.VOLUME, item.volume_id
        case admin.Snapshot():
            kind, name = Kind.SNAPSHOT, item.snapshot_id
        case _:
            kind, name = item.kind, item.path
    request = admin.DeleteOrphanRequest(
        kind=kind, id=name, device="rds", fingerprint=item.fingerprint, reason="a test"
    )
    for field, value in fields.items():
        setattr(request, field, value)
    return request


def two_pools(version: str = "7.24.4") -> Device:
    return Device([Pool("raid10", 100 * GIB), Pool("btr", 100 * GIB, "btrfs")], version=version)


def where(layout: str) -> dict[str, str]:
    return {"layout": layout, "volumePath": BASES[layout]}


@contextlib.asynccontextmanager
async def open_alone(
    path: Path, device: Device | None = None, **changes: Any
) -> AsyncIterator[AdminRig]:
    """Run a controller that keeps attachments in memory, for nodes a, b and c."""
    changes = {
        "known_nodes": tuple(HOSTS.items()),
        "volume_base_paths": tuple(map(DevicePath.parse, BASES.values())),
        **changes,
    }
    socket = path / "admin.sock"
    async with (
        open_rig(path, device or two_pools(), admin_endpoint=socket, **changes) as rig,
        open_admin_channel(socket) as channel,
    ):
        yield AdminRig(rig, channel, admin.ControllerAdminStub(channel, timeout=20))


@contextlib.asynccontextmanager
async def open_clustered(path: Path, **changes: Any) -> AsyncIterator[InCluster]:
    """Run a controller in a cluster with nodes a, b and c."""
    async with running_api(path) as api:
        for name, host in HOSTS.items():
            annotations = {f"{DRIVER}/host-nqn": host}
            await api.put(NODES, {"metadata": {"name": name, "annotations": annotations}})
        settings = {
            "attachments": "cluster",
            "kubeconfig": api.kubeconfig,
            "annotate_volumes": False,
            **changes,
        }
        async with open_alone(path, **settings) as alone:
            yield InCluster(alone.rig, alone.channel, alone.stub, api)


def names(listing: DeviceListing) -> tuple[list[str], list[str], list[str]]:
    """Return the names of the volumes, snapshots and leftovers of a listing."""
    return (
        [volume.volume_id for volume in listing.volumes],
        [frozen.snapshot_id for frozen in listing.snapshots],
        [leftover.path for leftover in listing.leftovers],
    )
