"""The CSI Controller service: parse, hand over, render. About five lines an RPC."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from libs.core.errors import (
    Exhausted,
    InUse,
    InvalidRequest,
    NotFound,
    RdsCsiError,
)
from libs.core.ids import NodeId, SnapshotId, VolumeId
from libs.core.volumes import MIN_BYTES
from libs.csikit.capability import parse_capabilities
from libs.csikit.keylock import KeyedTasks
from protos.gen.csi import v1 as csi
from services.controller import answers
from services.controller.happenings import NotProvided
from services.controller.ports import Cluster, Witness
from services.controller.requests import parameters, snapshots, volumes
from services.controller.sites import Site, Sites
from services.controller.workflow.attach import Attacher
from services.controller.workflow.catalog import Catalog
from services.controller.workflow.keys import keys_of
from services.controller.workflow.volumes import Volumes

_Rpc = csi.ControllerServiceCapabilityRpcType

CAPABILITIES = (
    _Rpc.CREATE_DELETE_VOLUME,
    _Rpc.PUBLISH_UNPUBLISH_VOLUME,
    _Rpc.LIST_VOLUMES,
    _Rpc.LIST_VOLUMES_PUBLISHED_NODES,
    _Rpc.GET_VOLUME,
    _Rpc.VOLUME_CONDITION,
    _Rpc.GET_CAPACITY,
    _Rpc.EXPAND_VOLUME,
    _Rpc.CLONE_VOLUME,
    _Rpc.CREATE_DELETE_SNAPSHOT,
    _Rpc.LIST_SNAPSHOTS,
    _Rpc.GET_SNAPSHOT,
    _Rpc.MODIFY_VOLUME,
    _Rpc.SINGLE_NODE_MULTI_WRITER,
)


@dataclass(frozen=True, slots=True)
class Unit:
    """What serves one device."""

    site: Site
    volumes: Volumes
    attacher: Attacher


@dataclass(frozen=True, slots=True)
class Parts:
    """What the service is made of.

    Attributes:
        sites: the devices.
        units: what serves each.
        catalog: lists volumes and snapshots.
        cluster: who has which volume.
        tasks: runs changes one at a time per volume.
        witness: is told of what happens.
    """

    sites: Sites
    units: Sequence[Unit]
    catalog: Catalog
    cluster: Cluster
    tasks: KeyedTasks
    witness: Witness


class ControllerServicer(csi.ControllerBase):
    """CSI Controller. Calls that change a volume run one at a time per volume."""

    def __init__(self, parts: Parts) -> None:
        self._sites = parts.sites
        self._witness = parts.witness
        self._units: Mapping[str, Unit] = {unit.site.suffix: unit for unit in parts.units}
        self._catalog = parts.catalog
        self._cluster = parts.cluster
        self._tasks = parts.tasks

    def _of(self, item: VolumeId | SnapshotId) -> Unit:
        return self._units[self._sites.of_suffix(item.device).suffix]

    def _to_delete(self, item: VolumeId | SnapshotId) -> Unit:
        try:
            return self._of(item)
        except NotFound as error:
            # Not gone, only out of reach: to call it deleted would leave it there for ever.
            raise InUse(f"{item} cannot be deleted: {error.message}") from None

    async def controller_get_capabilities(
        self,
        message: csi.ControllerGetCapabilitiesRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> csi.ControllerGetCapabilitiesResponse:
        """Say which calls are supported."""
        return csi.ControllerGetCapabilitiesResponse(
            capabilities=[
                csi.ControllerServiceCapability(rpc=csi.ControllerServiceCapabilityRpc(type=kind))
                for kind in CAPABILITIES
            ]
        )

    # Volumes

    async def create_volume(self, message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        """Provide a volume."""
        try:
            return await self._create(message)
        except RdsCsiError as error:
            claim = parameters.read_claim(message.parameters)
            self._witness.saw(NotProvided(message.name, claim, error))
            raise

    async def _create(self, message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        site, wanted = volumes.parse_create(message, self._sites)
        if "rds" not in message.parameters and wanted.source is None:
            await self._catalog.check_nowhere_else(wanted.volume)
        unit = self._units[site.suffix]
        keys, shared = [wanted.volume.text], []
        if wanted.source is not None and wanted.source.is_snapshot:
            # Any number of volumes may be made of it at once, but it must not be removed meanwhile.
            shared.append(SnapshotId(wanted.source.slot, site.suffix).text)
        elif wanted.source is not None:
            keys.append(VolumeId(wanted.source.slot, site.suffix).text)
        disk = await self._tasks.run(
            tuple(keys), lambda: unit.volumes.create(wanted), tuple(shared)
        )
        self._catalog.forget()
        return csi.CreateVolumeResponse(volume=answers.render_new_volume(wanted, disk, site))

    async def delete_volume(self, message: csi.DeleteVolumeRequest) -> csi.DeleteVolumeResponse:
        """Remove a volume."""
        volume = VolumeId.parse(message.volume_id)
        unit = self._to_delete(volume)
        await self._tasks.run(volume.text, lambda: unit.volumes.delete(volume))
        self._catalog.forget()
        return csi.DeleteVolumeResponse()

    async def controller_expand_volume(
        self, message: csi.ControllerExpandVolumeRequest
    ) -> csi.ControllerExpandVolumeResponse:
        """Make a volume larger while it is in use."""
        wanted = volumes.parse_expand(message)
        unit = self._of(wanted.volume)
        disk = await self._tasks.run(
            wanted.volume.text, lambda: unit.volumes.expand(wanted.volume, wanted.size)
        )
        return csi.ControllerExpandVolumeResponse(
            capacity_bytes=disk.size, node_expansion_required=wanted.node_expansion_required
        )

    async def controller_modify_volume(
        self, message: csi.ControllerModifyVolumeRequest
    ) -> csi.ControllerModifyVolumeResponse:
        """Change how a volume is reached."""
        site, wanted = volumes.parse_modify(message, self._sites)
        unit = self._units[site.suffix]
        await self._tasks.run(wanted.volume.text, lambda: unit.attacher.modify(wanted))
        return csi.ControllerModifyVolumeResponse()

    async def validate_volume_capabilities(
        self, message: csi.ValidateVolumeCapabilitiesRequest
    ) -> csi.ValidateVolumeCapabilitiesResponse:
        """Say whether an existing volume can be used in all the ways asked."""
        volume = VolumeId.parse(message.volume_id)
        if not message.volume_capabilities:
            raise InvalidRequest("volume_capabilities must not be empty")
        unit = self._of(volume)
        await unit.volumes.read(volume)
        settings = unit.site.settings
        try:
            parameters.parse_parameters(message.parameters, settings)
            parameters.parse_changes(message.mutable_parameters, settings)
            parse_capabilities(message.volume_capabilities)
        except RdsCsiError as error:
            return csi.ValidateVolumeCapabilitiesResponse(message=error.message)
        return csi.ValidateVolumeCapabilitiesResponse(
            confirmed=csi.ValidateVolumeCapabilitiesResponseConfirmed(
                volume_context=message.volume_context,
                volume_capabilities=message.volume_capabilities,
                parameters=message.parameters,
                mutable_parameters=message.mutable_parameters,
            )
        )

    # Attachments

    async def controller_publish_volume(
        self, message: csi.ControllerPublishVolumeRequest
    ) -> csi.ControllerPublishVolumeResponse:
        """Let a node use a volume."""
        site, wanted = volumes.parse_publish(message, self._sites)
        unit = self._units[site.suffix]
        keys = await keys_of(self._cluster, wanted.volume)
        disk, changed = await self._tasks.run(keys, lambda: unit.attacher.publish(wanted))
        return csi.ControllerPublishVolumeResponse(
            publish_context=answers.render_publish_context(disk, wanted, changed)
        )

    async def controller_unpublish_volume(
        self, message: csi.ControllerUnpublishVolumeRequest
    ) -> csi.ControllerUnpublishVolumeResponse:
        """Take a volume from a node, or from all."""
        volume = VolumeId.parse(message.volume_id)
        node = NodeId.parse(message.node_id) if message.node_id else None
        if not self._sites.has(volume.device):
            return csi.ControllerUnpublishVolumeResponse()  # nobody is on a device that is not ours
        unit = self._of(volume)
        keys = await keys_of(self._cluster, volume)
        await self._tasks.run(keys, lambda: unit.attacher.unpublish(volume, node))
        return csi.ControllerUnpublishVolumeResponse()

    # Reading

    async def list_volumes(self, message: csi.ListVolumesRequest) -> csi.ListVolumesResponse:
        """List volumes, a page at a time."""
        page, token = await self._catalog.volumes(*volumes.parse_page(message))
        return answers.render_page(page, token)

    async def controller_get_volume(
        self, message: csi.ControllerGetVolumeRequest
    ) -> csi.ControllerGetVolumeResponse:
        """Tell one volume's condition and holders."""
        volume = VolumeId.parse(message.volume_id)
        unit = self._of(volume)
        disk, pool = await unit.volumes.read(volume)
        held = (await self._cluster.known_of([volume]))[volume]
        listed = answers.Listed(volume, volume.text, disk, unit.site, (pool,) if pool else ())
        return answers.render_found_volume(listed, held)

    async def get_capacity(self, message: csi.GetCapacityRequest) -> csi.GetCapacityResponse:
        """Say how much room is left, on the device that such a volume would be made on."""
        where = message.accessible_topology
        try:
            site = self._sites.choose(message.parameters, [where.segments] if where else [])
        except Exhausted:
            return csi.GetCapacityResponse(available_capacity=0)
        wanted = parameters.parse_parameters(message.parameters, site.settings)
        min_bytes = MIN_BYTES[wanted.fs_type]
        if message.volume_capabilities:
            ways = parse_capabilities(message.volume_capabilities, wanted.fs_type)
            min_bytes = max(way.min_bytes for way in ways)
        pool, promised = await self._units[site.suffix].volumes.read_room(wanted.directory)
        return answers.render_capacity(pool, promised, min_bytes, site)

    # Snapshots

    async def create_snapshot(
        self, message: csi.CreateSnapshotRequest
    ) -> csi.CreateSnapshotResponse:
        """Take a snapshot."""
        wanted = snapshots.parse_snapshot(message)
        unit = self._of(wanted.volume)
        keys = (wanted.snapshot.text, wanted.volume.text)
        found = await self._tasks.run(keys, lambda: unit.volumes.take_snapshot(wanted))
        return csi.CreateSnapshotResponse(
            snapshot=answers.render_snapshot(wanted.snapshot, wanted.volume, found)
        )

    async def delete_snapshot(
        self, message: csi.DeleteSnapshotRequest
    ) -> csi.DeleteSnapshotResponse:
        """Remove a snapshot."""
        snapshot = SnapshotId.parse(message.snapshot_id)
        unit = self._to_delete(snapshot)
        await self._tasks.run(snapshot.text, lambda: unit.volumes.delete_snapshot(snapshot))
        return csi.DeleteSnapshotResponse()

    async def get_snapshot(self, message: csi.GetSnapshotRequest) -> csi.GetSnapshotResponse:
        """Tell one snapshot."""
        snapshot = SnapshotId.parse(message.snapshot_id)
        if not snapshot.is_managed:
            raise NotFound(f"snapshot {snapshot} does not exist")
        found = await self._of(snapshot).volumes.read_snapshot(snapshot)
        source = answers.volume_of(found, snapshot.device)
        return csi.GetSnapshotResponse(snapshot=answers.render_snapshot(snapshot, source, found))

    async def list_snapshots(self, message: csi.ListSnapshotsRequest) -> csi.ListSnapshotsResponse:
        """List snapshots, a page at a time."""
        page, token = await self._catalog.snapshots(snapshots.parse_query(message))
        return csi.ListSnapshotsResponse(
            entries=[
                csi.ListSnapshotsResponseEntry(snapshot=answers.render_snapshot(*entry))
                for entry in page
            ],
            next_token=token,
        )
