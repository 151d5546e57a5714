import asyncio
from pathlib import Path

from grpclib.const import Status

from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from protos.gen.csi import v1 as csi
from tests.component.controller.rig import (
    GIB,
    NAME,
    Mode,
    Rig,
    block,
    error_of,
    mount,
    open_rig,
)


async def test_a_created_volume_is_a_file_disk_of_the_size_that_was_asked_for(rig: Rig) -> None:
    volume = await rig.create(required=GIB + GIB // 2 + 1)

    (disk,) = rig.device.state.disks
    assert volume.volume_id == NAME == disk.properties["slot"]
    assert volume.capacity_bytes == disk.properties["file-size"] == GIB + GIB // 2 + 4096
    assert disk.properties["mount-filesystem"] is False
    assert disk.properties["nvme-tcp-export"] is True
    assert volume.volume_context == {
        "rdsAddress": "127.0.0.1",
        "nvmeAddress": "192.0.2.2",
        "nvmePort": "4420",
        "nqn": f"nqn.2000-02.com.mikrotik:{NAME}",
        "volumePath": f"/raid10/volumes/{NAME}.img",
        "ctrlLossTmo": "-1",
        "reconnectDelay": "5",
        "keepAliveTmo": "0",
        "migrationTimeoutSeconds": "300",
    }


async def test_creating_deleting_and_publishing_cost_one_round_trip_each(rig: Rig) -> None:
    await rig.create("vol-to-get-the-release-read")
    costs = []
    for call in (rig.create(), rig.publish("worker-1"), rig.unpublish("worker-1"), rig.delete()):
        before = len(rig.device.lines)
        await call
        costs.append(len(rig.device.lines) - before)

    assert costs == [1, 1, 0, 1]


async def test_the_same_creation_twice_answers_the_same_and_makes_one_volume(rig: Rig) -> None:
    first, second = await rig.create(), await rig.create()

    assert first == second
    assert rig.device.slots == [NAME]


async def test_twenty_creations_of_one_name_at_once_make_one_volume(rig: Rig) -> None:
    answers = await asyncio.gather(*(rig.create() for _ in range(20)), return_exceptions=True)

    codes = {getattr(answer, "status", Status.OK) for answer in answers}
    assert codes <= {Status.OK, Status.ABORTED}
    assert Status.OK in codes
    assert rig.device.slots == [NAME]


async def test_fifty_volumes_at_once_do_not_wait_for_one_another(rig: Rig) -> None:
    names = [f"many-{i}" for i in range(50)]

    volumes = await asyncio.gather(*(rig.create(name) for name in names))

    assert sorted(volume.volume_id for volume in volumes) == rig.device.slots
    assert len(rig.device.slots) == 50


async def test_another_size_or_path_under_the_same_name_already_exists(rig: Rig) -> None:
    await rig.create()

    larger = await error_of(rig.create(required=2 * GIB))
    elsewhere = await error_of(rig.create(parameters={"volumePath": "/raid10/other"}))

    assert larger[0] is elsewhere[0] is Status.ALREADY_EXISTS
    assert "its size is 1073741824 bytes" in larger[1]
    assert "its backing file is /raid10/volumes" in elsewhere[1]


async def test_a_deletion_leaves_neither_item_nor_file_and_can_be_repeated(rig: Rig) -> None:
    await rig.create()

    await rig.delete()
    await rig.delete()

    assert rig.device.slots == []
    assert rig.device.state.files == {}


async def test_a_volume_in_another_directory_is_deleted_as_well(rig: Rig) -> None:
    await rig.create(parameters={"volumePath": "/raid10/other"})

    await rig.delete()

    assert rig.device.state.files == {}


async def test_a_half_done_deletion_of_an_earlier_life_is_finished(rig: Rig) -> None:
    rig.device.state.files[f"raid10/other/{NAME}.img"] = GIB

    await rig.delete()

    assert rig.device.state.files == {}


async def test_a_left_over_file_is_not_given_out_as_a_new_volume(rig: Rig) -> None:
    rig.device.state.files[f"raid10/volumes/{NAME}.img"] = GIB

    status, message = await error_of(rig.create())

    assert status is Status.FAILED_PRECONDITION
    assert "may hold data" in message
    assert rig.device.slots == []


async def test_a_file_that_another_disk_uses_stays(rig: Rig) -> None:
    await rig.create()
    (disk,) = rig.device.state.disks
    disk.properties["slot"] = "renamed-by-hand"

    status, message = await error_of(rig.delete())

    assert status is Status.FAILED_PRECONDITION
    assert "used by the disk in slot renamed-by-hand" in message
    assert list(rig.device.state.files) == [f"raid10/volumes/{NAME}.img"]


async def test_somebody_elses_disk_can_be_neither_deleted_nor_published_nor_listed(
    rig: Rig,
) -> None:
    await rig.create()
    (disk,) = rig.device.state.disks
    disk.properties["slot"] = "vm-storage-001"

    await rig.delete("vm-storage-001")
    status, _ = await error_of(rig.publish("worker-1", "vm-storage-001"))
    listed = await rig.controller.list_volumes(csi.ListVolumesRequest())

    assert rig.device.slots == ["vm-storage-001"]
    assert status is Status.NOT_FOUND
    assert listed.entries == []


async def test_a_full_pool_is_exhausted_and_nothing_is_left_behind(tmp_path: Path) -> None:
    async with open_rig(tmp_path, Device([Pool("raid10", 10 * GIB)])) as rig:
        await rig.create("fits", required=6 * GIB)

        status, message = await error_of(rig.create(required=6 * GIB))

        assert status is Status.RESOURCE_EXHAUSTED
        assert "pool raid10 has 4 GiB free" in message
        assert rig.device.slots == ["vol-fits"]
        assert len(rig.device.state.files) == 1


async def test_a_pool_that_is_not_mounted_yet_is_worth_another_try(rig: Rig) -> None:
    rig.device.state.pools[0].mounted = False

    status, message = await error_of(rig.create())

    assert status is Status.UNAVAILABLE
    assert message == "pool raid10 is not mounted on the device"


async def test_a_volume_grows_online_and_never_shrinks(rig: Rig) -> None:
    await rig.create()

    grown = await rig.expand(3 * GIB)
    kept = await rig.expand(GIB)

    assert (grown.capacity_bytes, grown.node_expansion_required) == (3 * GIB, True)
    assert kept.capacity_bytes == 3 * GIB
    assert rig.device.state.files == {f"raid10/volumes/{NAME}.img": 3 * GIB}


async def test_publishing_hands_the_node_what_it_needs_to_connect(rig: Rig) -> None:
    await rig.create(parameters={"nvmePort": "4421"})

    context = await rig.publish("worker-1", capability=mount(fs_type="xfs"))

    assert context == {
        "nvme_address": "192.0.2.2",
        "nvme_port": "4421",
        "nvme_nqn": f"nqn.2000-02.com.mikrotik:{NAME}",
        "fs_type": "xfs",
        "size_bytes": str(GIB),
    }


async def test_a_volume_is_published_to_one_node_at_a_time(rig: Rig) -> None:
    await rig.create()
    await rig.publish("worker-1")
    await rig.publish("worker-1")

    conflict = await error_of(rig.publish("worker-2"))
    undeletable = await error_of(rig.delete())
    await rig.unpublish("worker-1")
    await rig.publish("worker-2")

    assert conflict[0] is undeletable[0] is Status.FAILED_PRECONDITION
    assert "worker-1" in conflict[1]
    assert "worker-1" in undeletable[1]


async def test_a_raw_block_volume_may_be_on_two_nodes_and_not_on_three(rig: Rig) -> None:
    shared = block(Mode.MULTI_NODE_MULTI_WRITER)
    await rig.create(capability=shared)
    await rig.publish("worker-1", capability=shared)
    await rig.publish("worker-2", capability=shared)

    status, _ = await error_of(rig.publish("worker-3", capability=shared))

    assert status is Status.FAILED_PRECONDITION


async def test_unpublishing_needs_neither_volume_nor_device_and_without_a_node_takes_all(
    rig: Rig,
) -> None:
    await rig.create()
    await rig.publish("worker-1")
    rig.device.mock.away = True
    rig.device.mock.drop_connections()

    await rig.unpublish("worker-9", "pvc-gone")
    await rig.unpublish("")

    rig.device.mock.away = False
