from pathlib import Path

import pytest
from grpclib.const import Status

from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from protos.gen.csi import v1 as csi
from tests.component.controller.rig import (
    GIB,
    NAME,
    Mode,
    Rig,
    block,
    error_of,
    mount,
    open_rig,
)


async def test_a_listing_pages_through_insertions_and_deletions(rig: Rig) -> None:
    for i in range(5):
        await rig.create(f"list-{i}")
    await rig.publish("worker-1", "vol-list-0")
    first = await rig.controller.list_volumes(csi.ListVolumesRequest(max_entries=2))
    await rig.delete("vol-list-1")
    await rig.create("list-00")
    await rig.create("list-9")

    rest = await rig.controller.list_volumes(
        csi.ListVolumesRequest(starting_token=first.next_token)
    )

    assert ids(first) == ["vol-list-0", "vol-list-1"]
    assert ids(rest) == ["vol-list-2", "vol-list-3", "vol-list-4", "vol-list-9"]
    assert rest.next_token == ""
    assert first.entries[0].status is not None
    assert first.entries[0].status.published_node_ids == ["worker-1"]


def ids(page: csi.ListVolumesResponse) -> list[str]:
    return [entry.volume.volume_id for entry in page.entries if entry.volume]


async def test_the_capacity_is_what_the_pool_has_left(tmp_path: Path) -> None:
    async with open_rig(
        tmp_path, Device([Pool("raid10", 10 * GIB)]), max_volume_bytes=5 * GIB
    ) as rig:
        await rig.create(required=4 * GIB)

        capacity = await rig.controller.get_capacity(csi.GetCapacityRequest())

        assert capacity.available_capacity == 6 * GIB
        assert capacity.maximum_volume_size == 5 * GIB
        assert capacity.minimum_volume_size == 16 * 2**20


@pytest.mark.parametrize(
    ("capability", "confirmed"),
    [
        (mount(Mode.SINGLE_NODE_SINGLE_WRITER), True),
        (block(Mode.MULTI_NODE_MULTI_WRITER), True),
        (mount(Mode.MULTI_NODE_MULTI_WRITER), False),
    ],
)
async def test_capabilities_are_confirmed_or_the_reason_is_given(
    rig: Rig, capability: csi.VolumeCapability, *, confirmed: bool
) -> None:
    await rig.create()

    answer = await rig.controller.validate_volume_capabilities(
        csi.ValidateVolumeCapabilitiesRequest(volume_id=NAME, volume_capabilities=[capability])
    )

    assert (answer.confirmed is not None) == confirmed
    assert bool(answer.message) != confirmed


async def test_the_plugin_says_who_it_is_and_what_it_can_do(rig: Rig) -> None:
    info = await rig.identity.get_plugin_info(csi.GetPluginInfoRequest())
    plugin = await rig.identity.get_plugin_capabilities(csi.GetPluginCapabilitiesRequest())
    calls = await rig.controller.controller_get_capabilities(csi.ControllerGetCapabilitiesRequest())
    await rig.controller.list_volumes(csi.ListVolumesRequest())
    probe = await rig.identity.probe(csi.ProbeRequest())

    assert info.name == "rds.csi.srvlab.io"
    assert len(plugin.capabilities) == 2
    kinds = {entry.rpc.type for entry in calls.capabilities if entry.rpc}
    assert csi.ControllerServiceCapabilityRpcType.EXPAND_VOLUME in kinds
    assert probe.ready is True


async def test_services_that_are_not_offered_say_so_in_the_code_that_clients_know(
    rig: Rig,
) -> None:
    groups = csi.GroupControllerStub(rig.controller.channel, timeout=5.0)

    status, message = await error_of(
        groups.group_controller_get_capabilities(csi.GroupControllerGetCapabilitiesRequest())
    )

    assert (status, message) == (Status.UNIMPLEMENTED, "this call is not offered")


@pytest.mark.parametrize(
    ("state", "mounted", "words"),
    [
        ("clean", True, ""),
        ("degraded", True, "pool raid10 is degraded"),
        ("clean", False, "pool raid10 is not mounted"),
    ],
)
async def test_a_volume_whose_pool_is_not_in_order_says_so(
    rig: Rig, state: str, words: str, *, mounted: bool
) -> None:
    await rig.create()
    (pool,) = rig.device.state.pools
    pool.state, pool.mounted = state, mounted

    listed = await rig.controller.list_volumes(csi.ListVolumesRequest())
    one = await rig.controller.controller_get_volume(csi.ControllerGetVolumeRequest(volume_id=NAME))

    assert one.status is not None
    condition = one.status.volume_condition
    assert condition is not None
    assert condition.abnormal == bool(words)
    assert words in condition.message
    (entry,) = listed.entries
    assert entry.status is not None
    assert entry.status.volume_condition == condition
