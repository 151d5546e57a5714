"""Two nodes with a kernel each, a controller and a simulated device: who may write, and who not."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.component.node.rig import NAME, mounted, raw
from tests.unit.controller.values import Mode
from tests.vm.inside.assembled import NODE, PEER, Assembly, open_assembly, parameters
from tests.vm.inside.plugin import error_of, nqn_of
from tests.vm.inside.rig import DEADLINE, until
from tests.vm.inside.simulator import Device
from tests.vm.inside.writing import Writer, fill, newest, sum_of, writing
from tests.vm.nvmet import nvme
from tests.vm.peer.client import DIRECTORY, Peer, PeerCalls

SHARED = raw(Mode.MULTI_NODE_MULTI_WRITER)


@dataclass
class Pair:
    """The assembly in this machine, and the node plugin in the other one."""

    here: Assembly
    there: PeerCalls
    peer: Peer

    async def stage_there(self, capability: csi.VolumeCapability | None = None) -> None:
        await self.here.stage(NAME, capability, self.there, PEER)

    async def sum_there(self, path: Path) -> str:
        return await self.peer.call(sum_of, path)

    async def leave_there(self) -> None:
        await self.there.unpublish()
        await self.there.unstage()
        await self.here.detach(node=PEER)


@pytest.fixture
async def pair(
    bare_host: Path,
    simulator: Device,
    peer: Peer,
    note_steps: Callable[[str], None],
) -> AsyncIterator[Pair]:
    there = await peer.start_node_plugin()
    nqn = (await peer.run(["cat", f"{DIRECTORY}/nvme/hostnqn"])).strip()
    changes = {"fencing": True, "fencing_two_hosts": "list"}
    async with open_assembly(
        bare_host, simulator, address=peer.our_address, others=((PEER, nqn),), **changes
    ) as here:
        here.watch(there.node.channel)
        yield Pair(here, there, peer)
        note_steps(f"{here.steps} calls")


@pytest.mark.parametrize("fs_type", ["ext4", "xfs", "btrfs"])
async def test_what_was_written_on_one_node_is_there_on_the_other(pair: Pair, fs_type: str) -> None:
    capability = mounted(fs_type)
    await pair.here.create(capability=capability)
    written = fill(await pair.here.bring(capability=capability) / "data")
    await pair.here.take()

    await pair.stage_there(capability)
    found = await pair.sum_there(await pair.there.publish(capability) / "data")
    await pair.leave_there()
    await pair.here.delete()

    assert found == written
    assert await pair.there.left() == []
    assert await pair.here.left() == []


async def test_a_node_that_the_device_does_not_admit_cannot_connect(pair: Pair) -> None:
    pair.here.classes = parameters(fencing="host")
    volume = await pair.here.create()
    context = await pair.here.attach(node=PEER)

    status, text = await error_of(
        pair.here.node.stage(publish_context=context, volume_context=volume.volume_context)
    )
    await pair.stage_there()

    assert status in {Status.UNAVAILABLE, Status.FAILED_PRECONDITION, Status.INTERNAL}
    assert text
    await pair.here.node.unstage()
    assert pair.here.node.leftovers() == []


@pytest.mark.parametrize("cuts", ["cut", "keep"])
async def test_a_node_that_was_fenced_writes_nothing_over_what_the_next_one_writes(
    pair: Pair, cuts: str
) -> None:
    await pair.here.rds.ask("/settings", fencing=cuts)
    pair.here.classes = parameters(fencing="host")
    await pair.here.create(capability=raw())
    path = await pair.here.bring(capability=raw())

    async with cut_off(path) as writer:
        await pair.here.detach()  # as when the node counts as dead
        await until(pair.here.node.is_waiting)
        stalled = writer.count
        await pair.stage_there(raw())
        target = await pair.there.publish(raw())
        written = await pair.peer.call(fill, target)
        nvme("disconnect", f"--nqn={nqn_of()}")

    assert writer.count <= stalled + 1
    assert await pair.sum_there(target) == written


@contextlib.asynccontextmanager
async def cut_off(path: Path) -> AsyncIterator[Writer]:
    """Have a writer at work that comes to an end because its disk is taken away."""
    writer = Writer(path)
    task = asyncio.create_task(asyncio.to_thread(writer.run))
    try:
        await writer.writes_on()
        yield writer
        done, _ = await asyncio.wait({task}, timeout=DEADLINE)
        assert done, "a write hangs"
        with pytest.raises(OSError, match=r"Input/output|No such device"):
            await task
    finally:
        writer.stop.set()


@pytest.mark.parametrize("fencing", ["off", "host"])
async def test_a_machine_moves_live_from_one_node_to_the_other(pair: Pair, fencing: str) -> None:
    pair.here.classes = parameters(fencing=fencing)
    await pair.here.create(capability=SHARED)
    path = await pair.here.bring(capability=SHARED)

    async with writing(path) as writer:
        await pair.stage_there(SHARED)
        target = await pair.there.publish(SHARED)
        third = await error_of(pair.here.attach(NAME, SHARED, "worker-3"))
        await writer.writes_on()
    handed_over = await pair.peer.call(newest, target)
    await pair.here.take()
    written = await pair.peer.call(fill, target)
    found = await pair.sum_there(target)
    await pair.leave_there()

    assert third[0] in {Status.FAILED_PRECONDITION, Status.NOT_FOUND}
    assert handed_over == writer.count - 1
    assert found == written
    assert await pair.there.left() == []


async def test_an_attachment_that_is_not_given_up_keeps_the_other_node_out(pair: Pair) -> None:
    await pair.here.create()
    await pair.here.bring()

    status, text = await error_of(pair.here.attach(node=PEER))

    assert status is Status.FAILED_PRECONDITION
    assert NODE in text
