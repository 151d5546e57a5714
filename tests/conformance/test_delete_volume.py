import asyncio

import pytest
from grpclib.const import Status

from tests.conformance.calls import status_of
from tests.conformance.lab import Lab, fresh
from tests.conformance.needs import Given, Rpc, needs
from tests.conformance.paging import listed_volumes
from tests.conformance.texts import ODD_IDS

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME)


async def test_delete_volume_without_an_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.delete_volume(""))

    assert status is Status.INVALID_ARGUMENT


async def test_deleting_a_volume_that_never_was_is_done_already(lab: Lab) -> None:
    status = await status_of(lab.delete_volume(fresh()))

    assert status is Status.OK


@pytest.mark.parametrize("volume_id", ODD_IDS)
async def test_deleting_by_an_id_that_nothing_could_have_harms_nothing(
    lab: Lab, volume_id: str
) -> None:
    status = await status_of(lab.delete_volume(volume_id))

    # Nothing has the ID, so all is done; or the text is no ID of this plugin at all.
    assert status in {Status.OK, Status.INVALID_ARGUMENT}


async def test_a_volume_can_be_deleted_twice(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.delete_volume(volume.volume_id)

    status = await status_of(lab.delete_volume(volume.volume_id))

    assert status is Status.OK


async def test_five_deletions_of_one_volume_at_once_all_end_well(lab: Lab) -> None:
    volume = await lab.create_volume()

    statuses = await asyncio.gather(
        *(status_of(lab.delete_volume(volume.volume_id)) for _ in range(5))
    )

    # A plugin that is busy with the volume already may send the caller away for a moment.
    assert set(statuses) <= {Status.OK, Status.ABORTED}
    assert Status.OK in statuses


@needs(Rpc.LIST_VOLUMES)
async def test_a_deleted_volume_is_no_longer_listed(lab: Lab) -> None:
    volume = await lab.create_volume()

    await lab.delete_volume(volume.volume_id)

    assert volume.volume_id not in await listed_volumes(lab)


async def test_the_name_of_a_deleted_volume_is_free_for_another(lab: Lab) -> None:
    name = fresh()
    volume = await lab.create_volume(name)
    await lab.delete_volume(volume.volume_id)

    again = await lab.create_volume(name, required=2 * lab.size)

    assert again.capacity_bytes == 0 or again.capacity_bytes >= 2 * lab.size


@needs(Rpc.LIST_VOLUMES)
async def test_deleting_one_volume_leaves_the_others(lab: Lab) -> None:
    kept = await lab.create_volume()
    volume = await lab.create_volume()

    await lab.delete_volume(volume.volume_id)

    assert kept.volume_id in await listed_volumes(lab)


@needs(Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_a_published_volume_is_deleted_or_said_to_be_in_use(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    status = await status_of(lab.delete_volume(volume.volume_id))

    # Not every plugin knows whether a volume is in use; one that does says so.
    assert status in {Status.OK, Status.FAILED_PRECONDITION}


@needs(Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_a_volume_that_was_unpublished_can_be_deleted(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)
    await lab.unpublish(volume.volume_id)

    status = await status_of(lab.delete_volume(volume.volume_id))

    assert status is Status.OK
