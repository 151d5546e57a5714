"""Calls on volumes, snapshots and publications that are undone when the test ends."""

import itertools
import uuid
from collections.abc import Sequence

from grpclib import GRPCError

from protos.gen.csi import v1 as csi
from tests.conformance.calls import UNDECIDED, outcome_of, wait_until
from tests.conformance.capabilities import mount
from tests.conformance.plugin import Plugin
from tests.conformance.undo import Undo

RUN = uuid.uuid4().hex[:8]
_NUMBERS = itertools.count(1)


def fresh(what: str = "volume") -> str:
    """Return a name that nothing has on this plugin, in this run or another."""
    return f"conf-{RUN}-{what}-{next(_NUMBERS)}"


def from_snapshot(snapshot_id: str) -> csi.VolumeContentSource:
    """Return a snapshot as what a new volume is to hold."""
    source = csi.VolumeContentSourceSnapshotSource(snapshot_id=snapshot_id)
    return csi.VolumeContentSource(snapshot=source)


def from_volume(volume_id: str) -> csi.VolumeContentSource:
    """Return a volume as what a new volume is to hold."""
    return csi.VolumeContentSource(volume=csi.VolumeContentSourceVolumeSource(volume_id=volume_id))


class Lab:
    """One test's view of the plugin; each method is one call, filled in where nothing is said."""

    def __init__(self, plugin: Plugin, undo: Undo) -> None:
        self.plugin = plugin
        self.options = plugin.options
        self.size = plugin.options.volume_bytes
        self.undo = undo

    async def create_volume(  # noqa: PLR0913 (one per field of the message)
        self,
        name: str | None = None,
        *,
        required: int | None = None,
        limit: int = 0,
        capabilities: Sequence[csi.VolumeCapability] | None = None,
        parameters: dict[str, str] | None = None,
        mutable: dict[str, str] | None = None,
        source: csi.VolumeContentSource | None = None,
        topology: csi.TopologyRequirement | None = None,
        without_range: bool = False,
    ) -> csi.Volume:
        """Call CreateVolume."""
        size = self.size if required is None else required
        here = self.plugin.topology
        request = csi.CreateVolumeRequest(
            name=fresh() if name is None else name,
            capacity_range=None
            if without_range
            else csi.CapacityRange(required_bytes=size, limit_bytes=limit),
            volume_capabilities=[mount()] if capabilities is None else list(capabilities),
            parameters=self.options.parameters if parameters is None else parameters,
            secrets=self.options.secrets_of("CreateVolume"),
            volume_content_source=source,
            accessibility_requirements=topology
            or (csi.TopologyRequirement(requisite=[here], preferred=[here]) if here else None),
            mutable_parameters=mutable or {},
        )
        return await self.send_create(request)

    async def send_create(self, request: csi.CreateVolumeRequest) -> csi.Volume:
        """Call CreateVolume with exactly this request."""

        async def find_and_delete() -> None:
            status, answer = await outcome_of(self.plugin.controller.create_volume(request))
            if status in UNDECIDED:
                raise GRPCError(status, f"what became of {request.name!r} is not known")
            if answer is not None and answer.volume is not None:
                await self.delete_volume(answer.volume.volume_id)

        try:
            answer = await self.plugin.controller.create_volume(request)
        except BaseException as error:
            if getattr(error, "status", None) in UNDECIDED | {None}:
                self.undo.push(f"creation of {request.name!r}", find_and_delete)
            raise
        assert answer.volume is not None, "CreateVolume answered without a volume"
        volume_id = answer.volume.volume_id
        self.undo.push(f"volume {volume_id}", lambda: self.delete_volume(volume_id))
        return answer.volume

    async def delete_volume(self, volume_id: str) -> None:
        """Call DeleteVolume."""
        await self.plugin.controller.delete_volume(
            csi.DeleteVolumeRequest(
                volume_id=volume_id, secrets=self.options.secrets_of("DeleteVolume")
            )
        )

    async def publish(
        self,
        volume: csi.Volume,
        node_id: str | None = None,
        capability: csi.VolumeCapability | None = None,
        *,
        readonly: bool = False,
    ) -> dict[str, str]:
        """Call ControllerPublishVolume, and return the publish context."""
        return await self.send_publish(
            csi.ControllerPublishVolumeRequest(
                volume_id=volume.volume_id,
                node_id=self.plugin.node_id if node_id is None else node_id,
                volume_capability=capability or mount(),
                readonly=readonly,
                volume_context=volume.volume_context,
            )
        )

    async def send_publish(self, request: csi.ControllerPublishVolumeRequest) -> dict[str, str]:
        """Call ControllerPublishVolume with exactly this request, but for the secrets."""
        request.secrets = self.options.secrets_of("ControllerPublishVolume")
        volume_id, node_id = request.volume_id, request.node_id
        if volume_id and node_id:
            self.undo.push(
                f"publication of {volume_id} to {node_id}",
                lambda: self.unpublish(volume_id, node_id),
            )
        answer = await self.plugin.controller.controller_publish_volume(request)
        return answer.publish_context

    async def unpublish(self, volume_id: str, node_id: str | None = None) -> None:
        """Call ControllerUnpublishVolume."""
        await self.plugin.controller.controller_unpublish_volume(
            csi.ControllerUnpublishVolumeRequest(
                volume_id=volume_id,
                node_id=self.plugin.node_id if node_id is None else node_id,
                secrets=self.options.secrets_of("ControllerUnpublishVolume"),
            )
        )

    async def expand(
        self,
        volume_id: str,
        required: int = 0,
        limit: int = 0,
        *,
        capability: csi.VolumeCapability | None = None,
        without_range: bool = False,
    ) -> csi.ControllerExpandVolumeResponse:
        """Call ControllerExpandVolume."""
        wanted = csi.CapacityRange(required_bytes=required, limit_bytes=limit)
        return await self.plugin.controller.controller_expand_volume(
            csi.ControllerExpandVolumeRequest(
                volume_id=volume_id,
                capacity_range=None if without_range else wanted,
                volume_capability=capability or mount(),
                secrets=self.options.secrets_of("ControllerExpandVolume"),
            )
        )

    async def modify(self, volume_id: str, mutable: dict[str, str]) -> None:
        """Call ControllerModifyVolume."""
        await self.plugin.controller.controller_modify_volume(
            csi.ControllerModifyVolumeRequest(
                volume_id=volume_id,
                mutable_parameters=mutable,
                secrets=self.options.secrets_of("ControllerModifyVolume"),
            )
        )

    async def validate(
        self,
        volume: csi.Volume,
        capabilities: Sequence[csi.VolumeCapability],
        mutable: dict[str, str] | None = None,
    ) -> csi.ValidateVolumeCapabilitiesResponse:
        """Call ValidateVolumeCapabilities."""
        return await self.plugin.controller.validate_volume_capabilities(
            csi.ValidateVolumeCapabilitiesRequest(
                volume_id=volume.volume_id,
                volume_context=volume.volume_context,
                volume_capabilities=list(capabilities),
                parameters=self.options.parameters,
                secrets=self.options.secrets_of("ValidateVolumeCapabilities"),
                mutable_parameters=mutable or {},
            )
        )

    async def get_volume(self, volume_id: str) -> csi.ControllerGetVolumeResponse:
        """Call ControllerGetVolume."""
        return await self.plugin.controller.controller_get_volume(
            csi.ControllerGetVolumeRequest(volume_id=volume_id)
        )

    async def create_snapshot(self, source_volume_id: str, name: str | None = None) -> csi.Snapshot:
        """Call CreateSnapshot; what it answers need not be ready to use."""
        request = csi.CreateSnapshotRequest(
            source_volume_id=source_volume_id,
            name=fresh("snapshot") if name is None else name,
            secrets=self.options.secrets_of("CreateSnapshot"),
            parameters=self.options.snapshot_parameters,
        )

        async def find_and_delete() -> None:
            status, answer = await outcome_of(self.plugin.controller.create_snapshot(request))
            if status in UNDECIDED:
                raise GRPCError(status, f"what became of {request.name!r} is not known")
            if answer is not None and answer.snapshot is not None:
                await self.delete_snapshot(answer.snapshot.snapshot_id)

        try:
            answer = await self.plugin.controller.create_snapshot(request)
        except BaseException as error:
            if getattr(error, "status", None) in UNDECIDED | {None}:
                self.undo.push(f"creation of {request.name!r}", find_and_delete)
            raise
        assert answer.snapshot is not None, "CreateSnapshot answered without a snapshot"
        snapshot_id = answer.snapshot.snapshot_id
        self.undo.push(f"snapshot {snapshot_id}", lambda: self.delete_snapshot(snapshot_id))
        return answer.snapshot

    async def ready_snapshot(self, source_volume_id: str, name: str | None = None) -> csi.Snapshot:
        """Call CreateSnapshot until the snapshot is ready to use, as an orchestrator does."""
        name = name or fresh("snapshot")
        return await wait_until(
            lambda: self.create_snapshot(source_volume_id, name),
            lambda snapshot: snapshot.ready_to_use,
            self.options.ready_seconds,
            "the snapshot is ready to use",
        )

    async def delete_snapshot(self, snapshot_id: str) -> None:
        """Call DeleteSnapshot."""
        await self.plugin.controller.delete_snapshot(
            csi.DeleteSnapshotRequest(
                snapshot_id=snapshot_id, secrets=self.options.secrets_of("DeleteSnapshot")
            )
        )

    async def list_snapshots(
        self, *, snapshot_id: str = "", source_volume_id: str = "", size: int = 0, token: str = ""
    ) -> csi.ListSnapshotsResponse:
        """Call ListSnapshots."""
        return await self.plugin.controller.list_snapshots(
            csi.ListSnapshotsRequest(
                max_entries=size,
                starting_token=token,
                source_volume_id=source_volume_id,
                snapshot_id=snapshot_id,
                secrets=self.options.secrets_of("ListSnapshots"),
            )
        )

    async def get_snapshot(self, snapshot_id: str) -> csi.Snapshot:
        """Call GetSnapshot."""
        answer = await self.plugin.controller.get_snapshot(
            csi.GetSnapshotRequest(
                snapshot_id=snapshot_id, secrets=self.options.secrets_of("GetSnapshot")
            )
        )
        assert answer.snapshot is not None, "GetSnapshot answered without a snapshot"
        return answer.snapshot

    async def list_volumes(self, size: int = 0, token: str = "") -> csi.ListVolumesResponse:
        """Call ListVolumes."""
        return await self.plugin.controller.list_volumes(
            csi.ListVolumesRequest(max_entries=size, starting_token=token)
        )
