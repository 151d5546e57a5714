"""A volume's whole life across containers: what sidecars, kubelet, a pod and an SRE do.

It has two parts, and every call of the first that the second needs is made again there, as sidecars
and kubelet do: so everything may be restarted in between.
"""

import asyncio
import hashlib
import os
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from demo.compose.cluster import NODE
from demo.compose.house import Town
from demo.steps import expect
from libs.core.size import GIB, MIB, format_bytes
from protos.gen.csi import v1 as csi

FILE = "data.bin"
CONTENT = hashlib.shake_256(b"what a pod keeps").digest(4 * MIB)
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()

CAPABILITY = csi.VolumeCapability(
    mount=csi.VolumeCapabilityMountVolume(fs_type="xfs"),
    access_mode=csi.VolumeCapabilityAccessMode(
        mode=csi.VolumeCapabilityAccessModeMode.SINGLE_NODE_WRITER
    ),
)
"""XFS: growing a mounted ext4 takes CAP_SYS_RESOURCE, which not every engine grants."""


@dataclass(frozen=True)
class Act:
    """One thing that somebody does.

    Attributes:
        who: the part of a cluster that the demo stands in for.
        name: what is done.
        call: does it; returns what is shown.
    """

    who: str
    name: str
    call: Callable[[Town], Awaitable[str]]


async def _create(town: Town) -> str:
    answer = await town.controller.create_volume(
        csi.CreateVolumeRequest(
            name=town.volume,
            capacity_range=csi.CapacityRange(required_bytes=GIB),
            volume_capabilities=[CAPABILITY],
        )
    )
    return await _note(town, answer)


async def _note(town: Town, answer: csi.CreateVolumeResponse) -> str:
    volume = answer.volume or csi.Volume()
    expect(that=volume.capacity_bytes == GIB, expected="1 GiB", got=volume)
    town.contexts[volume.volume_id] = volume.volume_context
    await town.cluster.add_volume(volume.volume_id, GIB, volume.volume_context)
    return f"{volume.volume_id[:12]}…, {format_bytes(volume.capacity_bytes)}"


async def _publish(town: Town, volume: str) -> str:
    await town.cluster.claim(volume)
    answer = await town.controller.controller_publish_volume(
        csi.ControllerPublishVolumeRequest(
            volume_id=volume,
            node_id=NODE,
            volume_capability=CAPABILITY,
            volume_context=dict(town.contexts[volume]),
        )
    )
    town.published[volume] = answer.publish_context
    await town.cluster.confirm(volume)
    return f"{NODE} may connect to {answer.publish_context['nvme_address']}"


async def _stage(town: Town, volume: str) -> str:
    staging = town.staging(volume)
    await asyncio.to_thread(town.seen(staging).mkdir, parents=True, exist_ok=True)
    await town.node.node_stage_volume(
        csi.NodeStageVolumeRequest(
            volume_id=volume,
            publish_context=dict(town.published[volume]),
            volume_context=dict(town.contexts[volume]),
            staging_target_path=str(staging),
            volume_capability=CAPABILITY,
        )
    )
    target = town.target(volume)
    await asyncio.to_thread(town.seen(target.parent).mkdir, parents=True, exist_ok=True)
    await town.node.node_publish_volume(
        csi.NodePublishVolumeRequest(
            volume_id=volume,
            publish_context=dict(town.published[volume]),
            volume_context=dict(town.contexts[volume]),
            staging_target_path=str(staging),
            target_path=str(target),
            volume_capability=CAPABILITY,
        )
    )
    return f"{volume[:12]}… is mounted for the pod"


async def _write(town: Town) -> str:
    await asyncio.to_thread(_write_file, town.seen(town.target(town.volume)) / FILE)
    return f"{format_bytes(len(CONTENT))}, SHA-256 {CHECKSUM[:16]}…"


def _write_file(path: Path) -> None:
    with path.open("wb") as file:
        file.write(CONTENT)
        file.flush()
        os.fsync(file.fileno())


async def _read(town: Town, volume: str) -> str:
    path = town.seen(town.target(volume)) / FILE
    found = hashlib.sha256(await asyncio.to_thread(path.read_bytes)).hexdigest()
    expect(that=found == CHECKSUM, expected=f"the checksum {CHECKSUM}", got=found)
    return f"unchanged, SHA-256 {found[:16]}…"


async def _tell(town: Town) -> str:
    text = await town.ask_reconciler("volume", town.volume)
    expect(that=NODE in text, expected=f"{NODE} to be told of", got=text)
    return text


async def _unstage(town: Town, volume: str) -> str:
    await town.node.node_unpublish_volume(
        csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=str(town.target(volume)))
    )
    await town.node.node_unstage_volume(
        csi.NodeUnstageVolumeRequest(
            volume_id=volume, staging_target_path=str(town.staging(volume))
        )
    )
    return "unmounted and disconnected"


async def _unpublish(town: Town, volume: str) -> str:
    await town.cluster.give_up(volume)
    await town.controller.controller_unpublish_volume(
        csi.ControllerUnpublishVolumeRequest(volume_id=volume, node_id=NODE)
    )
    await town.cluster.release(volume)
    return f"taken from {NODE}"


async def _snapshot(town: Town) -> str:
    answer = await town.controller.create_snapshot(
        csi.CreateSnapshotRequest(name=town.snapshot, source_volume_id=town.volume)
    )
    snapshot = answer.snapshot or csi.Snapshot()
    expect(that=snapshot.ready_to_use, expected="a snapshot that is ready", got=snapshot)
    return f"{snapshot.snapshot_id}, {format_bytes(snapshot.size_bytes)}"


async def _restore(town: Town) -> str:
    source = csi.VolumeContentSourceSnapshotSource(snapshot_id=town.snapshot_id)
    answer = await town.controller.create_volume(
        csi.CreateVolumeRequest(
            name=town.restored,
            volume_capabilities=[CAPABILITY],
            volume_content_source=csi.VolumeContentSource(snapshot=source),
        )
    )
    return await _note(town, answer)


async def _expand(town: Town) -> str:
    wanted = csi.CapacityRange(required_bytes=2 * GIB)
    await town.controller.controller_expand_volume(
        csi.ControllerExpandVolumeRequest(
            volume_id=town.restored, capacity_range=wanted, volume_capability=CAPABILITY
        )
    )
    await town.node.node_expand_volume(
        csi.NodeExpandVolumeRequest(
            volume_id=town.restored,
            volume_path=str(town.target(town.restored)),
            staging_target_path=str(town.staging(town.restored)),
            capacity_range=wanted,
            volume_capability=CAPABILITY,
        )
    )
    total = (await _stats(town, town.restored)).usage[0].total
    expect(that=total > GIB, expected="a filesystem of more than 1 GiB", got=total)
    return f"the filesystem has {total / GIB:.1f} GiB, and was mounted all the time"


async def _stats(town: Town, volume: str) -> csi.NodeGetVolumeStatsResponse:
    return await town.node.node_get_volume_stats(
        csi.NodeGetVolumeStatsRequest(volume_id=volume, volume_path=str(town.target(volume)))
    )


async def _delete(town: Town) -> str:
    for volume in (town.restored, town.volume):
        await town.controller.delete_volume(csi.DeleteVolumeRequest(volume_id=volume))
        await town.cluster.remove_volume(volume)
    await town.controller.delete_snapshot(csi.DeleteSnapshotRequest(snapshot_id=town.snapshot_id))
    left = await town.device.leftovers()
    expect(that=left == [], expected="an empty device", got=left)
    return "gone, and the device is empty"


async def _status(town: Town) -> str:
    await town.ask_reconciler("reconcile", "--yes")
    return await town.ask_reconciler("status")


_Call = Callable[[Town], Awaitable[str]]


def _it(call: Callable[[Town, str], Awaitable[str]]) -> _Call:
    return lambda town: call(town, town.volume)


def _copy(call: Callable[[Town, str], Awaitable[str]]) -> _Call:
    return lambda town: call(town, town.restored)


FIRST = (
    Act("provisioner", "CreateVolume", _create),
    Act("attacher", "ControllerPublishVolume", _it(_publish)),
    Act("kubelet", "NodeStageVolume, NodePublishVolume", _it(_stage)),
    Act("pod", "writes a file", _write),
    Act("SRE", "rdsctl volume", _tell),
)
SECOND = (
    Act("provisioner", "CreateVolume again", _create),
    Act("attacher", "ControllerPublishVolume again", _it(_publish)),
    Act("kubelet", "NodeStageVolume, NodePublishVolume again", _it(_stage)),
    Act("pod", "reads the file", _it(_read)),
    Act("kubelet", "NodeUnpublishVolume, NodeUnstageVolume", _it(_unstage)),
    Act("attacher", "ControllerUnpublishVolume", _it(_unpublish)),
    Act("snapshotter", "CreateSnapshot", _snapshot),
    Act("provisioner", "CreateVolume from it", _restore),
    Act("attacher", "ControllerPublishVolume", _copy(_publish)),
    Act("kubelet", "NodeStageVolume, NodePublishVolume", _copy(_stage)),
    Act("pod", "reads the file", _copy(_read)),
    Act("resizer, kubelet", "ControllerExpandVolume, NodeExpandVolume", _expand),
    Act("kubelet", "NodeUnpublishVolume, NodeUnstageVolume", _copy(_unstage)),
    Act("attacher", "ControllerUnpublishVolume", _copy(_unpublish)),
    Act("provisioner", "DeleteVolume, DeleteSnapshot", _delete),
    Act("SRE", "rdsctl reconcile, rdsctl status", _status),
)
