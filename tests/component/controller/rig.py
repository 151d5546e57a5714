"""An assembled controller on a real socket, with a simulated device behind real SSH."""

import contextlib
import dataclasses
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.const import Status

from libs.core.paths import DevicePath
from libs.core.size import GIB
from libs.mockrds.device import Device
from libs.mockrds.testing import PASSWORD, RunningDevice, running_device
from protos.gen.csi import v1 as csi
from services.controller.app import open_controller
from services.controller.config import ControllerSettings
from tests.unit.controller.values import NAME, Mode, block, create_request, mount

__all__ = ["GIB", "NAME", "Mode", "Rig", "block", "create_request", "mount", "open_rig"]

DEADLINE = 20.0


@dataclasses.dataclass
class Rig:
    device: RunningDevice
    controller: csi.ControllerStub
    identity: csi.IdentityStub
    settings: ControllerSettings

    async def create(self, name: str = NAME, **fields: Any) -> csi.Volume:
        answer = await self.controller.create_volume(create_request(name, **fields))
        assert answer.volume is not None
        return answer.volume

    async def delete(self, volume: str = NAME) -> None:
        await self.controller.delete_volume(csi.DeleteVolumeRequest(volume_id=volume))

    async def publish(
        self, node: str, volume: str = NAME, capability: csi.VolumeCapability | None = None
    ) -> dict[str, str]:
        answer = await self.controller.controller_publish_volume(
            csi.ControllerPublishVolumeRequest(
                volume_id=volume, node_id=node, volume_capability=capability or mount()
            )
        )
        return answer.publish_context

    async def unpublish(self, node: str, volume: str = NAME) -> None:
        await self.controller.controller_unpublish_volume(
            csi.ControllerUnpublishVolumeRequest(volume_id=volume, node_id=node)
        )

    async def expand(self, size: int, volume: str = NAME) -> csi.ControllerExpandVolumeResponse:
        return await self.controller.controller_expand_volume(
            csi.ControllerExpandVolumeRequest(
                volume_id=volume,
                capacity_range=csi.CapacityRange(required_bytes=size),
                volume_capability=mount(),
            )
        )


async def error_of(call: Awaitable[object]) -> tuple[Status, str]:
    """Return the status and message that a call fails with."""
    try:
        answer = await call
    except GRPCError as error:
        return error.status, error.message or ""
    except TimeoutError:
        return Status.DEADLINE_EXCEEDED, "the caller's own deadline passed"
    raise AssertionError(f"the call succeeded with {answer}")


@contextlib.asynccontextmanager
async def open_rig(path: Path, device: Device | None = None, **changes: Any) -> AsyncIterator[Rig]:
    async with contextlib.AsyncExitStack() as stack:
        running = await stack.enter_async_context(running_device(device))
        settings = settings_for(path, running, **changes)
        await stack.enter_async_context(open_controller(settings))
        yield await connect(stack, running, settings)


async def connect(
    stack: contextlib.AsyncExitStack, running: RunningDevice, settings: ControllerSettings
) -> Rig:
    channel = Channel(path=settings.csi_endpoint.removeprefix("unix://"))
    stack.callback(channel.close)
    return Rig(
        running,
        csi.ControllerStub(channel, timeout=DEADLINE),
        csi.IdentityStub(channel, timeout=DEADLINE),
        settings,
    )


def settings_for(path: Path, running: RunningDevice, **changes: Any) -> ControllerSettings:
    for name, text in {"password": PASSWORD, "host-key": running.host_key}.items():
        if not (path / name).exists():  # a controller that runs already may be reading it
            (path / name).write_text(text + "\n")
    settings = ControllerSettings(
        rds_address=running.host,
        rds_port=running.port,
        rds_password_file=path / "password",
        rds_host_key_file=path / "host-key",
        nvme_address="192.0.2.2",
        volume_base_paths=(DevicePath.parse("/raid10/volumes"), DevicePath.parse("/raid10/other")),
        csi_endpoint=f"unix://{path}/csi.sock",
        attachments="memory",
        drain_seconds=5.0,
    )
    return dataclasses.replace(settings, **changes)
