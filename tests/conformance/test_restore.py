"""Volumes that are made of snapshots."""

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import outcome_of, status_of
from tests.conformance.lab import Lab, fresh, from_snapshot
from tests.conformance.needs import Rpc, needs
from tests.conformance.paging import listed_snapshots

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.CREATE_DELETE_SNAPSHOT)


async def snapshot_of(lab: Lab, required: int | None = None) -> csi.Snapshot:
    volume = await lab.create_volume(required=required)
    return await lab.ready_snapshot(volume.volume_id)


async def test_a_restore_without_a_snapshot_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.create_volume(source=from_snapshot("")))

    assert status is Status.INVALID_ARGUMENT


async def test_a_content_source_of_no_kind_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.create_volume(source=csi.VolumeContentSource()))

    assert status is Status.INVALID_ARGUMENT


async def test_a_restore_of_an_unknown_snapshot_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.create_volume(source=from_snapshot(fresh("snapshot"))))

    assert status is Status.NOT_FOUND


async def test_a_restore_of_a_deleted_snapshot_is_not_found(lab: Lab) -> None:
    snapshot = await snapshot_of(lab)
    await lab.delete_snapshot(snapshot.snapshot_id)

    status = await status_of(lab.create_volume(source=from_snapshot(snapshot.snapshot_id)))

    assert status is Status.NOT_FOUND


async def test_a_restored_volume_is_another_than_its_origin(lab: Lab) -> None:
    snapshot = await snapshot_of(lab)

    volume = await lab.create_volume(source=from_snapshot(snapshot.snapshot_id))

    assert volume.volume_id not in {"", snapshot.source_volume_id, snapshot.snapshot_id}


async def test_a_restored_volume_names_its_snapshot(lab: Lab) -> None:
    source = from_snapshot((await snapshot_of(lab)).snapshot_id)

    volume = await lab.create_volume(source=source)

    # The field may be left out.
    assert volume.content_source is None or volume.content_source == source


async def test_a_restored_volume_is_at_least_as_large_as_its_snapshot(lab: Lab) -> None:
    snapshot = await snapshot_of(lab)

    volume = await lab.create_volume(
        required=snapshot.size_bytes, source=from_snapshot(snapshot.snapshot_id)
    )

    assert volume.capacity_bytes == 0 or volume.capacity_bytes >= snapshot.size_bytes


async def test_a_restore_without_a_capacity_range_holds_the_snapshot(lab: Lab) -> None:
    snapshot = await snapshot_of(lab, 2 * lab.size)

    volume = await lab.create_volume(without_range=True, source=from_snapshot(snapshot.snapshot_id))

    assert volume.capacity_bytes == 0 or volume.capacity_bytes >= snapshot.size_bytes


async def test_a_restore_that_is_larger_than_its_snapshot_is_made_or_out_of_range(
    lab: Lab,
) -> None:
    snapshot = await snapshot_of(lab)

    status, volume = await outcome_of(
        lab.create_volume(required=2 * lab.size, source=from_snapshot(snapshot.snapshot_id))
    )

    # Whether a volume can be larger than what it is made of is the plugin's affair.
    assert status in {Status.OK, Status.OUT_OF_RANGE}
    assert volume is None or volume.capacity_bytes == 0 or volume.capacity_bytes >= 2 * lab.size


async def test_a_limit_below_the_size_of_the_snapshot_is_out_of_range(lab: Lab) -> None:
    snapshot = await snapshot_of(lab, 2 * lab.size)
    if snapshot.size_bytes <= lab.size:
        pytest.skip("the snapshot takes no more than the smaller volume offers")

    status = await status_of(
        lab.create_volume(
            required=lab.size, limit=lab.size, source=from_snapshot(snapshot.snapshot_id)
        )
    )

    assert status is Status.OUT_OF_RANGE


async def test_a_restore_done_twice_makes_one_volume(lab: Lab) -> None:
    source = from_snapshot((await snapshot_of(lab)).snapshot_id)
    name = fresh()
    first = await lab.create_volume(name, source=source)

    second = await lab.create_volume(name, source=source)

    assert second.volume_id == first.volume_id


async def test_one_snapshot_makes_two_volumes(lab: Lab) -> None:
    source = from_snapshot((await snapshot_of(lab)).snapshot_id)
    first = await lab.create_volume(source=source)

    second = await lab.create_volume(source=source)

    assert second.volume_id != first.volume_id


async def test_a_restore_under_the_name_of_an_empty_volume_already_exists(lab: Lab) -> None:
    source = from_snapshot((await snapshot_of(lab)).snapshot_id)
    name = fresh()
    await lab.create_volume(name)

    status = await status_of(lab.create_volume(name, source=source))

    assert status is Status.ALREADY_EXISTS


async def test_an_empty_volume_under_the_name_of_a_restored_one_already_exists(lab: Lab) -> None:
    source = from_snapshot((await snapshot_of(lab)).snapshot_id)
    name = fresh()
    await lab.create_volume(name, source=source)

    status = await status_of(lab.create_volume(name))

    assert status is Status.ALREADY_EXISTS


async def test_a_restore_of_another_snapshot_under_the_same_name_already_exists(lab: Lab) -> None:
    first, second = await snapshot_of(lab), await snapshot_of(lab)
    name = fresh()
    await lab.create_volume(name, source=from_snapshot(first.snapshot_id))

    status = await status_of(lab.create_volume(name, source=from_snapshot(second.snapshot_id)))

    assert status is Status.ALREADY_EXISTS


async def test_a_volume_with_snapshots_is_deleted_or_said_to_have_them(lab: Lab) -> None:
    snapshot = await snapshot_of(lab)

    status = await status_of(lab.delete_volume(snapshot.source_volume_id))

    # Whether snapshots live on without their volume is the plugin's affair.
    assert status in {Status.OK, Status.FAILED_PRECONDITION}


async def test_a_snapshot_can_be_restored_whatever_became_of_the_deletion_of_its_volume(
    lab: Lab,
) -> None:
    snapshot = await snapshot_of(lab)
    await status_of(lab.delete_volume(snapshot.source_volume_id))

    volume = await lab.create_volume(source=from_snapshot(snapshot.snapshot_id))

    assert volume.volume_id


@needs(Rpc.LIST_SNAPSHOTS)
async def test_a_snapshot_is_listed_whatever_became_of_the_deletion_of_its_volume(
    lab: Lab,
) -> None:
    snapshot = await snapshot_of(lab)
    await status_of(lab.delete_volume(snapshot.source_volume_id))

    listed = await listed_snapshots(lab, source_volume_id=snapshot.source_volume_id)

    assert set(listed) == {snapshot.snapshot_id}


async def test_a_restored_volume_can_have_a_snapshot_of_its_own(lab: Lab) -> None:
    source = from_snapshot((await snapshot_of(lab)).snapshot_id)
    volume = await lab.create_volume(source=source)

    snapshot = await lab.create_snapshot(volume.volume_id)

    assert snapshot.source_volume_id == volume.volume_id


async def test_deleting_a_restored_volume_leaves_its_snapshot(lab: Lab) -> None:
    source = from_snapshot((await snapshot_of(lab)).snapshot_id)
    volume = await lab.create_volume(source=source)

    await lab.delete_volume(volume.volume_id)

    again = await lab.create_volume(source=source)
    assert again.volume_id
