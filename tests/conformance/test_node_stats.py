from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import status_of
from tests.conformance.lab import fresh
from tests.conformance.needs import Given, NodeRpc, Rpc, needs
from tests.conformance.node_lab import NodeLab

pytestmark = needs(Given.NODE_ENDPOINT, NodeRpc.GET_VOLUME_STATS, Rpc.CREATE_DELETE_VOLUME)

Unit = csi.VolumeUsageUnit


async def test_stats_without_a_volume_id_are_an_invalid_argument(node: NodeLab) -> None:
    await node.published()

    status = await status_of(node.stats(""))

    assert status is Status.INVALID_ARGUMENT


async def test_stats_without_a_path_are_an_invalid_argument(node: NodeLab) -> None:
    attached = await node.published()

    status = await status_of(node.stats(attached.id, ""))

    assert status is Status.INVALID_ARGUMENT


async def test_stats_of_an_unknown_volume_are_not_found(node: NodeLab) -> None:
    status = await status_of(node.stats(fresh()))

    assert status is Status.NOT_FOUND


async def test_stats_at_a_path_where_nothing_is_are_not_found(node: NodeLab) -> None:
    attached = await node.published()

    status = await status_of(node.stats(attached.id, node.directory / "nowhere"))

    assert status is Status.NOT_FOUND


async def test_stats_of_a_volume_that_was_unpublished_are_not_found(node: NodeLab) -> None:
    attached = await node.published()
    await node.unpublish(attached.id)

    status = await status_of(node.stats(attached.id))

    assert status is Status.NOT_FOUND


async def test_stats_say_how_many_bytes_a_volume_has(node: NodeLab) -> None:
    attached = await node.published()

    answer = await node.stats(attached.id)

    (usage,) = [usage for usage in answer.usage if usage.unit is Unit.BYTES]
    assert usage.total > 0


async def test_what_is_used_and_what_is_free_is_never_more_than_all(node: NodeLab) -> None:
    attached = await node.published()

    answer = await node.stats(attached.id)

    # A plugin that does not know one of the numbers leaves it at 0.
    for usage in (usage for usage in answer.usage if usage.total):
        assert 0 <= usage.used <= usage.total
        assert 0 <= usage.available <= usage.total


async def test_every_number_says_its_unit(node: NodeLab) -> None:
    attached = await node.published()

    answer = await node.stats(attached.id)

    assert all(usage.unit is not Unit.UNKNOWN for usage in answer.usage)


@needs(NodeRpc.VOLUME_CONDITION)
async def test_stats_say_the_condition_of_a_volume(node: NodeLab) -> None:
    attached = await node.published()

    answer = await node.stats(attached.id)

    assert answer.volume_condition is not None
