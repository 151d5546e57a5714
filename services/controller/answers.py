"""From values to CSI answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from libs.core.ids import Slot, SnapshotId, VolumeId
from libs.core.images import Layout
from libs.core.size import round_down
from libs.core.volumes import PUBLISHED_KEYS, SIZE_KEY
from libs.csikit.packed import PackedVolumes
from libs.rdsclient.model import FileDisk, Pool
from protos.gen.csi import v1 as csi
from services.controller.plan.snapshots import Snapshot
from services.controller.ports import Attachment
from services.controller.requests.volumes import NewVolume, Publication, Source
from services.controller.sites import Site

_SOUND = "the device exports it"


@dataclass(frozen=True, slots=True)
class Listed:
    """A volume in a listing, with the pools of its device; `id` is the volume's text."""

    volume: VolumeId
    id: str
    disk: FileDisk
    site: Site
    pools: tuple[Pool, ...]


def render_volume(volume: str, disk: FileDisk, site: Site, nvme_address: str) -> csi.Volume:
    """Return the CSI volume for a disk."""
    return csi.Volume(
        capacity_bytes=disk.size,
        volume_id=volume,
        volume_context=_context(disk, site, nvme_address),
        accessible_topology=[csi.Topology(segments=site.topology)] if site.topology else [],
    )


def _context(disk: FileDisk, site: Site, nvme_address: str) -> dict[str, str]:
    """Return the keys that nodes and people read."""
    context = {
        "rdsAddress": site.settings.rds_address,
        "nvmeAddress": nvme_address,
        "volumePath": disk.path,
    }
    if disk.export is not None:
        context |= {"nvmePort": str(disk.export.port), "nqn": disk.export.nqn}
    return context


def render_new_volume(wanted: NewVolume, disk: FileDisk, site: Site) -> csi.Volume:
    """Return the CSI volume for a disk that was asked for just now."""
    parameters = wanted.parameters
    volume = render_volume(wanted.volume.text, disk, site, parameters.nvme_address)
    volume.volume_context |= parameters.reconnect.context
    volume.volume_context["migrationTimeoutSeconds"] = str(parameters.migration_timeout)
    if parameters.mkfs_options:
        volume.volume_context["mkfsOptions"] = parameters.mkfs_options
    if parameters.layout is not Layout.FILE:
        volume.volume_context["layout"] = parameters.layout.value
    if parameters.authenticated:
        volume.volume_context["auth"] = "dhchap"
    if wanted.source is not None:
        volume.content_source = _source(wanted.source, site)
    return volume


def _source(source: Source, site: Site) -> csi.VolumeContentSource:
    if source.is_snapshot:
        snapshot = csi.VolumeContentSourceSnapshotSource(
            snapshot_id=SnapshotId(source.slot, site.suffix).text
        )
        return csi.VolumeContentSource(snapshot=snapshot)
    volume = csi.VolumeContentSourceVolumeSource(volume_id=VolumeId(source.slot, site.suffix).text)
    return csi.VolumeContentSource(volume=volume)


def render_page(
    page: Iterable[tuple[Listed, Iterable[Attachment]]], next_token: str
) -> csi.ListVolumesResponse:
    """Return a page of a listing."""
    return PackedVolumes([_entry(*entry) for entry in page], next_token)


def _entry(listed: Listed, attachments: Iterable[Attachment]) -> dict[str, Any]:
    site, disk = listed.site, listed.disk
    problems = _problems(disk, listed.pools)
    return {
        "volume": {
            "capacity_bytes": disk.size,
            "volume_id": listed.id,
            "volume_context": _context(disk, site, site.settings.nvme_address),
            "accessible_topology": [{"segments": site.topology}] if site.topology else [],
        },
        "status": {
            "published_node_ids": _holders(attachments),
            "volume_condition": {"abnormal": bool(problems), "message": problems or _SOUND},
        },
    }


def render_found_volume(
    listed: Listed, attachments: Iterable[Attachment]
) -> csi.ControllerGetVolumeResponse:
    """Return what ControllerGetVolume says of a volume."""
    address = listed.site.settings.nvme_address
    problems = _problems(listed.disk, listed.pools)
    return csi.ControllerGetVolumeResponse(
        volume=render_volume(listed.id, listed.disk, listed.site, address),
        status=csi.ControllerGetVolumeResponseVolumeStatus(
            published_node_ids=_holders(attachments),
            volume_condition=csi.VolumeCondition(
                abnormal=bool(problems), message=problems or _SOUND
            ),
        ),
    )


def _holders(attachments: Iterable[Attachment]) -> list[str]:
    return sorted({claim.node for claim in attachments if claim.attached})


def _problems(disk: FileDisk, pools: Iterable[Pool]) -> str:
    """Return what is wrong with a volume; nothing if it is in order."""
    name = disk.path[1:].partition("/")[0]
    pool = next((pool for pool in pools if pool.mount_point == name), None)
    problems = []
    if disk.export is None:
        problems.append("the device does not export it")
    if pool is None:
        problems.append(f"pool {name} is not mounted")
    elif not pool.is_sound:
        problems.append(f"pool {name} is {pool.state}")
    return "; ".join(problems)


def render_capacity(
    pool: Pool | None, promised: int, min_bytes: int, site: Site
) -> csi.GetCapacityResponse:
    """Return the room in a pool; none where it is not mounted, so that nothing is put there.

    Args:
        pool: the pool.
        promised: bytes that its thin files may grow to.
        min_bytes: the smallest volume.
        site: the device.
    """
    settings = site.settings
    room = 0
    if pool is not None:
        room = int(pool.size * settings.overcommit) - promised if settings.overcommit else pool.free
    available = round_down(max(room, 0))
    return csi.GetCapacityResponse(
        available_capacity=available,
        maximum_volume_size=min(available, settings.max_volume_bytes),
        minimum_volume_size=min_bytes,
    )


def render_publish_context(
    disk: FileDisk, publication: Publication, parameters: Mapping[str, str]
) -> dict[str, str]:
    """Return what a node needs to connect. The port and NQN are what the device exports.

    The size lets the node tell a device that is not the volume, or not all of it, from one that may
    be formatted. Reconnect options are there where they were changed after the volume was made.
    """
    if disk.export is None:
        raise AssertionError("plan_publish admits exported disks only")
    changed = {name: parameters[key] for key, name in PUBLISHED_KEYS.items() if key in parameters}
    return {
        "nvme_address": publication.nvme_address,
        "nvme_port": str(disk.export.port),
        "nvme_nqn": disk.export.nqn,
        "fs_type": publication.capability.fs_type,
        SIZE_KEY: str(disk.size),
        **changed,
    }


def render_snapshot(snapshot: SnapshotId, volume: VolumeId, found: Snapshot) -> csi.Snapshot:
    """Return the CSI snapshot."""
    return csi.Snapshot(
        size_bytes=found.size,
        snapshot_id=snapshot.text,
        source_volume_id=volume.text,
        creation_time=datetime.fromtimestamp(found.made, UTC),
        ready_to_use=found.ready,
    )


def volume_of(snapshot: Snapshot, device: str) -> VolumeId:
    """Return the ID of the volume that a snapshot was taken of, whether it still exists or not."""
    return VolumeId(Slot(snapshot.source), device)
