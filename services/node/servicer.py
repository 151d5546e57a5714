"""The CSI Node service: parse, hand over, render. About five lines an RPC."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from pathlib import Path

from libs.core.errors import Busy, InvalidRequest, RdsCsiError
from libs.core.ids import NodeId, VolumeId
from libs.csikit.keylock import KeyedTasks
from protos.gen.csi import v1 as csi
from services.node import requests
from services.node.ports import Reason
from services.node.workflow.desk import Desk
from services.node.workflow.health import Health
from services.node.workflow.reading import Amount, Stats, expand, read_stats
from services.node.workflow.volumes import Volumes

_Rpc = csi.NodeServiceCapabilityRpcType

CAPABILITIES = (
    _Rpc.STAGE_UNSTAGE_VOLUME,
    _Rpc.EXPAND_VOLUME,
    _Rpc.GET_VOLUME_STATS,
    _Rpc.VOLUME_CONDITION,
    _Rpc.SINGLE_NODE_MULTI_WRITER,
)


class NodeServicer(csi.NodeBase):
    """CSI Node. Calls that change a volume run one at a time per volume.

    Args:
        node: this node's ID.
        topology: its segments.
        max_volumes: that it may have; 0 for no limit.
        root: the kubelet's directory.
        prefixes: what the NQNs of volumes begin with.
        desk: the outside.
        volumes: staging and publishing.
        health: how the volumes do.
        tasks: what keeps calls for one volume apart.
        registering: told when the kubelet registers the driver, perhaps for a Node object that was
            made anew.
    """

    def __init__(  # noqa: PLR0913 (the composition root names each)
        self,
        *,
        node: NodeId,
        topology: Mapping[str, str],
        max_volumes: int,
        root: str,
        prefixes: Collection[str],
        desk: Desk,
        volumes: Volumes,
        health: Health,
        tasks: KeyedTasks,
        registering: Callable[[], None],
    ) -> None:
        self._node = node
        self._topology = dict(topology)
        self._max_volumes = max_volumes
        self._root = root
        self._prefixes = tuple(prefixes)
        self._desk = desk
        self._volumes = volumes
        self._health = health
        self._tasks = tasks
        self._registering = registering
        self._failing: set[VolumeId] = set()

    async def node_get_capabilities(
        self,
        message: csi.NodeGetCapabilitiesRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> csi.NodeGetCapabilitiesResponse:
        """Say which calls are supported."""
        return csi.NodeGetCapabilitiesResponse(
            capabilities=[
                csi.NodeServiceCapability(rpc=csi.NodeServiceCapabilityRpc(type=kind))
                for kind in CAPABILITIES
            ]
        )

    async def node_get_info(
        self,
        message: csi.NodeGetInfoRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> csi.NodeGetInfoResponse:
        """Say which node this is, and what it reaches: the kubelet asks as it registers us."""
        self._registering()
        where = csi.Topology(segments=self._topology) if self._topology else None
        return csi.NodeGetInfoResponse(
            node_id=self._node.text,
            max_volumes_per_node=self._max_volumes,
            accessible_topology=where,
        )

    async def node_stage_volume(
        self, message: csi.NodeStageVolumeRequest
    ) -> csi.NodeStageVolumeResponse:
        """Connect a volume, and mount it for the whole node."""
        use, secret = requests.parse_stage(message, self._root, self._prefixes)
        use = replace(use, staging=await self._real(use.staging, "staging_target_path"))
        await self._mount(use.volume, lambda: self._volumes.stage(use, secret))
        return csi.NodeStageVolumeResponse()

    async def node_unstage_volume(
        self, message: csi.NodeUnstageVolumeRequest
    ) -> csi.NodeUnstageVolumeResponse:
        """Unmount a volume and disconnect it."""
        volume, staging = requests.parse_volume_path(
            message.volume_id, message.staging_target_path, "staging_target_path", self._root
        )
        staging = await self._real(staging, "staging_target_path")
        await self._tasks.run(volume.text, lambda: self._volumes.unstage(volume, staging))
        self._failing.discard(volume)
        return csi.NodeUnstageVolumeResponse()

    async def node_publish_volume(
        self, message: csi.NodePublishVolumeRequest
    ) -> csi.NodePublishVolumeResponse:
        """Show a staged volume to a pod."""
        volume, wanted, asked = requests.parse_publish(message, self._root)
        wanted = replace(wanted, path=await self._real(wanted.path, "target_path"))
        if asked.staging:
            asked = replace(asked, staging=await self._real(asked.staging, "staging_target_path"))
        adoptable = requests.parse_adoptable(message, asked.staging, self._prefixes)
        await self._mount(volume, lambda: self._volumes.publish(volume, wanted, asked, adoptable))
        return csi.NodePublishVolumeResponse()

    async def node_unpublish_volume(
        self, message: csi.NodeUnpublishVolumeRequest
    ) -> csi.NodeUnpublishVolumeResponse:
        """Undo a publication."""
        volume, target = requests.parse_volume_path(
            message.volume_id, message.target_path, "target_path", self._root
        )
        target = await self._real(target, "target_path")
        await self._tasks.run(volume.text, lambda: self._volumes.unpublish(volume, target))
        return csi.NodeUnpublishVolumeResponse()

    async def node_get_volume_stats(
        self, message: csi.NodeGetVolumeStatsRequest
    ) -> csi.NodeGetVolumeStatsResponse:
        """Tell how full a volume is, and how it does."""
        volume, path = requests.parse_volume_path(
            message.volume_id, message.volume_path, "volume_path", self._root
        )
        path = await self._real(path, "volume_path")
        record = self._volumes.known(volume, path)
        return _render_stats(await read_stats(self._desk, self._health, record, path))

    async def node_expand_volume(
        self, message: csi.NodeExpandVolumeRequest
    ) -> csi.NodeExpandVolumeResponse:
        """Have a volume's filesystem use what the device has."""
        wanted = requests.parse_expand(message, self._root)
        path = await self._real(wanted.path, "volume_path")
        record = self._volumes.known(wanted.volume, path)
        size = await self._tasks.run(
            wanted.volume.text, lambda: expand(self._desk, record, wanted.size)
        )
        return csi.NodeExpandVolumeResponse(capacity_bytes=size)

    async def _mount(self, volume: VolumeId, work: Callable[[], Awaitable[None]]) -> None:
        """Do what a pod waits for; people are told when it fails, and when it works at last."""
        try:
            await self._tasks.run(volume.text, work)
        except Busy:
            raise
        except RdsCsiError as error:
            self._failing.add(volume)
            self._desk.cluster.tell(volume, Reason.MOUNT_FAILED, error.message)
            raise
        if volume in self._failing:
            self._failing.discard(volume)
            self._desk.cluster.tell(volume, Reason.MOUNTED, "the volume is mounted now")

    async def _real(self, path: str, field: str) -> str:
        """Return a path as the table of mounts spells it: without links on the way.

        Raises:
            InvalidRequest: a link leads out of the kubelet's directory.
        """
        above, root = await asyncio.to_thread(_resolve, Path(path), Path(self._root))
        if not above.is_relative_to(root):
            raise InvalidRequest(f"{field} must lie below {self._root}, and leads out of it")
        return str(above / Path(path).name)


def _resolve(path: Path, root: Path) -> tuple[Path, Path]:
    return path.parent.resolve(), root.resolve()


def _render_stats(stats: Stats) -> csi.NodeGetVolumeStatsResponse:
    unit = csi.VolumeUsageUnit
    usage = [
        csi.VolumeUsage(unit=kind, total=amount.total, available=amount.available, used=amount.used)
        for kind, amount in ((unit.BYTES, stats.space), (unit.INODES, stats.inodes))
        if isinstance(amount, Amount)
    ]
    condition = stats.condition
    return csi.NodeGetVolumeStatsResponse(
        usage=usage,
        volume_condition=csi.VolumeCondition(abnormal=condition.abnormal, message=condition.text),
    )
