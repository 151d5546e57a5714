from protos.gen.csi import v1 as csi
from tests.conformance.limits import NODE_ID_BYTES, text_bytes
from tests.conformance.needs import Given, NodeRpc, Service, needs
from tests.conformance.plugin import Plugin

pytestmark = needs(Given.NODE_ENDPOINT)


async def info_of(plugin: Plugin) -> csi.NodeGetInfoResponse:
    return await plugin.node_stub.node_get_info(csi.NodeGetInfoRequest())


async def test_every_node_capability_says_what_it_is(plugin: Plugin) -> None:
    answer = await plugin.node_stub.node_get_capabilities(csi.NodeGetCapabilitiesRequest())

    assert all(c.rpc is not None and c.rpc.type is not NodeRpc.UNKNOWN for c in answer.capabilities)


async def test_a_node_has_an_id_of_at_most_256_bytes(plugin: Plugin) -> None:
    info = await info_of(plugin)

    assert 0 < text_bytes(info.node_id) <= NODE_ID_BYTES


async def test_a_node_says_the_same_of_itself_each_time(plugin: Plugin) -> None:
    first = await info_of(plugin)

    second = await info_of(plugin)

    assert second == first


async def test_the_number_of_volumes_per_node_is_not_negative(plugin: Plugin) -> None:
    info = await info_of(plugin)

    assert info.max_volumes_per_node >= 0


@needs(Service.VOLUME_ACCESSIBILITY_CONSTRAINTS)
async def test_a_node_of_a_plugin_with_topology_says_where_it_is(plugin: Plugin) -> None:
    info = await info_of(plugin)

    assert info.accessible_topology is not None
    assert info.accessible_topology.segments
