from collections.abc import Awaitable, Callable

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import status_of
from tests.conformance.lab import fresh
from tests.conformance.needs import Given, NodeRpc, label, needs
from tests.conformance.node_lab import Attached, NodeLab

pytestmark = needs(Given.NODE_ENDPOINT)

Call = Callable[[NodeLab], Awaitable[object]]

OPTIONAL: list[tuple[NodeRpc, str, Call]] = [
    (
        NodeRpc.STAGE_UNSTAGE_VOLUME,
        "NodeStageVolume",
        lambda node: node.stage(Attached(csi.Volume(volume_id=fresh()), {})),
    ),
    (NodeRpc.STAGE_UNSTAGE_VOLUME, "NodeUnstageVolume", lambda node: node.unstage(fresh())),
    (NodeRpc.GET_VOLUME_STATS, "NodeGetVolumeStats", lambda node: node.stats(fresh())),
    (NodeRpc.EXPAND_VOLUME, "NodeExpandVolume", lambda node: node.expand(fresh(), 2**30)),
]


@pytest.mark.parametrize(
    ("need", "call"),
    [(need, call) for need, _, call in OPTIONAL],
    ids=[name for _, name, _ in OPTIONAL],
)
async def test_a_node_call_that_is_not_advertised_is_unimplemented(
    need: NodeRpc, call: Call, node: NodeLab
) -> None:
    if node.lab.plugin.has(need):
        pytest.skip(f"{label(need)} is advertised")

    status = await status_of(call(node))

    assert status is Status.UNIMPLEMENTED
