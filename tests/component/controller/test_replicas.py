"""What two replicas, or a copy that fails half way, must not do to the data."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.core.errors import InUse, Unreachable
from libs.core.ids import NodeId, VolumeId
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault
from libs.mockrds.files import Pool
from libs.mockrds.testing import PASSWORD, RunningDevice, running_device
from libs.rdsclient.client import open_rds
from libs.rdsclient.config import RdsConfig
from protos.gen.csi import v1 as csi
from services.controller.adapters.memory import MemoryCluster
from services.controller.ports import Attachment, Grant
from services.controller.requests.snapshots import parse_snapshot
from services.controller.requests.volumes import parse_create
from services.controller.workflow.converge import Desk
from services.controller.workflow.volumes import Volumes
from tests.component.controller.rig import GIB, NAME, Mode, error_of, mount, open_rig
from tests.component.controller.test_attach import FENCED, NODES
from tests.component.controller.test_snapshots import OTHER, from_snapshot, from_volume, snapshot
from tests.unit.controller.values import SITES, create_request

VOLUME = VolumeId.parse(NAME)
BASES = (DevicePath.parse("/raid10/volumes"), DevicePath.parse("/btr/volumes"))


class OtherReplica(MemoryCluster):
    """A cluster in which another replica publishes the volume at the moment a copy is begun.

    The first `away` questions after that are not answered.
    """

    def __init__(self, device: RunningDevice) -> None:
        super().__init__()
        self._device = device
        self.away = 0

    async def of_volume(
        self, volume: VolumeId, asking: NodeId | None = None
    ) -> tuple[Attachment, ...]:
        if any("/file/copy" in line for line in self._device.lines):
            await self.record(VOLUME, NodeId.parse("worker-1"), Grant())
            if self.away:
                self.away -= 1
                raise Unreachable("the cluster is away")
        return await super().of_volume(volume, asking)


@contextlib.asynccontextmanager
async def open_volumes(away: int = 0) -> AsyncIterator[tuple[RunningDevice, Volumes]]:
    async with running_device(Device([Pool("raid10", 100 * GIB)])) as device:
        config = RdsConfig(
            device.host, device.port, host_key=device.host_key, password=Secret(PASSWORD)
        )
        async with open_rds(config) as rds:
            cluster = OtherReplica(device)
            cluster.away = away
            yield device, Volumes(Desk(rds, SITES.default), cluster, SITES.default)


async def test_a_snapshot_is_taken_back_when_a_node_got_the_volume_meanwhile() -> None:
    async with open_volumes() as (device, volumes):
        await volumes.create(parse_create(create_request(), SITES)[1])
        wanted = parse_snapshot(csi.CreateSnapshotRequest(name="s", source_volume_id=NAME))

        with pytest.raises(InUse, match="attached to worker-1 while a copy of it was begun"):
            await volumes.take_snapshot(wanted)

        assert len(device.state.files) == 1


@pytest.mark.parametrize("slow", [True, False])
async def test_a_clone_is_taken_back_when_a_node_got_its_source_meanwhile(*, slow: bool) -> None:
    async with open_volumes() as (device, volumes):
        await volumes.create(parse_create(create_request(), SITES)[1])
        device.state.slow_copies = slow
        wanted = parse_create(create_request(OTHER, source=from_volume()), SITES)[1]

        with pytest.raises(InUse, match="attached to worker-1 while a copy of it was begun"):
            await volumes.create(wanted)

        assert len(device.state.files) == 1
        assert device.slots == [NAME]


async def test_a_copy_that_could_not_be_checked_is_checked_by_the_retry() -> None:
    async with open_volumes(away=1) as (device, volumes):
        await volumes.create(parse_create(create_request(), SITES)[1])
        wanted = parse_snapshot(csi.CreateSnapshotRequest(name="s", source_volume_id=NAME))

        with pytest.raises(Unreachable):
            await volumes.take_snapshot(wanted)
        with pytest.raises(InUse, match="the copy was taken back"):
            await volumes.take_snapshot(wanted)

        assert len(device.state.files) == 1


async def test_a_restore_that_has_no_room_leaves_nothing(tmp_path: Path) -> None:
    async with open_rig(tmp_path, Device([Pool("raid10", 10 * GIB)])) as rig:
        await rig.create()
        await snapshot(rig)

        status, message = await error_of(
            rig.create(OTHER, required=9 * GIB, source=from_snapshot())
        )

        assert status is Status.RESOURCE_EXHAUSTED
        assert "raid10" in message
        assert rig.device.slots == [NAME]
        assert len(rig.device.state.files) == 2


async def test_a_restore_that_was_cut_off_and_has_no_room_now_is_finished_when_it_has(
    tmp_path: Path,
) -> None:
    async with open_rig(tmp_path, Device([Pool("raid10", 10 * GIB)])) as rig:
        await rig.create()
        await snapshot(rig)
        (pool,) = rig.device.state.pools
        rig.device.faults.add(Fault(Action.DROP_AFTER, "copy src"))
        await error_of(rig.create(OTHER, required=5 * GIB, source=from_snapshot()))

        pool.used = 6 * GIB
        full, message = await error_of(rig.create(OTHER, required=5 * GIB, source=from_snapshot()))
        pool.used = 0
        volume = await rig.create(OTHER, required=5 * GIB, source=from_snapshot())

        assert full is Status.UNAVAILABLE
        assert "half made and cannot be finished: pool raid10 has" in message
        assert volume.capacity_bytes == 5 * GIB


async def test_a_final_answer_to_a_wrong_retry_does_not_touch_the_volume(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.create()
        await snapshot(rig)
        await rig.create(OTHER, source=from_snapshot())

        status, _ = await error_of(rig.create(OTHER, required=7 * GIB, source=from_snapshot()))

        assert status is Status.ALREADY_EXISTS
        assert rig.device.slots == [OTHER, NAME]


async def test_what_somebody_copied_elsewhere_is_neither_used_nor_removed(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.create()
        await snapshot(rig)
        files = rig.device.state.files
        (name,) = [name for name in files if "/snap-" in name]
        backup = name.replace("raid10/volumes", "raid10/backup")
        files[backup] = 1

        restored = await rig.create(OTHER, source=from_snapshot())
        await rig.delete(OTHER)
        await rig.controller.delete_snapshot(csi.DeleteSnapshotRequest(snapshot_id="snap-nightly"))

        assert restored.capacity_bytes == GIB
        assert backup in files
        assert name not in files


async def test_readers_of_a_volume_that_is_not_fenced_leave_one_by_one(tmp_path: Path) -> None:
    reading = mount(Mode.MULTI_NODE_READER_ONLY)
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create(capability=reading)
        for node in ("a", "b", "c"):
            await rig.publish(node, capability=reading)

        for node in ("a", "b", "c"):
            await rig.unpublish(node)

        await rig.delete()
        assert rig.device.slots == []


async def test_a_volume_that_is_fenced_is_not_given_out_as_one_that_is_not(tmp_path: Path) -> None:
    async with open_rig(tmp_path, **NODES) as rig:
        await rig.create(parameters=FENCED)

        status, message = await error_of(rig.create())

        assert status is Status.ALREADY_EXISTS
        assert "it is fenced" in message


async def test_an_id_with_dots_is_not_a_volume_and_its_file_stays(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.create()
        await snapshot(rig)
        rig.device.state.slow_copies = True
        await error_of(rig.create(OTHER, source=from_snapshot()))
        (name,) = [name for name in rig.device.state.files if f"/{OTHER}" in name]

        await rig.delete(name.rpartition("/")[2].removesuffix(".img"))

        assert name in rig.device.state.files


async def test_thin_volumes_do_not_grow_beyond_what_may_be_promised(tmp_path: Path) -> None:
    device = Device([Pool("raid10", 10 * GIB)])
    async with open_rig(tmp_path, device, overcommit=2.0) as rig:
        await rig.create()

        status, message = await error_of(rig.expand(21 * GIB))

        assert status is Status.RESOURCE_EXHAUSTED
        assert "the overcommit is 2" in message


async def test_a_failed_creation_removes_nothing_that_it_did_not_make(tmp_path: Path) -> None:
    pools = [Pool("raid10", 100 * GIB), Pool("btr", 100 * GIB, "btrfs")]
    layout = {"layout": "subvolume", "volumePath": "/btr/volumes"}
    async with open_rig(tmp_path, Device(pools), volume_base_paths=BASES) as rig:
        await rig.create(parameters=layout)
        rig.device.state.disks.clear()

        again, message = await error_of(rig.create(parameters=layout))
        other, _ = await error_of(rig.create(source=from_snapshot("snap-none")))

        assert again is Status.FAILED_PRECONDITION
        assert "may hold data" in message
        assert other in (Status.NOT_FOUND, Status.FAILED_PRECONDITION)
        assert len(rig.device.state.files) == len(rig.device.state.subvolumes) == 1


async def test_a_restored_volume_that_somebody_switched_off_is_not_removed(tmp_path: Path) -> None:
    async with open_rig(tmp_path, Device([Pool("raid10", 10 * GIB)])) as rig:
        await rig.create()
        await snapshot(rig)
        await rig.create(OTHER, source=from_snapshot())
        disk = next(d for d in rig.device.state.disks if d.properties["slot"] == OTHER)
        disk.properties["nvme-tcp-export"] = False

        status, message = await error_of(
            rig.create(OTHER, required=200 * GIB, source=from_snapshot())
        )

        assert status is Status.UNAVAILABLE
        assert "half made" in message
        assert rig.device.slots == [OTHER, NAME]


async def test_the_copy_of_another_request_is_not_removed(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.create()
        await snapshot(rig, "one")
        await snapshot(rig, "two")
        rig.device.state.slow_copies = True
        copying, _ = await error_of(rig.create(OTHER, source=from_snapshot("snap-one")))

        status, _ = await error_of(rig.create(OTHER, source=from_snapshot("snap-two")))

        assert copying is Status.ABORTED
        assert status is Status.ALREADY_EXISTS
        assert len(rig.device.state.files) == 4


async def test_growing_at_the_same_time_does_not_promise_more_than_is_allowed(
    tmp_path: Path,
) -> None:
    names = [f"pvc-00000000-0000-0000-0000-{i:012}" for i in range(4)]
    async with open_rig(tmp_path, Device([Pool("raid10", 10 * GIB)]), overcommit=1.0) as rig:
        for name in names:
            await rig.create(name)

        await asyncio.gather(*(rig.expand(6 * GIB, n) for n in names), return_exceptions=True)

        assert sum(rig.device.state.files.values()) <= 10 * GIB


async def test_foreign_disks_and_backups_are_not_listed(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        await rig.create()
        await snapshot(rig)
        state = rig.device.state
        state.add_disk(
            {"type": "file", "slot": "pvc-00.backup", "file-path": "/raid10/x", "file-size": 4096}
        )
        (name,) = [name for name in state.files if "/snap-" in name]
        state.files[name.replace("volumes", "backup").replace("nightly", "other")] = GIB

        page = await rig.controller.list_volumes(csi.ListVolumesRequest(max_entries=1))
        listed = await rig.controller.list_snapshots(csi.ListSnapshotsRequest())

        assert [entry.volume.volume_id for entry in page.entries if entry.volume] == [NAME]
        assert page.next_token == ""
        assert [e.snapshot.snapshot_id for e in listed.entries if e.snapshot] == ["snap-nightly"]
