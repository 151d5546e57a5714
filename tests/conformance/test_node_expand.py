import pytest
from grpclib.const import Status

from tests.conformance.calls import status_of
from tests.conformance.lab import fresh
from tests.conformance.needs import Expansion, Given, NodeRpc, Rpc, label, needs
from tests.conformance.node_lab import Attached, NodeLab

pytestmark = needs(Given.NODE_ENDPOINT, NodeRpc.EXPAND_VOLUME, Rpc.CREATE_DELETE_VOLUME)


async def grown(node: NodeLab, factor: int = 2) -> Attached:
    """Return a published volume that the controller has made larger where it does that."""
    plugin = node.lab.plugin
    if plugin.has(Rpc.EXPAND_VOLUME) and not plugin.has(Expansion.ONLINE):
        pytest.skip(f"{label(Expansion.ONLINE)} is not advertised")
    attached = await node.published()
    if plugin.has(Rpc.EXPAND_VOLUME):
        await node.lab.expand(attached.id, factor * node.lab.size)
    return attached


async def test_expand_without_a_volume_id_is_an_invalid_argument(node: NodeLab) -> None:
    status = await status_of(node.expand("", node.lab.size))

    assert status is Status.INVALID_ARGUMENT


async def test_expand_without_a_path_is_an_invalid_argument(node: NodeLab) -> None:
    attached = await node.published()

    status = await status_of(node.expand(attached.id, node.lab.size, path=""))

    assert status is Status.INVALID_ARGUMENT


async def test_expanding_an_unknown_volume_is_not_found(node: NodeLab) -> None:
    status = await status_of(node.expand(fresh(), node.lab.size))

    assert status is Status.NOT_FOUND


async def test_a_filesystem_grows_with_its_volume(node: NodeLab) -> None:
    attached = await grown(node)

    answer = await node.expand(attached.id, 2 * node.lab.size)

    # 0 means that the size is not known.
    assert answer.capacity_bytes == 0 or answer.capacity_bytes >= 2 * node.lab.size


async def test_a_filesystem_can_be_grown_twice(node: NodeLab) -> None:
    attached = await grown(node)
    first = await node.expand(attached.id, 2 * node.lab.size)

    second = await node.expand(attached.id, 2 * node.lab.size)

    assert second.capacity_bytes == first.capacity_bytes


async def test_a_required_size_above_the_limit_is_refused(node: NodeLab) -> None:
    attached = await grown(node)

    status = await status_of(node.expand(attached.id, 2 * node.lab.size, node.lab.size))

    # No such size can be had; and the range is an invalid value too.
    assert status in {Status.OUT_OF_RANGE, Status.INVALID_ARGUMENT}
