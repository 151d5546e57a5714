"""From values to CSI answers."""

from collections.abc import Iterable

from libs.core.size import round_down
from libs.rdsclient.model import FileDisk, Pool
from protos.gen.csi import v1 as csi
from services.controller.config import ControllerSettings
from services.controller.ports import Attachment
from services.controller.requests import MIN_BYTES, Parameters, Publication


def render_volume(disk: FileDisk, settings: ControllerSettings, nvme_address: str) -> csi.Volume:
    """Return the CSI volume for a disk; the context has the keys that nodes and people read."""
    context = {
        "rdsAddress": settings.rds_address,
        "nvmeAddress": nvme_address,
        "volumePath": disk.path,
    }
    if disk.export is not None:
        context |= {"nvmePort": str(disk.export.port), "nqn": disk.export.nqn}
    return csi.Volume(capacity_bytes=disk.size, volume_id=disk.slot, volume_context=context)


def render_entry(
    disk: FileDisk, settings: ControllerSettings, attachments: Iterable[Attachment]
) -> csi.ListVolumesResponseEntry:
    """Return one entry of a listing."""
    return csi.ListVolumesResponseEntry(
        volume=render_volume(disk, settings, settings.nvme_address),
        status=csi.ListVolumesResponseVolumeStatus(
            published_node_ids=sorted({a.node for a in attachments if a.attached})
        ),
    )


def render_capacity(
    pool: Pool | None, parameters: Parameters, settings: ControllerSettings
) -> csi.GetCapacityResponse:
    """Return the room in a pool; none where it is not mounted, so that nothing is put there."""
    available = round_down(pool.free) if pool else 0
    return csi.GetCapacityResponse(
        available_capacity=available,
        maximum_volume_size=min(available, settings.max_volume_bytes),
        minimum_volume_size=MIN_BYTES[parameters.fs_type],
    )


def render_publish_context(disk: FileDisk, publication: Publication) -> dict[str, str]:
    """Return what a node needs to connect. The port and NQN are what the device exports."""
    if disk.export is None:
        raise AssertionError("plan_publish admits exported disks only")
    return {
        "nvme_address": publication.nvme_address,
        "nvme_port": str(disk.export.port),
        "nvme_nqn": disk.export.nqn,
        "fs_type": publication.capability.fs_type,
    }
