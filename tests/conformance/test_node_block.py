"""Raw block volumes on the node: a device at the target, which keeps what was written."""

import asyncio
import os
import stat
from pathlib import Path

import pytest
from grpclib.const import Status

from tests.conformance.calls import status_of
from tests.conformance.capabilities import Mode, block
from tests.conformance.needs import Expansion, Given, NodeRpc, Rpc, label, needs
from tests.conformance.node_lab import Attached, NodeLab

pytestmark = needs(Given.NODE_ENDPOINT, Rpc.CREATE_DELETE_VOLUME)

TEXT = b"what a database writes, without any filesystem"


async def attached_block(node: NodeLab, mode: Mode = Mode.SINGLE_NODE_WRITER) -> Attached:
    """Return a raw block volume that the node may use, where the plugin has such volumes."""
    status = await status_of(node.lab.create_volume(capabilities=[block(mode)]))
    if status is Status.INVALID_ARGUMENT:
        pytest.skip(f"the plugin offers no raw block volumes with the access mode {mode.name}")
    return await node.attach(block(mode))


async def published_block(node: NodeLab) -> Attached:
    attached = await attached_block(node)
    if node.stages:
        await node.stage(attached, block())
    await node.publish(attached, block())
    return attached


def size_of(path: Path) -> int:
    """Return the size of a block device; 0 for anything else."""
    if not stat.S_ISBLK(path.stat().st_mode):
        return 0
    with path.open("rb") as device:
        return device.seek(0, os.SEEK_END)


def write(path: Path) -> None:
    with path.open("r+b", buffering=0) as device:
        device.write(TEXT.ljust(4096, b"\0"))
        os.fsync(device.fileno())


def read(path: Path) -> bytes:
    with path.open("rb", buffering=0) as device:
        return device.read(4096).rstrip(b"\0")


async def test_a_raw_block_volume_is_a_device_of_its_size_at_the_target(node: NodeLab) -> None:
    attached = await published_block(node)

    size = await asyncio.to_thread(size_of, node.target)

    assert size >= attached.volume.capacity_bytes > 0


async def test_a_raw_block_volume_can_be_staged_and_published_twice(node: NodeLab) -> None:
    attached = await published_block(node)

    if node.stages:
        await node.stage(attached, block())
    status = await status_of(node.publish(attached, block()))

    assert status is Status.OK
    assert await asyncio.to_thread(size_of, node.target)


async def test_what_was_written_is_there_after_the_volume_came_back(node: NodeLab) -> None:
    attached = await published_block(node)
    await asyncio.to_thread(write, node.target)

    await node.unpublish(attached.id)
    if node.stages:
        await node.unstage(attached.id)
        await node.stage(attached, block())
    await node.publish(attached, block())

    assert await asyncio.to_thread(read, node.target) == TEXT


async def test_unpublishing_a_raw_block_volume_removes_the_target(node: NodeLab) -> None:
    attached = await published_block(node)

    await node.unpublish(attached.id)
    again = await status_of(node.unpublish(attached.id))

    assert not node.target.exists()
    assert again is Status.OK


@needs(NodeRpc.SINGLE_NODE_MULTI_WRITER)
async def test_a_raw_block_volume_for_several_writers_is_published_at_two_targets(
    node: NodeLab,
) -> None:
    several = block(Mode.SINGLE_NODE_MULTI_WRITER)
    attached = await attached_block(node, Mode.SINGLE_NODE_MULTI_WRITER)
    if node.stages:
        await node.stage(attached, several)

    for target in (node.target, node.other_target):
        await node.publish(attached, several, target=target)
    await asyncio.to_thread(write, node.target)

    assert await asyncio.to_thread(read, node.other_target) == TEXT


@needs(NodeRpc.GET_VOLUME_STATS)
async def test_stats_of_a_raw_block_volume_have_its_size_or_nothing(node: NodeLab) -> None:
    attached = await published_block(node)

    answer = await node.stats(attached.id)
    size = await asyncio.to_thread(size_of, node.target)

    assert all(usage.total in {0, size} for usage in answer.usage)


@needs(NodeRpc.EXPAND_VOLUME, Rpc.EXPAND_VOLUME)
async def test_a_raw_block_volume_grows(node: NodeLab) -> None:
    if not node.lab.plugin.has(Expansion.ONLINE):
        pytest.skip(f"{label(Expansion.ONLINE)} is not advertised")
    attached = await published_block(node)
    await node.lab.expand(attached.id, 2 * node.lab.size)

    await node.expand(attached.id, 2 * node.lab.size, capability=block())

    assert await asyncio.to_thread(size_of, node.target) >= 2 * node.lab.size
