"""Random calls of several clients, with faults, restarts of the device and kills of the process.

At the end the device holds what the answers promised: nothing lost, doubled, leaked or too small.
"""

import asyncio
import contextlib
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from libs.core.ids import SnapshotId, VolumeId
from libs.core.images import Image
from libs.core.size import GIB
from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.latency import Latency
from libs.mockrds.testing import RunningDevice, running_device
from protos.gen.csi import v1 as csi
from tests.component.controller.storm import Client, Killable, add_nodes, trouble
from tests.fakes.apiserver import running_api

OPERATIONS = (
    "create",
    "create",
    "delete",
    "expand",
    "snapshot",
    "drop",
    "clone",
    "publish",
    "unpublish",
)
histories = st.lists(
    st.tuples(st.sampled_from(OPERATIONS), st.integers(0, 2)), min_size=60, max_size=90
)


@pytest.mark.slow
@pytest.mark.timeout(280)
@settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(
    st.lists(histories, min_size=4, max_size=4),
    st.integers(0, 2**32),
)
def test_the_device_holds_what_the_answers_promised(
    lives: list[list[tuple[str, int]]], seed: int
) -> None:
    asyncio.run(weather(lives, seed))


async def weather(lives: list[list[tuple[str, int]]], seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (no secret)
    pools = [Pool("raid10", 60 * GIB), Pool("btr", 60 * GIB, "btrfs")]
    async with contextlib.AsyncExitStack() as stack:
        path = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        device = await stack.enter_async_context(running_device(Device(pools)))
        device.mock.latency = Latency(0.005, 0.02)
        api = await stack.enter_async_context(running_api(path))
        await add_nodes(api)
        process = Killable(path, device, api)
        await process.start()
        stack.callback(process.channel.close)
        stack.push_async_callback(process.kill)
        stub = csi.ControllerStub(process.channel, timeout=10)
        layouts = ("file", "subvolume", "file", "subvolume")
        clients = [Client(f"c{i}", name, stub, api, chance) for i, name in enumerate(layouts)]

        done = asyncio.Event()
        storm = asyncio.create_task(trouble(chance, device, process, done))
        await asyncio.gather(*(live(*pair) for pair in zip(clients, lives, strict=True)))
        done.set()
        await storm
        device.faults.clear()
        await asyncio.gather(*(client.settle() for client in clients))

        check(device, clients)
        assert process.kills > 0


async def live(client: Client, life: list[tuple[str, int]]) -> None:
    for operation, number in life:
        await client.act(operation, number)


def check(device: RunningDevice, clients: list[Client]) -> None:
    volumes = {
        VolumeId.from_name(name).text: size
        for client in clients
        for name, size in client.volumes.items()
        if size is not None
    }
    snapshots = {
        SnapshotId.from_name(name).text
        for client in clients
        for name, source in client.snapshots.items()
        if source is not None
    }
    disks = {str(disk.properties["slot"]): disk for disk in device.state.disks}
    images = [Image.parse(f"/{name}") for name in device.state.files]
    slots = sorted(image.slot.text for image in images if image)

    assert [broken for client in clients for broken in client.broken] == []
    assert set(disks) == set(volumes)
    for slot, size in volumes.items():
        assert int(disks[slot].properties["file-size"]) >= size
        assert device.state.files[disks[slot].file_name] >= size
        assert disks[slot].properties["nvme-tcp-export"] is True
    assert slots == sorted([*volumes, *snapshots])
    assert len(device.state.subvolumes) == sum("/volume.img" in f for f in device.state.files)
