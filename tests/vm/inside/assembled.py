"""Controller and node plugin, assembled, with a simulated device on the kernel's own target.

Everything goes over the real sockets: CSI over unix sockets, commands over SSH, data over NVMe/TCP.
"""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib.client import Channel
from grpclib.events import SendRequest, listen

from libs.core.paths import DevicePath
from libs.core.size import MIB
from protos.gen.csi import v1 as csi
from services.controller.app import open_controller
from services.controller.config import ControllerSettings
from tests.component.node.rig import NAME, SIZES, Calls, mounted
from tests.unit.controller.values import create_request
from tests.vm.inside.plugin import VmRig, open_vm_rig
from tests.vm.inside.rig import DEADLINE, PREFIX
from tests.vm.inside.simulator import DISKS, PORT, Device, named
from tests.vm.nvmet import Nvmet

FILES, SUBVOLUMES = "/raid10/volumes", "/btr/volumes"
NODE, PEER = "worker-1", "worker-2"


def parameters(layout: str = "file", **more: str) -> dict[str, str]:
    """Return those of a StorageClass."""
    path = SUBVOLUMES if layout == "subvolume" else FILES
    return {"volumePath": path, "layout": layout, "reconnectDelay": "1", **more}


@dataclass
class Assembly:
    """The services and the device, and what Kubernetes does with them.

    Attributes:
        rds: the simulated device.
        controller: its calls.
        node: calls on the node plugin of this machine.
        classes: parameters of the StorageClass.
        made: what `create` answered, by name.
        steps: how many calls were made.
    """

    rds: Device
    controller: csi.ControllerStub
    node: VmRig
    classes: dict[str, str] = field(default_factory=parameters)
    made: dict[str, csi.Volume] = field(default_factory=dict)
    steps: int = 0

    def watch(self, *channels: Channel) -> None:
        """Count the calls that are made over channels."""
        for channel in channels:
            listen(channel, SendRequest, self._count)

    async def _count(self, _: SendRequest) -> None:
        self.steps += 1

    async def create(
        self,
        name: str = NAME,
        capability: csi.VolumeCapability | None = None,
        *,
        size: int = 0,
        **fields: Any,
    ) -> csi.Volume:
        capability = capability or mounted()
        fs_type = capability.mount.fs_type if capability.mount else ""
        request = create_request(
            name,
            required=size or SIZES.get(fs_type, 64 * MIB),
            capability=capability,
            parameters=self.classes,
            **fields,
        )
        answer = await self.controller.create_volume(request)
        assert answer.volume is not None
        self.made[name] = answer.volume
        return answer.volume

    async def snapshot(self, name: str, source: str = NAME) -> csi.VolumeContentSource:
        """Make a snapshot, and return what a volume made of it names."""
        answer = await self.controller.create_snapshot(
            csi.CreateSnapshotRequest(source_volume_id=source, name=name)
        )
        assert answer.snapshot is not None
        assert answer.snapshot.ready_to_use
        return csi.VolumeContentSource(
            snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id=answer.snapshot.snapshot_id)
        )

    async def attach(
        self,
        name: str = NAME,
        capability: csi.VolumeCapability | None = None,
        node: str = NODE,
    ) -> dict[str, str]:
        answer = await self.controller.controller_publish_volume(
            csi.ControllerPublishVolumeRequest(
                volume_id=name,
                node_id=node,
                volume_capability=capability or mounted(),
                volume_context=self.made[name].volume_context,
            )
        )
        return answer.publish_context

    async def detach(self, name: str = NAME, node: str = NODE) -> None:
        await self.controller.controller_unpublish_volume(
            csi.ControllerUnpublishVolumeRequest(volume_id=name, node_id=node)
        )

    async def stage(
        self,
        name: str = NAME,
        capability: csi.VolumeCapability | None = None,
        calls: Calls | None = None,
        node: str = NODE,
    ) -> None:
        """Attach a volume and stage it."""
        given: dict[str, Any] = {
            "publish_context": await self.attach(name, capability, node),
            "volume_context": self.made[name].volume_context,
        }
        await (calls or self.node).stage(capability, name, **given)

    async def bring(self, name: str = NAME, capability: csi.VolumeCapability | None = None) -> Path:
        """Do all that has to be done for a pod to have a volume; return where it has it."""
        await self.stage(name, capability)
        return await self.node.publish(capability, name=name)

    async def take(self, name: str = NAME) -> None:
        """Undo `bring`."""
        await self.node.unpublish(name=name)
        await self.node.unstage(name)
        await self.detach(name)

    async def grow(
        self, size: int, name: str = NAME, capability: csi.VolumeCapability | None = None
    ) -> int:
        answer = await self.controller.controller_expand_volume(
            csi.ControllerExpandVolumeRequest(
                volume_id=name,
                capacity_range=csi.CapacityRange(required_bytes=size),
                volume_capability=capability or mounted(),
            )
        )
        assert answer.capacity_bytes == size
        return await self.node.expand(size, name)

    async def delete(self, name: str = NAME) -> None:
        await self.controller.delete_volume(csi.DeleteVolumeRequest(volume_id=name))

    async def left(self) -> list[str]:
        """Return what must not be there once no volume is."""
        state = await self.rds.ask("/state")
        return [
            *(f"disk {each['slot']}" for each in state["disks"] if each["type"] == "file"),
            *(f"file {each['name']}" for each in state["files"]),
            *(f"{top} {each}" for top in ("subsystems", "hosts") for each in named(top)),
            *(f"data {each}" for each in DISKS.rglob("*.img")),
            *self.node.leftovers(),
        ]


class AssembledNode(VmRig):
    """Calls whose volumes are the controller's: no disk is made for them here."""

    async def stage(
        self,
        capability: csi.VolumeCapability | None = None,
        name: str = NAME,
        *,
        size: int | None = None,
        **changes: Any,
    ) -> None:
        assert size is None, "the controller made it"
        self.staging(name)
        request = csi.NodeStageVolumeRequest(
            volume_id=name,
            staging_target_path=str(self.staging(name)),
            volume_capability=capability or mounted(),
            **changes,
        )
        await self.node.node_stage_volume(request)


def content_of(volume: str = NAME) -> csi.VolumeContentSource:
    """Return what a clone of a volume names."""
    return csi.VolumeContentSource(volume=csi.VolumeContentSourceVolumeSource(volume_id=volume))


@contextlib.asynccontextmanager
async def open_assembly(
    path: Path,
    rds: Device,
    *,
    address: str = "127.0.0.1",
    others: tuple[tuple[str, str], ...] = (),
    **changes: Any,
) -> AsyncIterator[Assembly]:
    """Own a controller and a node plugin; what is left on the device goes at the end.

    Args:
        path: where they have their files.
        rds: the device.
        address: where it exports volumes.
        others: further nodes that the controller knows, with their host NQNs.
        **changes: fields of `ControllerSettings` that are to differ.
    """
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(rds.ask, "/reset")
        (path / "node").mkdir()
        rig = await stack.enter_async_context(open_vm_rig(path / "node", Nvmet(DISKS)))
        node = AssembledNode(**{name: getattr(rig, name) for name in rig.__dataclass_fields__})
        nqn = (node.settings.nvme_directory / "hostnqn").read_text().strip()
        changes = {"nvme_address": address, "known_nodes": ((NODE, nqn), *others), **changes}
        settings = controller_settings(path, rds, **changes)
        await stack.enter_async_context(open_controller(settings))
        channel = Channel(path=settings.csi_endpoint.removeprefix("unix://"))
        stack.callback(channel.close)
        assembly = Assembly(rds, csi.ControllerStub(channel, timeout=DEADLINE), node)
        assembly.watch(channel, node.node.channel)
        yield assembly


def controller_settings(path: Path, rds: Device, **changes: Any) -> ControllerSettings:
    host, _, port = rds.ready["ssh"].rpartition(":")
    (path / "password").write_text("secret")
    (path / "host-key").write_text(rds.ready["host_key"])
    given: dict[str, Any] = {
        "rds_address": host,
        "rds_port": int(port),
        "rds_password_file": path / "password",
        "rds_host_key_file": path / "host-key",
        "nvme_port": PORT,
        "nqn_prefix": PREFIX,
        "volume_base_paths": tuple(map(DevicePath.parse, (FILES, SUBVOLUMES))),
        "csi_endpoint": f"unix://{path}/controller.sock",
        "attachments": "memory",
        "drain_seconds": 5.0,
    }
    return ControllerSettings(**{**given, **changes})
