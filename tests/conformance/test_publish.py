import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import status_of
from tests.conformance.capabilities import INCOMPLETE, Mode, block, mount
from tests.conformance.lab import Lab, fresh
from tests.conformance.limits import MAP_BYTES, map_bytes
from tests.conformance.needs import Given, Rpc, needs

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)

# Where the thing to unpublish from is not known, either is right: that it is surely not published
# there, or that it cannot be found.
DONE_OR_UNKNOWN = {Status.OK, Status.NOT_FOUND}


def unknown() -> csi.Volume:
    return csi.Volume(volume_id=fresh())


async def shared_volume(lab: Lab, capability: csi.VolumeCapability) -> csi.Volume:
    """Return a volume for several nodes, where the plugin has such volumes."""
    if await status_of(lab.create_volume(capabilities=[capability])) is Status.INVALID_ARGUMENT:
        pytest.skip("the plugin offers no volumes with this capability")
    return await lab.create_volume(capabilities=[capability])


async def test_publish_without_a_volume_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.publish(csi.Volume()))

    assert status is Status.INVALID_ARGUMENT


async def test_publish_without_a_node_id_is_an_invalid_argument(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.publish(volume, ""))

    assert status is Status.INVALID_ARGUMENT


async def test_publish_without_a_capability_is_an_invalid_argument(lab: Lab) -> None:
    volume = await lab.create_volume()
    request = csi.ControllerPublishVolumeRequest(
        volume_id=volume.volume_id,
        node_id=lab.plugin.node_id,
        volume_context=volume.volume_context,
    )

    status = await status_of(lab.send_publish(request))

    assert status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("capability", INCOMPLETE.values(), ids=INCOMPLETE.keys())
async def test_publish_with_an_incomplete_capability_is_an_invalid_argument(
    lab: Lab, capability: csi.VolumeCapability
) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.publish(volume, capability=capability))

    assert status is Status.INVALID_ARGUMENT


async def test_publishing_an_unknown_volume_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.publish(unknown()))

    assert status is Status.NOT_FOUND


async def test_publishing_to_an_unknown_node_is_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.publish(volume, fresh("node")))

    assert status is Status.NOT_FOUND


async def test_publishing_a_deleted_volume_is_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.delete_volume(volume.volume_id)

    status = await status_of(lab.publish(volume))

    assert status is Status.NOT_FOUND


async def test_a_volume_is_published_to_a_node(lab: Lab) -> None:
    volume = await lab.create_volume()

    context = await lab.publish(volume)

    assert map_bytes(context) <= MAP_BYTES


async def test_publishing_twice_answers_the_same_context(lab: Lab) -> None:
    volume = await lab.create_volume()
    first = await lab.publish(volume)

    second = await lab.publish(volume)

    assert second == first


@needs(Rpc.PUBLISH_READONLY)
async def test_publishing_again_but_read_only_already_exists(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    status = await status_of(lab.publish(volume, readonly=True))

    assert status is Status.ALREADY_EXISTS


async def test_publishing_again_in_another_way_is_the_same_or_already_exists(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume, capability=mount())

    status = await status_of(lab.publish(volume, capability=block()))

    # What is incompatible is the plugin's affair, and so is which capabilities a volume can have.
    assert status in {Status.OK, Status.ALREADY_EXISTS, Status.INVALID_ARGUMENT}


@needs(Given.SECOND_NODE_ID)
async def test_a_volume_for_one_node_is_not_published_to_a_second(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    status = await status_of(lab.publish(volume, lab.options.second_node_id))

    assert status is Status.FAILED_PRECONDITION


@needs(Given.SECOND_NODE_ID)
async def test_a_volume_moves_to_a_second_node_after_it_left_the_first(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)
    await lab.unpublish(volume.volume_id)

    status = await status_of(lab.publish(volume, lab.options.second_node_id))

    assert status is Status.OK


@pytest.mark.parametrize(
    "capability",
    [
        mount(Mode.MULTI_NODE_READER_ONLY),
        mount(Mode.MULTI_NODE_MULTI_WRITER),
        block(Mode.MULTI_NODE_READER_ONLY),
        block(Mode.MULTI_NODE_MULTI_WRITER),
    ],
    ids=["mount-readers", "mount-writers", "block-readers", "block-writers"],
)
@needs(Given.SECOND_NODE_ID)
async def test_a_volume_for_several_nodes_is_published_to_two(
    lab: Lab, capability: csi.VolumeCapability
) -> None:
    volume = await shared_volume(lab, capability)
    await lab.publish(volume, capability=capability)

    status = await status_of(lab.publish(volume, lab.options.second_node_id, capability))

    assert status is Status.OK


async def test_unpublish_without_a_volume_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.unpublish(""))

    assert status is Status.INVALID_ARGUMENT


async def test_a_volume_is_unpublished_from_a_node(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    status = await status_of(lab.unpublish(volume.volume_id))

    assert status is Status.OK


async def test_a_volume_can_be_unpublished_twice(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)
    await lab.unpublish(volume.volume_id)

    status = await status_of(lab.unpublish(volume.volume_id))

    assert status is Status.OK


async def test_unpublishing_what_was_never_published_is_done_already(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.unpublish(volume.volume_id))

    assert status is Status.OK


async def test_unpublishing_an_unknown_volume_is_done_already_or_not_found(lab: Lab) -> None:
    status = await status_of(lab.unpublish(fresh()))

    assert status in DONE_OR_UNKNOWN


async def test_unpublishing_from_an_unknown_node_is_done_already_or_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.unpublish(volume.volume_id, fresh("node")))

    assert status in DONE_OR_UNKNOWN


@needs(Given.SECOND_NODE_ID)
async def test_unpublishing_from_another_node_leaves_the_volume_where_it_is(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    await lab.unpublish(volume.volume_id, lab.options.second_node_id)

    status = await status_of(lab.publish(volume, lab.options.second_node_id))
    assert status is Status.FAILED_PRECONDITION


@needs(Given.SECOND_NODE_ID)
async def test_unpublishing_without_a_node_id_takes_the_volume_from_every_node(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    await lab.unpublish(volume.volume_id, "")

    status = await status_of(lab.publish(volume, lab.options.second_node_id))
    assert status is Status.OK


async def test_a_volume_can_be_published_again_after_it_was_unpublished(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)
    await lab.unpublish(volume.volume_id)

    status = await status_of(lab.publish(volume))

    assert status is Status.OK
