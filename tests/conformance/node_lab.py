"""Calls on the node plugin that are undone when the test ends."""

import itertools
from dataclasses import dataclass
from pathlib import Path

from protos.gen.csi import v1 as csi
from tests.conformance.capabilities import mount
from tests.conformance.lab import RUN, Lab
from tests.conformance.needs import Given, NodeRpc, Rpc

_NUMBERS = itertools.count(1)


@dataclass(frozen=True)
class Attached:
    """A volume that a node may use."""

    volume: csi.Volume
    publish_context: dict[str, str]

    @property
    def id(self) -> str:
        """The volume's ID."""
        return self.volume.volume_id


class NodeLab:
    """One test's view of a node; it makes the parent directories that an orchestrator makes."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.stub = lab.plugin.node_stub
        self.stages = lab.plugin.has(NodeRpc.STAGE_UNSTAGE_VOLUME)
        self.directory = lab.plugin.state_dir / f"conf-{RUN}-{next(_NUMBERS)}"
        self.staging = self.directory / "staging"
        self.target = self.directory / "target"
        self.other_target = self.directory / "other-target"

    def open(self) -> None:
        """Make the directory in which the node plugin makes its targets."""
        self.staging.mkdir(parents=True)

    def close(self) -> None:
        """Remove what the plugin should have left empty."""
        for path in (self.staging, self.directory):
            if path.is_dir():
                path.rmdir()

    async def attach(self, capability: csi.VolumeCapability | None = None) -> Attached:
        """Make a volume, and let this node use it."""
        lab = self.lab
        capability = capability or mount()
        volume = await lab.create_volume(capabilities=[capability])
        if lab.plugin.has(Rpc.PUBLISH_UNPUBLISH_VOLUME) and lab.plugin.has(Given.NODE_ID):
            return Attached(volume, await lab.publish(volume, capability=capability))
        return Attached(volume, {})

    async def staged(self, capability: csi.VolumeCapability | None = None) -> Attached:
        """Make a volume, and stage it where the plugin knows how to."""
        attached = await self.attach(capability)
        if self.stages:
            await self.stage(attached, capability)
        return attached

    async def published(self, capability: csi.VolumeCapability | None = None) -> Attached:
        """Make a volume, and bring it all the way to its target."""
        attached = await self.staged(capability)
        await self.publish(attached, capability)
        return attached

    async def stage(
        self,
        attached: Attached,
        capability: csi.VolumeCapability | None = None,
        *,
        staging: str | None = None,
    ) -> None:
        """Call NodeStageVolume."""
        request = csi.NodeStageVolumeRequest(
            volume_id=attached.id,
            publish_context=attached.publish_context,
            staging_target_path=str(self.staging) if staging is None else staging,
            volume_capability=capability or mount(),
            volume_context=attached.volume.volume_context,
        )
        await self.send_stage(request)

    async def send_stage(self, request: csi.NodeStageVolumeRequest) -> None:
        """Call NodeStageVolume with exactly this request, but for the secrets."""
        request.secrets = self.lab.options.secrets_of("NodeStageVolume")
        volume_id, path = request.volume_id, request.staging_target_path
        if volume_id and path:
            self.lab.undo.push(f"staging at {path}", lambda: self.unstage(volume_id, path))
        await self.stub.node_stage_volume(request)

    async def unstage(self, volume_id: str, staging: str | None = None) -> None:
        """Call NodeUnstageVolume."""
        await self.stub.node_unstage_volume(
            csi.NodeUnstageVolumeRequest(
                volume_id=volume_id,
                staging_target_path=str(self.staging) if staging is None else staging,
            )
        )

    async def publish(
        self,
        attached: Attached,
        capability: csi.VolumeCapability | None = None,
        *,
        target: Path | str | None = None,
        readonly: bool = False,
        with_staging: bool = True,
    ) -> None:
        """Call NodePublishVolume."""
        request = csi.NodePublishVolumeRequest(
            volume_id=attached.id,
            publish_context=attached.publish_context,
            staging_target_path=str(self.staging) if self.stages and with_staging else "",
            target_path=str(self.target if target is None else target),
            volume_capability=capability or mount(),
            readonly=readonly,
            volume_context=attached.volume.volume_context,
        )
        await self.send_publish(request)

    async def send_publish(self, request: csi.NodePublishVolumeRequest) -> None:
        """Call NodePublishVolume with exactly this request, but for the secrets."""
        request.secrets = self.lab.options.secrets_of("NodePublishVolume")
        volume_id, path = request.volume_id, request.target_path
        if volume_id and path:
            self.lab.undo.push(f"publication at {path}", lambda: self.unpublish(volume_id, path))
        await self.stub.node_publish_volume(request)

    async def unpublish(self, volume_id: str, target: Path | str | None = None) -> None:
        """Call NodeUnpublishVolume."""
        await self.stub.node_unpublish_volume(
            csi.NodeUnpublishVolumeRequest(
                volume_id=volume_id, target_path=str(self.target if target is None else target)
            )
        )

    async def stats(
        self, volume_id: str, path: Path | str | None = None
    ) -> csi.NodeGetVolumeStatsResponse:
        """Call NodeGetVolumeStats."""
        return await self.stub.node_get_volume_stats(
            csi.NodeGetVolumeStatsRequest(
                volume_id=volume_id,
                volume_path=str(self.target if path is None else path),
                staging_target_path=str(self.staging) if self.stages else "",
            )
        )

    async def expand(
        self,
        volume_id: str,
        required: int = 0,
        limit: int = 0,
        *,
        path: str | None = None,
        capability: csi.VolumeCapability | None = None,
    ) -> csi.NodeExpandVolumeResponse:
        """Call NodeExpandVolume."""
        return await self.stub.node_expand_volume(
            csi.NodeExpandVolumeRequest(
                volume_id=volume_id,
                volume_path=str(self.target) if path is None else path,
                capacity_range=csi.CapacityRange(required_bytes=required, limit_bytes=limit),
                staging_target_path=str(self.staging) if self.stages else "",
                volume_capability=capability or mount(),
            )
        )
