from grpclib.const import Status

from tests.conformance.calls import status_of
from tests.conformance.lab import Lab, fresh
from tests.conformance.needs import Given, Rpc, needs

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.GET_VOLUME)


async def test_get_volume_without_an_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.get_volume(""))

    assert status is Status.INVALID_ARGUMENT


async def test_an_unknown_volume_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.get_volume(fresh()))

    assert status is Status.NOT_FOUND


async def test_a_deleted_volume_is_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.delete_volume(volume.volume_id)

    status = await status_of(lab.get_volume(volume.volume_id))

    assert status is Status.NOT_FOUND


async def test_a_volume_is_found_by_its_id(lab: Lab) -> None:
    volume = await lab.create_volume()

    answer = await lab.get_volume(volume.volume_id)

    assert answer.volume is not None
    assert answer.volume.volume_id == volume.volume_id


async def test_a_volume_that_is_found_has_a_status(lab: Lab) -> None:
    volume = await lab.create_volume()

    answer = await lab.get_volume(volume.volume_id)

    assert answer.status is not None


async def test_a_volume_that_is_found_has_the_size_that_it_was_made_with(lab: Lab) -> None:
    volume = await lab.create_volume()

    answer = await lab.get_volume(volume.volume_id)

    # 0 means that the size is not known.
    assert answer.volume is not None
    assert answer.volume.capacity_bytes in {0, volume.capacity_bytes} or not volume.capacity_bytes


@needs(Rpc.EXPAND_VOLUME)
async def test_a_volume_that_grew_is_found_with_its_new_size(lab: Lab) -> None:
    volume = await lab.create_volume()
    grown = await lab.expand(volume.volume_id, 2 * lab.size)

    answer = await lab.get_volume(volume.volume_id)

    assert answer.volume is not None
    assert answer.volume.capacity_bytes in {0, grown.capacity_bytes}


@needs(Rpc.LIST_VOLUMES_PUBLISHED_NODES, Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_a_volume_is_found_with_the_node_that_it_is_published_to(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    answer = await lab.get_volume(volume.volume_id)

    assert answer.status is not None
    assert answer.status.published_node_ids == [lab.plugin.node_id]


@needs(Rpc.LIST_VOLUMES_PUBLISHED_NODES, Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_a_volume_is_found_without_a_node_after_it_was_unpublished(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)
    await lab.unpublish(volume.volume_id)

    answer = await lab.get_volume(volume.volume_id)

    assert answer.status is not None
    assert answer.status.published_node_ids == []


@needs(Rpc.VOLUME_CONDITION)
async def test_a_volume_is_found_with_its_condition(lab: Lab) -> None:
    volume = await lab.create_volume()

    answer = await lab.get_volume(volume.volume_id)

    assert answer.status is not None
    assert answer.status.volume_condition is not None
