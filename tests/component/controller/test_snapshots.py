"""Snapshots and clones, on a pool with Btrfs and on one without, through failures."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from grpclib.const import Status

from libs.core.paths import DevicePath
from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault
from libs.mockrds.files import Pool
from protos.gen.csi import v1 as csi
from tests.component.controller.rig import GIB, NAME, Rig, error_of, open_rig

OTHER = "pvc-00000000-0000-0000-0000-000000000002"
LAYOUTS = {"file": "/raid10/volumes", "subvolume": "/btr/volumes"}


@contextlib.asynccontextmanager
async def open_pools(path: Path, version: str = "7.24.4", **changes: object) -> AsyncIterator[Rig]:
    device = Device([Pool("raid10", 100 * GIB), Pool("btr", 100 * GIB, "btrfs")], version=version)
    bases = tuple(map(DevicePath.parse, LAYOUTS.values()))
    async with open_rig(path, device, volume_base_paths=bases, **changes) as rig:
        yield rig


@pytest.fixture
async def pools(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_pools(tmp_path) as rig:
        yield rig


def where(layout: str) -> dict[str, str]:
    return {"layout": layout, "volumePath": LAYOUTS[layout]}


async def snapshot(rig: Rig, name: str = "nightly", volume: str = NAME) -> csi.Snapshot:
    answer = await rig.controller.create_snapshot(
        csi.CreateSnapshotRequest(name=name, source_volume_id=volume)
    )
    assert answer.snapshot is not None
    return answer.snapshot


async def delete_snapshot(rig: Rig, snapshot_id: str = "snap-nightly") -> None:
    await rig.controller.delete_snapshot(csi.DeleteSnapshotRequest(snapshot_id=snapshot_id))


def from_snapshot(snapshot_id: str = "snap-nightly") -> csi.VolumeContentSource:
    return csi.VolumeContentSource(
        snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id=snapshot_id)
    )


def from_volume(volume: str = NAME) -> csi.VolumeContentSource:
    return csi.VolumeContentSource(volume=csi.VolumeContentSourceVolumeSource(volume_id=volume))


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_snapshot_outlives_its_volume_and_becomes_a_volume_again(
    pools: Rig, layout: str
) -> None:
    await pools.create(parameters=where(layout))

    taken = await snapshot(pools)
    await pools.delete()
    restored = await pools.create(
        OTHER, required=2 * GIB, parameters=where(layout), source=from_snapshot()
    )
    again = await pools.create(
        OTHER, required=2 * GIB, parameters=where(layout), source=from_snapshot()
    )
    await delete_snapshot(pools)
    await delete_snapshot(pools)

    assert (taken.snapshot_id, taken.source_volume_id) == ("snap-nightly", NAME)
    assert (taken.size_bytes, taken.ready_to_use) == (GIB, True)
    assert restored == again
    assert restored.capacity_bytes == 2 * GIB
    assert restored.content_source == from_snapshot()
    assert pools.device.slots == [OTHER]
    assert len(pools.device.state.files) == 1


async def test_a_copy_that_the_console_gave_up_waiting_for_goes_on(pools: Rig) -> None:
    await pools.create()
    pools.device.state.slow_copies = True
    text = "action timed out - try again, if error continues (13)"
    pools.device.faults.add(Fault(Action.GARBAGE, "/file/copy", text=text))

    status, _ = await error_of(pools.create(OTHER, source=from_volume()))
    under_way = list(pools.device.state.copying)
    pools.device.state.finish_copies()
    await pools.create(OTHER, source=from_volume())

    assert status is Status.UNAVAILABLE
    assert len(under_way) == 1
    assert pools.device.slots == [OTHER, NAME]


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_nothing_is_left_when_all_has_been_deleted(pools: Rig, layout: str) -> None:
    await pools.create(parameters=where(layout))
    await snapshot(pools)
    await pools.create(OTHER, parameters=where(layout), source=from_volume())

    await pools.delete(OTHER)
    await delete_snapshot(pools)
    await pools.delete()

    state = pools.device.state
    assert (state.disks, state.files, state.subvolumes) == ([], {}, [])


async def test_a_subvolume_snapshot_takes_no_room_and_no_detach(pools: Rig) -> None:
    await pools.create(parameters=where("subvolume"))
    await pools.publish("worker-1")
    (pool,) = [pool for pool in pools.device.state.pools if pool.mount_point == "btr"]
    before = pools.device.state.free(pool)

    taken = await snapshot(pools)

    assert taken.ready_to_use is True
    assert pools.device.state.free(pool) == before


async def test_an_attached_file_is_not_copied_and_says_what_to_do(pools: Rig) -> None:
    await pools.create()
    await pools.publish("worker-1")

    status, message = await error_of(snapshot(pools))
    cloning, _ = await error_of(pools.create(OTHER, source=from_volume()))

    assert status is cloning is Status.FAILED_PRECONDITION
    assert "attached to worker-1" in message
    assert "--copy-attached" in message


async def test_a_snapshot_is_ready_when_the_copy_is_complete(pools: Rig) -> None:
    await pools.create()
    pools.device.state.slow_copies = True

    early = await snapshot(pools)
    attaching, words = await error_of(pools.publish("worker-1"))
    deleting, _ = await error_of(pools.delete())
    growing, _ = await error_of(pools.expand(2 * GIB))
    restoring, _ = await error_of(pools.create(OTHER, source=from_snapshot()))
    pools.device.state.finish_copies()
    late = await snapshot(pools)
    await pools.publish("worker-1")

    assert (early.ready_to_use, late.ready_to_use) == (False, True)
    assert early.creation_time == late.creation_time
    assert attaching is deleting is growing is Status.FAILED_PRECONDITION
    assert restoring is Status.ABORTED
    assert "being copied" in words


async def test_a_volume_that_is_being_copied_is_offered_when_all_of_it_is_there(
    pools: Rig,
) -> None:
    await pools.create()
    await snapshot(pools)
    pools.device.state.slow_copies = True

    status, message = await error_of(pools.create(OTHER, source=from_snapshot()))
    slots = pools.device.slots
    pools.device.state.finish_copies()
    await pools.create(OTHER, source=from_snapshot())

    assert status is Status.ABORTED
    assert "512 MiB of 1 GiB done" in message
    assert slots == [NAME]
    assert pools.device.slots == [OTHER, NAME]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("action", [Action.DROP_AFTER, Action.DROP_BEFORE])
async def test_a_lost_answer_leaves_one_snapshot_and_one_clone(
    pools: Rig, layout: str, action: Action
) -> None:
    await pools.create(parameters=where(layout))
    pools.device.faults.add(Fault(action, "copy src" if layout == "file" else "read-only=yes"))
    taking, _ = await error_of(snapshot(pools))
    taken = await snapshot(pools)
    pools.device.faults.add(Fault(action, "copy src" if layout == "file" else "parent="))
    cloning, _ = await error_of(
        pools.create(OTHER, parameters=where(layout), source=from_snapshot())
    )
    await pools.create(OTHER, parameters=where(layout), source=from_snapshot())

    listed = await pools.controller.list_snapshots(csi.ListSnapshotsRequest())

    assert taking is cloning is Status.UNAVAILABLE
    assert [entry.snapshot for entry in listed.entries] == [taken]
    assert len(pools.device.state.files) == 3
    assert pools.device.slots == [OTHER, NAME]


async def test_a_release_without_copies_says_what_it_lacks(tmp_path: Path) -> None:
    async with open_pools(tmp_path, version="7.22 (stable)") as rig:
        await rig.create()

        status, message = await error_of(snapshot(rig))

        assert status is Status.FAILED_PRECONDITION
        assert "7.23" in message


async def test_copies_can_be_switched_off_where_a_device_does_them_badly(tmp_path: Path) -> None:
    async with open_pools(tmp_path, file_copies=False) as rig:
        await rig.create()
        await rig.create(OTHER, parameters=where("subvolume"))

        taking, message = await error_of(snapshot(rig))
        cloning, _ = await error_of(rig.create("c", source=from_volume()))
        other = await snapshot(rig, "fine", OTHER)

        assert taking is cloning is Status.FAILED_PRECONDITION
        assert "--file-copies=false" in message
        assert other.ready_to_use is True


async def test_a_pool_without_btrfs_says_so_when_a_subvolume_is_asked_for(pools: Rig) -> None:
    wanted = {"layout": "subvolume", "volumePath": LAYOUTS["file"]}

    status, message = await error_of(pools.create(parameters=wanted))

    assert status is Status.FAILED_PRECONDITION
    assert "pool raid10 is xfs" in message


async def test_snapshots_are_listed_by_page_volume_and_id(pools: Rig) -> None:
    await pools.create(parameters=where("subvolume"))
    await pools.create(OTHER)
    for i in range(3):
        await snapshot(pools, f"s{i}")
    await snapshot(pools, "of-other", OTHER)

    async def ids(**query: object) -> list[str]:
        answer = await pools.controller.list_snapshots(csi.ListSnapshotsRequest(**query))  # type: ignore[arg-type] # fields by name
        return [entry.snapshot.snapshot_id for entry in answer.entries if entry.snapshot]

    first = await pools.controller.list_snapshots(csi.ListSnapshotsRequest(max_entries=2))

    assert len(first.entries) == 2
    assert await ids(starting_token=first.next_token) == ["snap-s1", "snap-s2"]
    assert await ids(source_volume_id=OTHER) == ["snap-of-other"]
    assert await ids(snapshot_id="snap-s1") == ["snap-s1"]
    assert await ids(snapshot_id="snap-none") == []
    assert await ids(source_volume_id='what"ever') == []


async def test_one_snapshot_can_be_read_and_a_missing_one_cannot(pools: Rig) -> None:
    await pools.create()
    taken = await snapshot(pools)

    found = await pools.controller.get_snapshot(csi.GetSnapshotRequest(snapshot_id="snap-nightly"))
    missing, _ = await error_of(
        pools.controller.get_snapshot(csi.GetSnapshotRequest(snapshot_id="snap-none"))
    )

    assert found.snapshot == taken
    assert missing is Status.NOT_FOUND


async def test_nothing_that_belongs_to_a_snapshot_is_ever_exported(pools: Rig) -> None:
    await pools.create(parameters=where("subvolume"))
    await pools.create(OTHER)

    await snapshot(pools, "a")
    await snapshot(pools, "b", OTHER)

    assert pools.device.slots == [OTHER, NAME]
