"""The CSI Controller service: parse, hand over, render. About five lines an RPC."""

from libs.core.errors import InvalidRequest, RdsCsiError
from libs.core.ids import NodeId, VolumeId
from libs.csikit.keylock import KeyedTasks
from protos.gen.csi import v1 as csi
from services.controller import answers, requests
from services.controller.config import ControllerSettings
from services.controller.workflow import Volumes

_Rpc = csi.ControllerServiceCapabilityRpcType

CAPABILITIES = (
    _Rpc.CREATE_DELETE_VOLUME,
    _Rpc.PUBLISH_UNPUBLISH_VOLUME,
    _Rpc.LIST_VOLUMES,
    _Rpc.LIST_VOLUMES_PUBLISHED_NODES,
    _Rpc.GET_CAPACITY,
    _Rpc.EXPAND_VOLUME,
    _Rpc.SINGLE_NODE_MULTI_WRITER,
)


class ControllerServicer(csi.ControllerBase):
    """CSI Controller. Calls that change a volume run one at a time per volume."""

    def __init__(self, volumes: Volumes, tasks: KeyedTasks, settings: ControllerSettings) -> None:
        self._volumes = volumes
        self._tasks = tasks
        self._settings = settings

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

    async def create_volume(self, message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
        """Provide a volume."""
        wanted = requests.parse_create(message, self._settings)
        disk = await self._tasks.run(wanted.volume.text, lambda: self._volumes.create(wanted))
        volume = answers.render_volume(disk, self._settings, wanted.parameters.nvme_address)
        return csi.CreateVolumeResponse(volume=volume)

    async def delete_volume(self, message: csi.DeleteVolumeRequest) -> csi.DeleteVolumeResponse:
        """Remove a volume."""
        volume = VolumeId.parse(message.volume_id)
        await self._tasks.run(volume.text, lambda: self._volumes.delete(volume))
        return csi.DeleteVolumeResponse()

    async def controller_publish_volume(
        self, message: csi.ControllerPublishVolumeRequest
    ) -> csi.ControllerPublishVolumeResponse:
        """Let a node use a volume."""
        wanted = requests.parse_publish(message, self._settings)
        disk = await self._tasks.run(wanted.volume.text, lambda: self._volumes.publish(wanted))
        return csi.ControllerPublishVolumeResponse(
            publish_context=answers.render_publish_context(disk, wanted)
        )

    async def controller_unpublish_volume(
        self, message: csi.ControllerUnpublishVolumeRequest
    ) -> csi.ControllerUnpublishVolumeResponse:
        """Take a volume from a node, or from all."""
        volume = VolumeId.parse(message.volume_id)
        node = NodeId.parse(message.node_id) if message.node_id else None
        await self._tasks.run(volume.text, lambda: self._volumes.unpublish(volume, node))
        return csi.ControllerUnpublishVolumeResponse()

    async def validate_volume_capabilities(
        self, message: csi.ValidateVolumeCapabilitiesRequest
    ) -> csi.ValidateVolumeCapabilitiesResponse:
        """Say whether an existing volume can be used in all the ways asked."""
        volume = VolumeId.parse(message.volume_id)
        if not message.volume_capabilities:
            raise InvalidRequest("volume_capabilities must not be empty")
        await self._volumes.read(volume)
        try:
            requests.parse_parameters(message.parameters, self._settings)
            requests.parse_capabilities(message.volume_capabilities)
        except RdsCsiError as error:
            return csi.ValidateVolumeCapabilitiesResponse(message=error.message)
        return csi.ValidateVolumeCapabilitiesResponse(
            confirmed=csi.ValidateVolumeCapabilitiesResponseConfirmed(
                volume_context=message.volume_context,
                volume_capabilities=message.volume_capabilities,
                parameters=message.parameters,
            )
        )

    async def list_volumes(self, message: csi.ListVolumesRequest) -> csi.ListVolumesResponse:
        """List volumes, a page at a time."""
        page, token = await self._volumes.read_page(*requests.parse_page(message))
        entries = [answers.render_entry(disk, self._settings, held) for disk, held in page]
        return csi.ListVolumesResponse(entries=entries, next_token=token)

    async def get_capacity(self, message: csi.GetCapacityRequest) -> csi.GetCapacityResponse:
        """Say how much room is left."""
        parameters = requests.parse_parameters(message.parameters, self._settings)
        if message.volume_capabilities:
            requests.parse_capabilities(message.volume_capabilities, parameters.fs_type)
        pool = await self._volumes.read_pool(parameters.directory)
        return answers.render_capacity(pool, parameters, self._settings)

    async def controller_expand_volume(
        self, message: csi.ControllerExpandVolumeRequest
    ) -> csi.ControllerExpandVolumeResponse:
        """Make a volume larger while it is in use."""
        wanted = requests.parse_expand(message)
        disk = await self._tasks.run(
            wanted.volume.text, lambda: self._volumes.expand(wanted.volume, wanted.size)
        )
        return csi.ControllerExpandVolumeResponse(
            capacity_bytes=disk.size, node_expansion_required=wanted.node_expansion_required
        )
