"""The node's part of the walk: what the kubelet calls, and what a pod does with a volume."""

import asyncio
import hashlib
import os
from pathlib import Path

from demo.host import list_left
from demo.node import NodeView
from demo.processes import House
from demo.steps import NAME, RESTORED, capability, expect
from libs.core.size import GIB, MIB, format_bytes
from protos.gen.csi import v1 as csi

FILE = "data.bin"
CONTENT = hashlib.shake_256(NAME.encode()).digest(4 * MIB)
CHECKSUM = hashlib.sha256(CONTENT).hexdigest()


async def stage(house: House, volume: str = NAME) -> str:
    """Connect a volume, and mount it for the whole node."""
    node = _node(house)
    node.staging(volume).mkdir(parents=True)
    await node.stub.node_stage_volume(
        csi.NodeStageVolumeRequest(
            volume_id=volume,
            publish_context=dict(house.published[volume]),
            volume_context=dict(house.contexts[volume]),
            staging_target_path=str(node.staging(volume)),
            volume_capability=capability(house),
        )
    )
    device = await _expect_connected(node, 1)
    return f"{volume[:12]}…: {house.host.fs_type} on {device}"


async def publish(house: House, volume: str = NAME) -> str:
    """Show a volume to a pod."""
    node = _node(house)
    node.target(volume).parent.mkdir(parents=True)
    await node.stub.node_publish_volume(
        csi.NodePublishVolumeRequest(
            volume_id=volume,
            publish_context=dict(house.published[volume]),
            volume_context=dict(house.contexts[volume]),
            staging_target_path=str(node.staging(volume)),
            target_path=str(node.target(volume)),
            volume_capability=capability(house),
        )
    )
    mounted = await asyncio.to_thread(node.target(volume).is_mount)
    expect(that=mounted, expected=f"a mount at {node.target(volume)}", got="none")
    return "the pod has it"


async def write(house: House) -> str:
    """Write a file, as a pod does that means to find it again."""
    await asyncio.to_thread(_write, _node(house).target(NAME) / FILE)
    return f"{format_bytes(len(CONTENT))}, SHA-256 {CHECKSUM[:16]}…"


async def read(house: House, volume: str = NAME) -> str:
    """Read the file, of which every byte must be as it was written."""
    found = await asyncio.to_thread((_node(house).target(volume) / FILE).read_bytes)
    checksum = hashlib.sha256(found).hexdigest()
    expect(that=checksum == CHECKSUM, expected=f"the checksum {CHECKSUM}", got=checksum)
    return f"unchanged: {format_bytes(len(found))}, SHA-256 {checksum[:16]}…"


async def read_stats(house: House) -> str:
    """Ask how full a volume is."""
    answer = await _ask_stats(house, NAME)
    condition = answer.volume_condition or csi.VolumeCondition(abnormal=True)
    expect(that=not condition.abnormal, expected="a volume in order", got=condition)
    space = answer.usage[0]
    expect(that=space.used >= len(CONTENT), expected="the file to be counted", got=space)
    expect(that=space.total < 10 * GIB, expected="less than the 10 GiB of the device", got=space)
    return (
        f"{format_bytes(space.used // MIB * MIB)} used of {_gib(space.total)}; {condition.message}"
    )


async def expand(house: House) -> str:
    """Have the filesystem take the size that the device has by now, while it is mounted."""
    node = _node(house)
    answer = await node.stub.node_expand_volume(
        csi.NodeExpandVolumeRequest(
            volume_id=RESTORED,
            volume_path=str(node.target(RESTORED)),
            staging_target_path=str(node.staging(RESTORED)),
            capacity_range=csi.CapacityRange(required_bytes=20 * GIB),
            volume_capability=capability(house),
        )
    )
    expect(that=answer.capacity_bytes == 20 * GIB, expected="20 GiB", got=answer)
    total = (await _ask_stats(house, RESTORED)).usage[0].total
    expect(that=total > 19 * GIB, expected="a filesystem of nearly 20 GiB", got=total)
    return f"the filesystem has {_gib(total)}"


async def unpublish(house: House, volume: str = NAME) -> str:
    """Take a volume from its pod."""
    node = _node(house)
    await node.stub.node_unpublish_volume(
        csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=str(node.target(volume)))
    )
    expect(that=not node.target(volume).exists(), expected="no target path", got="one")
    return "taken from the pod"


async def unstage(house: House, volume: str = NAME) -> str:
    """Unmount a volume, and disconnect it."""
    node = _node(house)
    await node.stub.node_unstage_volume(
        csi.NodeUnstageVolumeRequest(
            volume_id=volume, staging_target_path=str(node.staging(volume))
        )
    )
    await _expect_connected(node, 0)
    return "unmounted and disconnected"


def _node(house: House) -> NodeView:
    if house.node is None:
        raise AssertionError("steps of the node are left out where there is none")
    return house.node


async def _ask_stats(house: House, volume: str) -> csi.NodeGetVolumeStatsResponse:
    node = _node(house)
    return await node.stub.node_get_volume_stats(
        csi.NodeGetVolumeStatsRequest(volume_id=volume, volume_path=str(node.target(volume)))
    )


async def _expect_connected(node: NodeView, count: int) -> str:
    points, loops = await asyncio.to_thread(list_left, node.directory)
    expect(that=len(points) == count, expected=f"{count} mounts", got=points)
    expect(that=len(loops) == count, expected=f"{count} loop devices", got=loops)
    return ", ".join(loop.device.path for loop in loops)


def _write(path: Path) -> None:
    with path.open("wb") as file:
        file.write(CONTENT)
        file.flush()
        os.fsync(file.fileno())
    directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)  # the name of the file, too
    finally:
        os.close(directory)


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB"
