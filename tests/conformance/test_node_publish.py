import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import status_of
from tests.conformance.capabilities import INCOMPLETE, Mode, mount
from tests.conformance.lab import fresh
from tests.conformance.needs import Given, NodeRpc, Rpc, needs
from tests.conformance.node_lab import Attached, NodeLab

pytestmark = needs(Given.NODE_ENDPOINT, Rpc.CREATE_DELETE_VOLUME)


async def staged(node: NodeLab, mode: Mode) -> Attached:
    """Return a staged volume with that mode, where the plugin has such volumes."""
    status = await status_of(node.lab.create_volume(capabilities=[mount(mode)]))
    if status is Status.INVALID_ARGUMENT:
        pytest.skip(f"the plugin offers no volumes with the access mode {mode.name}")
    return await node.staged(mount(mode))


async def test_publish_without_a_volume_id_is_an_invalid_argument(node: NodeLab) -> None:
    status = await status_of(node.publish(Attached(csi.Volume(), {})))

    assert status is Status.INVALID_ARGUMENT


async def test_publish_without_a_target_is_an_invalid_argument(node: NodeLab) -> None:
    attached = await node.staged()

    status = await status_of(node.publish(attached, target=""))

    assert status is Status.INVALID_ARGUMENT


async def test_publish_without_a_capability_is_an_invalid_argument(node: NodeLab) -> None:
    attached = await node.staged()
    request = csi.NodePublishVolumeRequest(
        volume_id=attached.id,
        publish_context=attached.publish_context,
        staging_target_path=str(node.staging) if node.stages else "",
        target_path=str(node.target),
        volume_context=attached.volume.volume_context,
    )

    status = await status_of(node.send_publish(request))

    assert status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("capability", INCOMPLETE.values(), ids=INCOMPLETE.keys())
async def test_publish_with_an_incomplete_capability_is_an_invalid_argument(
    node: NodeLab, capability: csi.VolumeCapability
) -> None:
    attached = await node.staged()

    status = await status_of(node.publish(attached, capability))

    assert status is Status.INVALID_ARGUMENT


@needs(NodeRpc.STAGE_UNSTAGE_VOLUME)
async def test_publish_without_the_staging_path_is_refused(node: NodeLab) -> None:
    attached = await node.staged()

    status = await status_of(node.publish(attached, with_staging=False))

    # The path is what was to be done before; it is also a field that this plugin requires.
    assert status in {Status.FAILED_PRECONDITION, Status.INVALID_ARGUMENT}


async def test_publishing_an_unknown_volume_is_refused(node: NodeLab) -> None:
    unknown = Attached(csi.Volume(volume_id=fresh()), {})

    status = await status_of(node.publish(unknown))

    # It is not there; or it was never staged, or its context lacks what says where it is.
    assert status in {Status.NOT_FOUND, Status.FAILED_PRECONDITION, Status.INVALID_ARGUMENT}


async def test_a_volume_is_published_at_its_target(node: NodeLab) -> None:
    attached = await node.staged()

    await node.publish(attached)

    assert node.target.exists()


async def test_a_volume_can_be_published_twice(node: NodeLab) -> None:
    attached = await node.published()

    status = await status_of(node.publish(attached))

    assert status is Status.OK


async def test_publishing_at_the_same_target_but_read_only_already_exists(node: NodeLab) -> None:
    attached = await node.published()

    status = await status_of(node.publish(attached, readonly=True))

    assert status is Status.ALREADY_EXISTS


async def test_a_volume_is_published_read_only(node: NodeLab) -> None:
    attached = await node.staged()

    status = await status_of(node.publish(attached, readonly=True))

    assert status is Status.OK


@needs(NodeRpc.SINGLE_NODE_MULTI_WRITER)
async def test_a_volume_for_one_writer_is_not_published_at_a_second_target(
    node: NodeLab,
) -> None:
    single = mount(Mode.SINGLE_NODE_SINGLE_WRITER)
    attached = await staged(node, Mode.SINGLE_NODE_SINGLE_WRITER)
    await node.publish(attached, single)

    status = await status_of(node.publish(attached, single, target=node.other_target))

    assert status is Status.FAILED_PRECONDITION


@needs(NodeRpc.SINGLE_NODE_MULTI_WRITER)
async def test_a_volume_for_several_writers_is_published_at_a_second_target(
    node: NodeLab,
) -> None:
    several = mount(Mode.SINGLE_NODE_MULTI_WRITER)
    attached = await staged(node, Mode.SINGLE_NODE_MULTI_WRITER)
    await node.publish(attached, several)

    status = await status_of(node.publish(attached, several, target=node.other_target))

    assert status is Status.OK


async def test_unpublish_without_a_volume_id_is_an_invalid_argument(node: NodeLab) -> None:
    status = await status_of(node.unpublish(""))

    assert status is Status.INVALID_ARGUMENT


async def test_unpublish_without_a_target_is_an_invalid_argument(node: NodeLab) -> None:
    attached = await node.attach()

    status = await status_of(node.unpublish(attached.id, ""))

    assert status is Status.INVALID_ARGUMENT


async def test_unpublishing_removes_the_target(node: NodeLab) -> None:
    attached = await node.published()

    await node.unpublish(attached.id)

    assert not node.target.exists()


async def test_a_volume_can_be_unpublished_twice(node: NodeLab) -> None:
    attached = await node.published()
    await node.unpublish(attached.id)

    status = await status_of(node.unpublish(attached.id))

    assert status is Status.OK


async def test_unpublishing_what_was_never_published_is_done_already(node: NodeLab) -> None:
    attached = await node.staged()

    status = await status_of(node.unpublish(attached.id))

    assert status is Status.OK


async def test_unpublishing_an_unknown_volume_is_done_already_or_not_found(node: NodeLab) -> None:
    status = await status_of(node.unpublish(fresh()))

    # A node need not know which volumes there are: nothing is published there, so all is done.
    assert status in {Status.OK, Status.NOT_FOUND}


async def test_a_volume_can_be_published_again_after_it_was_unpublished(node: NodeLab) -> None:
    attached = await node.published()
    await node.unpublish(attached.id)

    await node.publish(attached)

    assert node.target.exists()
