"""Copies that outlive the controller that began them, and claims that are made meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.const import Status

from libs.core.errors import Busy, InUse
from libs.core.ids import NodeId, VolumeId
from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault
from libs.mockrds.files import Pool
from libs.mockrds.testing import PASSWORD, RunningDevice, running_device
from libs.rdsclient.client import open_rds
from libs.rdsclient.config import RdsConfig
from protos.gen.csi import v1 as csi
from services.controller.adapters.memory import MemoryCluster
from services.controller.plan.steps import Terms
from services.controller.ports import Attachment
from services.controller.requests.snapshots import parse_snapshot
from services.controller.requests.volumes import parse_create
from services.controller.workflow.converge import Desk
from services.controller.workflow.volumes import Volumes
from tests.component.controller.rig import GIB, NAME, Rig, error_of
from tests.component.controller.test_snapshots import (
    OTHER,
    delete_snapshot,
    from_snapshot,
    from_volume,
    open_pools,
    snapshot,
    where,
)
from tests.unit.controller.values import SITES, claim, create_request
from tests.waiting import until

WANTED = parse_snapshot(csi.CreateSnapshotRequest(name="s", source_volume_id=NAME))
CLONE = parse_create(create_request(OTHER, source=from_volume()), SITES)[1]


class Claims(MemoryCluster):
    """A cluster that has these claims to every volume, whatever was published."""

    def __init__(self) -> None:
        super().__init__()
        self.held: tuple[Attachment, ...] = ()

    async def of_volume(
        self,
        volume: VolumeId,  # noqa: ARG002 (there is one)
        asking: NodeId | None = None,  # noqa: ARG002 (nothing else is known)
    ) -> tuple[Attachment, ...]:
        return self.held


@contextlib.asynccontextmanager
async def open_replicas() -> AsyncIterator[tuple[RunningDevice, Claims, Callable[..., Volumes]]]:
    """Open a device with a volume that is copied slowly, and what starts controllers for it."""
    async with running_device(Device([Pool("raid10", 100 * GIB)])) as device:
        config = RdsConfig(
            device.host, device.port, host_key=device.host_key, password=Secret(PASSWORD)
        )
        async with open_rds(config) as rds:
            cluster = Claims()

            def start(desk: type[Desk] = Desk) -> Volumes:
                return Volumes(desk(rds, SITES.default), cluster, SITES.default)

            await start().create(parse_create(create_request(), SITES)[1])
            device.state.slow_copies = True
            yield device, cluster, start


@pytest.mark.parametrize("since", [-3 * 3600.0, 3 * 3600.0])
async def test_a_snapshot_that_was_given_out_outlives_the_controller_while_a_pod_waits(
    since: float,
) -> None:
    async with open_replicas() as (device, cluster, start):
        first = await start().take_snapshot(WANTED)
        files = list(device.state.files)
        cluster.held = (claim("worker-1", attached=False, since=first.made + since),)
        two = start()

        for _ in range(2):
            with pytest.raises(Busy, match="worker-1 waits for volume"):
                await two.take_snapshot(WANTED)
        device.state.finish_copies()
        last = await two.take_snapshot(WANTED)

        assert (first.ready, last.ready) == (False, True)
        assert first.made == last.made
        assert list(device.state.files) == files


async def test_a_snapshot_that_nobody_waits_for_is_told_of_while_it_is_made() -> None:
    async with open_replicas() as (_, cluster, start):
        first = await start().take_snapshot(WANTED)
        two = start()
        cluster.held = (claim("reader", read_only=True),)
        second = await two.take_snapshot(WANTED)
        cluster.held = (claim("worker-1", attached=False),)

        assert first == second == await two.take_snapshot(WANTED)


async def test_a_copy_whose_volume_turns_out_to_be_attached_is_taken_back() -> None:
    async with open_replicas() as (device, cluster, start):
        await start().take_snapshot(WANTED)
        cluster.held = (claim("worker-1", attached=False),)
        two = start()
        with pytest.raises(Busy):
            await two.take_snapshot(WANTED)
        cluster.held = (claim("worker-1"),)

        with pytest.raises(InUse, match="attached to worker-1 while a copy of it was begun"):
            await two.take_snapshot(WANTED)

        assert len(device.state.files) == 1


async def test_a_clone_goes_on_after_a_restart_while_a_pod_waits_for_its_source() -> None:
    async with open_replicas() as (device, cluster, start):
        with pytest.raises(Busy):
            await start().create(CLONE)
        cluster.held = (claim("worker-1", attached=False),)
        two = start()

        with pytest.raises(Busy, match="is being copied from volume"):
            await two.create(CLONE)
        device.state.finish_copies()
        await two.create(CLONE)

        assert device.slots == [OTHER, NAME]


@pytest.fixture
async def pools(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_pools(tmp_path) as rig:
        yield rig


async def test_a_subvolume_without_its_disk_is_finished_although_its_snapshot_is_gone(
    pools: Rig,
) -> None:
    layout, state = where("subvolume"), pools.device.state
    await pools.create(parameters=layout)
    await snapshot(pools)
    await pools.create(OTHER, parameters=layout, source=from_snapshot())
    # The device stopped between the subvolume and the disk, and the answer was lost.
    state.disks[:] = [disk for disk in state.disks if disk.properties["slot"] != OTHER]
    before = [sub.fullname for sub in state.subvolumes if OTHER in sub.fullname]
    await delete_snapshot(pools)

    volume = await pools.create(OTHER, required=2 * GIB, parameters=layout, source=from_snapshot())

    assert volume.capacity_bytes == 2 * GIB
    assert [sub.fullname for sub in state.subvolumes if OTHER in sub.fullname] == before
    assert pools.device.slots == [OTHER, NAME]


def take_nqn(rig: Rig, name: str) -> None:
    """Have a disk that is not the driver's use the NQN of a volume."""
    rig.device.state.add_disk(
        {
            "type": "file",
            "slot": "foreign",
            "file-path": "/raid10/foreign.img",
            "file-size": GIB,
            "nvme-tcp-server-nqn": f"nqn.2000-02.com.mikrotik:{name}",
        }
    )


@pytest.mark.parametrize("layout", ["file", "subvolume"])
@pytest.mark.parametrize("source", [None, from_volume(), from_snapshot()])
async def test_a_volume_whose_nqn_is_taken_leaves_nothing(
    pools: Rig, layout: str, source: csi.VolumeContentSource | None
) -> None:
    state = pools.device.state
    await pools.create(parameters=where(layout))
    await snapshot(pools)
    take_nqn(pools, OTHER)
    before = sorted(state.files), [sub.fullname for sub in state.subvolumes]

    status, message = await error_of(pools.create(OTHER, parameters=where(layout), source=source))

    assert status is Status.ALREADY_EXISTS
    assert "has such an entry already" in message
    assert (sorted(state.files), [sub.fullname for sub in state.subvolumes]) == before


async def test_what_an_earlier_call_began_is_not_removed_when_the_nqn_is_taken(pools: Rig) -> None:
    layout, state = where("subvolume"), pools.device.state
    await pools.create(parameters=layout)
    await pools.create(OTHER, parameters=layout, source=from_volume())
    state.disks[:] = [disk for disk in state.disks if disk.properties["slot"] != OTHER]
    take_nqn(pools, OTHER)
    before = dict(state.files)

    status, message = await error_of(pools.create(OTHER, parameters=layout, source=from_volume()))

    assert status is Status.UNAVAILABLE
    assert f"volume {OTHER} is half made and cannot be finished" in message
    assert state.files == before


async def test_an_empty_subvolume_that_another_call_made_is_used_and_not_removed(
    pools: Rig,
) -> None:
    layout, state = where("subvolume"), pools.device.state
    state.add_subvolume("btr", f"volumes/{NAME}", "", read_only=False)
    take_nqn(pools, NAME)

    refused, _ = await error_of(pools.create(parameters=layout))
    left = [sub.fullname for sub in state.subvolumes]
    state.disks.clear()
    await pools.create(parameters=layout)

    assert refused is Status.ALREADY_EXISTS
    assert left == [sub.fullname for sub in state.subvolumes] == [f"volumes/{NAME}"]


class OtherReplica(Desk):
    """Sees nothing; then another replica begins a copy, at the moment what to do is planned."""

    begin: Callable[[], None]
    plans = 0

    def terms(self) -> Terms:
        self.plans += 1
        if self.plans == 2:  # the first one is made before anything is seen
            OtherReplica.begin()
        return super().terms()


async def test_a_snapshot_that_another_replica_begins_to_copy_is_not_removed() -> None:
    async with open_replicas() as (device, _, start):
        await start().take_snapshot(WANTED)
        device.state.finish_copies()
        begun = f"raid10/volumes/{OTHER}.1-{GIB:x}.of.snap-s.img"
        OtherReplica.begin = lambda: device.state.files.update({begun: GIB // 2})

        with pytest.raises(InUse, match=f"is being copied to {OTHER}"):
            await start(OtherReplica).delete_snapshot(WANTED.snapshot)

        assert len(device.state.files) == 3


async def test_a_snapshot_is_not_removed_while_volumes_are_made_of_it(pools: Rig) -> None:
    device, third = pools.device, "pvc-00000000-0000-0000-0000-000000000003"
    await pools.create()
    await snapshot(pools)
    device.faults.add(Fault(Action.HANG, "/file/copy", count=2))
    making = [
        asyncio.create_task(pools.create(name, source=from_snapshot())) for name in (OTHER, third)
    ]
    await until(
        lambda: sum("/file/copy" in line for line in device.lines) > 2, "both copies were begun"
    )

    status, message = await error_of(delete_snapshot(pools))
    await device.restart()  # the answers are not waited for any longer
    await asyncio.wait(making)
    for task in making:
        assert isinstance(task.exception(), GRPCError)

    assert status is Status.ABORTED
    assert message == "an operation on volume snap-nightly is in progress"
    assert any("/snap-nightly." in name for name in device.state.files)
