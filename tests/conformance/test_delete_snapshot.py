import asyncio

import pytest
from grpclib.const import Status

from tests.conformance.calls import status_of
from tests.conformance.lab import Lab, fresh, from_snapshot
from tests.conformance.needs import Rpc, needs
from tests.conformance.paging import listed_snapshots
from tests.conformance.texts import ODD_IDS

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.CREATE_DELETE_SNAPSHOT)


async def test_delete_snapshot_without_an_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.delete_snapshot(""))

    assert status is Status.INVALID_ARGUMENT


async def test_deleting_a_snapshot_that_never_was_is_done_already(lab: Lab) -> None:
    status = await status_of(lab.delete_snapshot(fresh("snapshot")))

    assert status is Status.OK


@pytest.mark.parametrize("snapshot_id", ODD_IDS)
async def test_deleting_by_an_id_that_nothing_could_have_harms_nothing(
    lab: Lab, snapshot_id: str
) -> None:
    status = await status_of(lab.delete_snapshot(snapshot_id))

    # Nothing has the ID, so all is done; or the text is no ID of this plugin at all.
    assert status in {Status.OK, Status.INVALID_ARGUMENT}


async def test_a_snapshot_can_be_deleted_twice(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.create_snapshot(volume.volume_id)
    await lab.delete_snapshot(snapshot.snapshot_id)

    status = await status_of(lab.delete_snapshot(snapshot.snapshot_id))

    assert status is Status.OK


async def test_five_deletions_of_one_snapshot_at_once_all_end_well(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.create_snapshot(volume.volume_id)

    statuses = await asyncio.gather(
        *(status_of(lab.delete_snapshot(snapshot.snapshot_id)) for _ in range(5))
    )

    # A plugin that is busy with the snapshot already may send the caller away for a moment.
    assert set(statuses) <= {Status.OK, Status.ABORTED}
    assert Status.OK in statuses


@needs(Rpc.LIST_SNAPSHOTS)
async def test_a_deleted_snapshot_is_no_longer_listed(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.create_snapshot(volume.volume_id)

    await lab.delete_snapshot(snapshot.snapshot_id)

    assert snapshot.snapshot_id not in await listed_snapshots(lab)


@needs(Rpc.LIST_SNAPSHOTS)
async def test_deleting_one_snapshot_leaves_the_others(lab: Lab) -> None:
    volume = await lab.create_volume()
    kept = await lab.create_snapshot(volume.volume_id)
    snapshot = await lab.create_snapshot(volume.volume_id)

    await lab.delete_snapshot(snapshot.snapshot_id)

    assert set(await listed_snapshots(lab, source_volume_id=volume.volume_id)) == {kept.snapshot_id}


async def test_the_name_of_a_deleted_snapshot_is_free_for_another_volume(lab: Lab) -> None:
    volume, other = await lab.create_volume(), await lab.create_volume()
    name = fresh("snapshot")
    first = await lab.create_snapshot(volume.volume_id, name)
    await lab.delete_snapshot(first.snapshot_id)

    second = await lab.create_snapshot(other.volume_id, name)

    assert second.source_volume_id == other.volume_id


async def test_deleting_a_snapshot_leaves_its_volume(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.create_snapshot(volume.volume_id)

    await lab.delete_snapshot(snapshot.snapshot_id)

    again = await lab.create_snapshot(volume.volume_id)
    assert again.source_volume_id == volume.volume_id


async def test_deleting_by_the_id_of_a_volume_leaves_the_volume(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.delete_snapshot(volume.volume_id))

    # No snapshot has the ID, so all is done; or it is no snapshot's ID at all.
    again = await lab.create_snapshot(volume.volume_id)
    assert status in {Status.OK, Status.INVALID_ARGUMENT}
    assert again.source_volume_id == volume.volume_id


async def test_deleting_by_the_id_of_a_snapshot_as_a_volume_leaves_the_snapshot(lab: Lab) -> None:
    volume = await lab.create_volume()
    name = fresh("snapshot")
    snapshot = await lab.ready_snapshot(volume.volume_id, name)
    if snapshot.snapshot_id == volume.volume_id:
        pytest.skip("the plugin gives a snapshot the ID of its volume")

    status = await status_of(lab.delete_volume(snapshot.snapshot_id))

    # As above, the other way round.
    again = await lab.create_snapshot(volume.volume_id, name)
    assert status in {Status.OK, Status.INVALID_ARGUMENT}
    assert again.creation_time == snapshot.creation_time


async def test_a_snapshot_that_a_volume_was_made_of_is_deleted_or_said_to_be_in_use(
    lab: Lab,
) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.ready_snapshot(volume.volume_id)
    await lab.create_volume(source=from_snapshot(snapshot.snapshot_id))

    status = await status_of(lab.delete_snapshot(snapshot.snapshot_id))

    # Whether the new volume still leans on the snapshot is the plugin's affair.
    assert status in {Status.OK, Status.FAILED_PRECONDITION}
