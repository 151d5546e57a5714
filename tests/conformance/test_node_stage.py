import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import status_of
from tests.conformance.capabilities import INCOMPLETE, block, mount
from tests.conformance.lab import fresh
from tests.conformance.needs import Given, NodeRpc, Rpc, needs
from tests.conformance.node_lab import Attached, NodeLab

pytestmark = needs(Given.NODE_ENDPOINT, NodeRpc.STAGE_UNSTAGE_VOLUME, Rpc.CREATE_DELETE_VOLUME)


async def test_stage_without_a_volume_id_is_an_invalid_argument(node: NodeLab) -> None:
    status = await status_of(node.stage(Attached(csi.Volume(), {})))

    assert status is Status.INVALID_ARGUMENT


async def test_stage_without_a_staging_path_is_an_invalid_argument(node: NodeLab) -> None:
    attached = await node.attach()

    status = await status_of(node.stage(attached, staging=""))

    assert status is Status.INVALID_ARGUMENT


async def test_stage_without_a_capability_is_an_invalid_argument(node: NodeLab) -> None:
    attached = await node.attach()
    request = csi.NodeStageVolumeRequest(
        volume_id=attached.id,
        publish_context=attached.publish_context,
        staging_target_path=str(node.staging),
        volume_context=attached.volume.volume_context,
    )

    status = await status_of(node.send_stage(request))

    assert status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("capability", INCOMPLETE.values(), ids=INCOMPLETE.keys())
async def test_stage_with_an_incomplete_capability_is_an_invalid_argument(
    node: NodeLab, capability: csi.VolumeCapability
) -> None:
    attached = await node.attach()

    status = await status_of(node.stage(attached, capability))

    assert status is Status.INVALID_ARGUMENT


async def test_a_volume_is_staged(node: NodeLab) -> None:
    attached = await node.attach()

    status = await status_of(node.stage(attached))

    assert status is Status.OK


async def test_a_volume_can_be_staged_twice(node: NodeLab) -> None:
    attached = await node.staged()

    status = await status_of(node.stage(attached))

    assert status is Status.OK


async def test_staging_at_the_same_path_in_another_way_already_exists(node: NodeLab) -> None:
    attached = await node.staged(mount())

    status = await status_of(node.stage(attached, block()))

    # A plugin that has no raw block volumes says so, and one that stages both alike may go on.
    assert status in {Status.ALREADY_EXISTS, Status.INVALID_ARGUMENT, Status.OK}


async def test_unstage_without_a_volume_id_is_an_invalid_argument(node: NodeLab) -> None:
    status = await status_of(node.unstage(""))

    assert status is Status.INVALID_ARGUMENT


async def test_unstage_without_a_staging_path_is_an_invalid_argument(node: NodeLab) -> None:
    attached = await node.attach()

    status = await status_of(node.unstage(attached.id, ""))

    assert status is Status.INVALID_ARGUMENT


async def test_a_volume_is_unstaged(node: NodeLab) -> None:
    attached = await node.staged()

    status = await status_of(node.unstage(attached.id))

    assert status is Status.OK


async def test_a_volume_can_be_unstaged_twice(node: NodeLab) -> None:
    attached = await node.staged()
    await node.unstage(attached.id)

    status = await status_of(node.unstage(attached.id))

    assert status is Status.OK


async def test_unstaging_what_was_never_staged_is_done_already(node: NodeLab) -> None:
    attached = await node.attach()

    status = await status_of(node.unstage(attached.id))

    assert status is Status.OK


async def test_unstaging_an_unknown_volume_is_done_already_or_not_found(node: NodeLab) -> None:
    status = await status_of(node.unstage(fresh()))

    # A node need not know which volumes there are: nothing is staged there, so all is done.
    assert status in {Status.OK, Status.NOT_FOUND}


async def test_a_volume_can_be_staged_again_after_it_was_unstaged(node: NodeLab) -> None:
    attached = await node.staged()
    await node.unstage(attached.id)

    status = await status_of(node.stage(attached))

    assert status is Status.OK
