"""An assembled node plugin on a real socket: real tools, filesystems and mounts on loop devices."""

import asyncio
import contextlib
import dataclasses
import os
import shutil
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TextIO

import pytest
from grpclib.client import Channel

from libs.core.ids import NodeId
from libs.core.size import GIB, MIB
from libs.csikit.capability import Mode
from libs.nvmeof.mountinfo import Mount, MountTable
from protos.gen.csi import v1 as csi
from services.node.adapters.cluster import NoCluster
from services.node.adapters.loop import LoopFabrics
from services.node.app import open_node
from services.node.config import NodeSettings
from services.node.ports import Cluster, Fabrics
from services.node.workflow.desk import Desk

PREFIX = "nqn.2000-02.com.mikrotik"
NAME = "pvc-00000000-0000-0000-0000-000000000001"
SIZES = {"ext4": 64 * MIB, "ext3": 64 * MIB, "xfs": 320 * MIB, "btrfs": 160 * MIB}
DEADLINE = 60.0
_TOOLS = ("losetup", "mount", "blkid", "mkfs.ext4", "mkfs.xfs", "mkfs.btrfs", "resize2fs")


def why_not() -> str:
    """Return why filesystems cannot be mounted here; nothing if they can."""
    if os.geteuid() != 0:
        return "mounting needs root"
    missing = [tool for tool in _TOOLS if shutil.which(tool) is None]
    if missing:
        return f"missing: {', '.join(missing)}"
    if not Path("/dev/loop-control").exists():
        return "this kernel has no loop devices"
    if not Path("/sys/block").is_dir():
        return "/sys is not mounted"
    return ""


CAP_SYS_RESOURCE = 24
"""Its number in include/uapi/linux/capability.h."""


def may_grow_ext4() -> bool:
    status = Path("/proc/self/status").read_text()
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> CAP_SYS_RESOURCE & 1)


may_grow = {
    "ext4": pytest.mark.skipif(
        not may_grow_ext4(), reason="a mounted ext4 grows only with CAP_SYS_RESOURCE"
    )
}

if os.environ.get("RDS_CSI_REQUIRE_MOUNTS") and why_not():
    raise AssertionError(f"RDS_CSI_REQUIRE_MOUNTS is set, and here {why_not()}")

needs_mounts = pytest.mark.skipif(bool(why_not()), reason=why_not() or "-")


def mounted(fs_type: str = "ext4", *flags: str, mode: Mode | None = None) -> csi.VolumeCapability:
    return csi.VolumeCapability(
        mount=csi.VolumeCapabilityMountVolume(fs_type=fs_type, mount_flags=list(flags)),
        access_mode=csi.VolumeCapabilityAccessMode(mode=mode or Mode.SINGLE_NODE_WRITER),
    )


def raw(mode: Mode = Mode.SINGLE_NODE_WRITER) -> csi.VolumeCapability:
    return csi.VolumeCapability(
        block=csi.VolumeCapabilityBlockVolume(),
        access_mode=csi.VolumeCapabilityAccessMode(mode=mode),
    )


def write_safely(path: Path, text: str) -> None:
    """Write a file as a database does: it is on the device when this returns."""
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY)
    os.fsync(directory)
    os.close(directory)


def mount_table() -> MountTable:
    table = Path("/proc/self/mountinfo").read_bytes()
    return MountTable.parse(table.decode(errors="backslashreplace"))


@dataclasses.dataclass
class Calls:
    """Calls as the kubelet makes them, on a node plugin that may be another process."""

    node: csi.NodeStub
    identity: csi.IdentityStub
    settings: NodeSettings
    images: Path
    kubelet: Path

    def image(self, size: int, name: str = NAME) -> Path:
        """Make or grow the file of a volume."""
        path = self.images / f"{name}.img"
        with path.open("ab"):
            os.truncate(path, size)
        return path

    def staging(self, name: str = NAME) -> Path:
        path = self.kubelet / "plugins" / name / "globalmount"
        if mount_table().at(str(path)) is None:
            path.mkdir(parents=True, exist_ok=True)
        return path

    def target(self, pod: str = "pod-1", name: str = NAME) -> Path:
        path = self.kubelet / "pods" / pod / name / "mount"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    async def stage(
        self,
        capability: csi.VolumeCapability | None = None,
        name: str = NAME,
        *,
        size: int | None = None,
        **changes: Any,
    ) -> None:
        """Stage a volume; its file is made if there is none."""
        capability = capability or mounted()
        fs_type = capability.mount.fs_type if capability.mount else ""
        path = self.images / f"{name}.img"
        if not path.exists():
            self.image(size or SIZES.get(fs_type, 64 * MIB), name)
        request = csi.NodeStageVolumeRequest(
            volume_id=name,
            publish_context=publish_context(name, fs_type, size or path.stat().st_size),
            staging_target_path=str(self.staging(name)),
            volume_capability=capability,
        )
        await self.node.node_stage_volume(dataclasses.replace(request, **changes))

    async def unstage(self, name: str = NAME) -> None:
        await self.node.node_unstage_volume(
            csi.NodeUnstageVolumeRequest(
                volume_id=name, staging_target_path=str(self.staging(name))
            )
        )

    async def publish(
        self,
        capability: csi.VolumeCapability | None = None,
        pod: str = "pod-1",
        name: str = NAME,
        *,
        readonly: bool = False,
        context: dict[str, str] | None = None,
    ) -> Path:
        """Publish a staged volume for a pod, and return where.

        The kubelet sends the context that it staged the volume with.
        """
        target = self.target(pod, name)
        await self.node.node_publish_volume(
            csi.NodePublishVolumeRequest(
                volume_id=name,
                staging_target_path=str(self.staging(name)),
                target_path=str(target),
                volume_capability=capability or mounted(),
                readonly=readonly,
                publish_context=context or {},
            )
        )
        return target

    async def unpublish(self, pod: str = "pod-1", name: str = NAME) -> None:
        await self.node.node_unpublish_volume(
            csi.NodeUnpublishVolumeRequest(volume_id=name, target_path=str(self.target(pod, name)))
        )

    async def expand(self, size: int, name: str = NAME) -> int:
        answer = await self.node.node_expand_volume(
            csi.NodeExpandVolumeRequest(
                volume_id=name,
                volume_path=str(self.staging(name)),
                capacity_range=csi.CapacityRange(required_bytes=size),
            )
        )
        return answer.capacity_bytes

    async def stats(
        self, path: Path | None = None, name: str = NAME
    ) -> csi.NodeGetVolumeStatsResponse:
        return await self.node.node_get_volume_stats(
            csi.NodeGetVolumeStatsRequest(
                volume_id=name, volume_path=str(path or self.staging(name))
            )
        )

    def mounts(self) -> list[Mount]:
        """Return the mounts below the kubelet's directory."""
        return list(mount_table().below(str(self.kubelet)))

    def loops(self) -> list[str]:
        """Return the loop devices on the volumes' files."""
        return list(loops_below(self.images))


@dataclasses.dataclass
class NodeRig(Calls):
    """A node plugin in this process, and calls on it."""

    desk: Desk


def loops_below(directory: Path) -> Iterator[str]:
    for path in Path("/sys/block").glob("loop*/loop/backing_file"):
        with contextlib.suppress(OSError):
            if path.read_text().startswith(f"{directory}/"):
                yield f"/dev/{path.parts[3]}"


@contextlib.asynccontextmanager
async def holding(path: Path) -> AsyncIterator[TextIO]:
    """Have another process hold a file open, as a pod does; our own does not count as a use."""
    with path.open("w") as file:
        pod = await asyncio.create_subprocess_exec("sleep", "600", stdin=file)
        try:
            yield file
        finally:
            file.flush()
            pod.kill()
            await pod.wait()


def settings_for(path: Path, **changes: Any) -> NodeSettings:
    for name in ("images", "kubelet", "state"):
        (path / name).mkdir(exist_ok=True)
    settings = NodeSettings(
        node_id=NodeId("worker-1"),
        managed_nqn_prefixes=(PREFIX,),
        state_directory=path / "state",
        kubelet_directory=str(path / "kubelet"),
        fabrics="loop",
        loop_directory=path / "images",
        cluster="none",
        csi_endpoint=f"unix://{path}/csi.sock",
        health_seconds=3600.0,
        drain_seconds=5.0,
    )
    return dataclasses.replace(settings, **changes)


@contextlib.asynccontextmanager
async def open_rig(
    path: Path,
    fabrics: Fabrics | None = None,
    cluster: Cluster | None = None,
    **changes: Any,
) -> AsyncIterator[NodeRig]:
    """Own a node plugin with its state in a directory; opened anew, it goes on from there."""
    settings = settings_for(path, **changes)
    images, kubelet = path / "images", path / "kubelet"
    inner = fabrics or LoopFabrics(images, (PREFIX,))
    async with contextlib.AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_node(settings, inner, cluster or NoCluster()))
        channel = Channel(path=settings.csi_endpoint.removeprefix("unix://"))
        stack.callback(channel.close)
        yield NodeRig(
            csi.NodeStub(channel, timeout=DEADLINE),
            csi.IdentityStub(channel, timeout=DEADLINE),
            settings,
            images,
            kubelet,
            desk,
        )


def publish_context(name: str, fs_type: str, size: int) -> dict[str, str]:
    """Return what the controller says of a volume that it published."""
    return {
        "nvme_address": "192.0.2.2",
        "nvme_port": "4420",
        "nvme_nqn": f"{PREFIX}:{name}",
        "fs_type": fs_type,
        "size_bytes": str(size),
    }


__all__ = ["GIB", "MIB", "NAME", "NodeRig", "open_rig"]
