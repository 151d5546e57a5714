"""Requests that succeed, and the same with something wrong in one field or two."""

import dataclasses
from typing import Any

from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as admin
from tests.fuzz.draw import Draw
from tests.fuzz.words import NODE, NQN, SECRET, SNAPSHOT, VOLUME
from tests.unit.controller.values import block, mount

_RANGE = csi.CapacityRange(required_bytes=2**26)
_PUBLISHED = {
    "nvme_address": "192.0.2.2",
    "nvme_port": "4420",
    "nvme_nqn": NQN,
    "fs_type": "ext4",
    "size_bytes": str(2**26),
}


def sound_requests(root: str) -> dict[type[Any], Any]:
    """Return a request of each kind that does something; paths are below `root`."""
    staging, target = f"{root}/plugins/x/globalmount", f"{root}/pods/1/x/mount"
    about = {"volume_id": VOLUME, "node_id": NODE, "reason": "a test"}
    requests: tuple[Any, ...] = (
        csi.CreateVolumeRequest(
            name=VOLUME,
            capacity_range=_RANGE,
            volume_capabilities=[mount()],
            parameters={"layout": "file", "fencing": "host"},
            secrets={"nvmePassword": SECRET},
        ),
        csi.DeleteVolumeRequest(volume_id=VOLUME),
        csi.ControllerPublishVolumeRequest(
            volume_id=VOLUME, node_id=NODE, volume_capability=block()
        ),
        csi.ControllerUnpublishVolumeRequest(volume_id=VOLUME, node_id=NODE),
        csi.ControllerExpandVolumeRequest(volume_id=VOLUME, capacity_range=_RANGE),
        csi.ControllerGetVolumeRequest(volume_id=VOLUME),
        csi.ControllerModifyVolumeRequest(
            volume_id=VOLUME, mutable_parameters={"ctrlLossTmo": "600"}
        ),
        csi.ValidateVolumeCapabilitiesRequest(volume_id=VOLUME, volume_capabilities=[block()]),
        csi.CreateSnapshotRequest(name="nightly", source_volume_id=VOLUME),
        csi.DeleteSnapshotRequest(snapshot_id=SNAPSHOT),
        csi.NodeStageVolumeRequest(
            volume_id=VOLUME,
            staging_target_path=staging,
            volume_capability=mount(),
            publish_context=_PUBLISHED,
        ),
        csi.NodeUnstageVolumeRequest(volume_id=VOLUME, staging_target_path=staging),
        csi.NodePublishVolumeRequest(
            volume_id=VOLUME,
            staging_target_path=staging,
            target_path=target,
            volume_capability=mount(),
            publish_context=_PUBLISHED,
        ),
        csi.NodeUnpublishVolumeRequest(volume_id=VOLUME, target_path=target),
        csi.NodeGetVolumeStatsRequest(volume_id=VOLUME, volume_path=staging),
        csi.NodeExpandVolumeRequest(volume_id=VOLUME, volume_path=staging, capacity_range=_RANGE),
        admin.DetachRequest(**about),
        admin.FenceRequest(**about),
        admin.UnfenceRequest(**about),
        admin.DeleteOrphanRequest(
            kind=admin.ItemKind.VOLUME, id=VOLUME, device="rds", fingerprint="0", reason="a test"
        ),
    )
    return {type(request): request for request in requests}


def vary(sound: Any, draw: Draw) -> Any:
    """Return a request with none, one or two of its fields drawn anew."""
    other = draw.message(type(sound))
    names = [field.name for field in dataclasses.fields(sound)]
    changed = {draw.pick(names) for _ in range(draw.byte() % 3)}
    return dataclasses.replace(sound, **{name: getattr(other, name) for name in changed})
