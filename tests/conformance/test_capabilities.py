from collections.abc import Awaitable, Callable

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import status_of
from tests.conformance.capabilities import mount
from tests.conformance.lab import Lab, from_snapshot, from_volume
from tests.conformance.needs import GroupRpc, Need, Rpc, Service, label, needs
from tests.conformance.plugin import Plugin

UNKNOWN = "no-such-thing"

Call = Callable[[Lab], Awaitable[object]]


def publish(lab: Lab) -> Awaitable[object]:
    return lab.send_publish(
        csi.ControllerPublishVolumeRequest(
            volume_id=UNKNOWN, node_id=UNKNOWN, volume_capability=mount()
        )
    )


def capacity(lab: Lab) -> Awaitable[object]:
    return lab.plugin.controller.get_capacity(csi.GetCapacityRequest())


def group(lab: Lab) -> Awaitable[object]:
    return lab.plugin.groups.create_volume_group_snapshot(
        csi.CreateVolumeGroupSnapshotRequest(name=UNKNOWN, source_volume_ids=[UNKNOWN])
    )


def group_capabilities(lab: Lab) -> Awaitable[object]:
    return lab.plugin.groups.group_controller_get_capabilities(
        csi.GroupControllerGetCapabilitiesRequest()
    )


OPTIONAL: list[tuple[Need, str, Call]] = [
    (Rpc.CREATE_DELETE_VOLUME, "CreateVolume", lambda lab: lab.create_volume()),
    (Rpc.CREATE_DELETE_VOLUME, "DeleteVolume", lambda lab: lab.delete_volume(UNKNOWN)),
    (Rpc.PUBLISH_UNPUBLISH_VOLUME, "ControllerPublishVolume", publish),
    (
        Rpc.PUBLISH_UNPUBLISH_VOLUME,
        "ControllerUnpublishVolume",
        lambda lab: lab.unpublish(UNKNOWN, UNKNOWN),
    ),
    (Rpc.LIST_VOLUMES, "ListVolumes", lambda lab: lab.list_volumes()),
    (Rpc.GET_CAPACITY, "GetCapacity", capacity),
    (Rpc.CREATE_DELETE_SNAPSHOT, "CreateSnapshot", lambda lab: lab.create_snapshot(UNKNOWN)),
    (Rpc.CREATE_DELETE_SNAPSHOT, "DeleteSnapshot", lambda lab: lab.delete_snapshot(UNKNOWN)),
    (Rpc.LIST_SNAPSHOTS, "ListSnapshots", lambda lab: lab.list_snapshots()),
    (Rpc.GET_SNAPSHOT, "GetSnapshot", lambda lab: lab.get_snapshot(UNKNOWN)),
    (Rpc.EXPAND_VOLUME, "ControllerExpandVolume", lambda lab: lab.expand(UNKNOWN, lab.size)),
    (Rpc.GET_VOLUME, "ControllerGetVolume", lambda lab: lab.get_volume(UNKNOWN)),
    (Rpc.MODIFY_VOLUME, "ControllerModifyVolume", lambda lab: lab.modify(UNKNOWN, {"key": "v"})),
    (
        Service.GROUP_CONTROLLER_SERVICE,
        "GroupControllerGetCapabilities",
        group_capabilities,
    ),
    (
        GroupRpc.CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT,
        "CreateVolumeGroupSnapshot",
        group,
    ),
]


@pytest.mark.parametrize(
    ("need", "call"),
    [(need, call) for need, _, call in OPTIONAL],
    ids=[name for _, name, _ in OPTIONAL],
)
async def test_a_call_that_is_not_advertised_is_unimplemented(
    need: Need, call: Call, lab: Lab
) -> None:
    if lab.plugin.has(need):
        pytest.skip(f"{label(need)} is advertised")

    status = await status_of(call(lab))

    assert status is Status.UNIMPLEMENTED


@needs(Service.CONTROLLER_SERVICE)
async def test_every_controller_capability_says_what_it_is(plugin: Plugin) -> None:
    answer = await plugin.controller.controller_get_capabilities(
        csi.ControllerGetCapabilitiesRequest()
    )

    assert all(
        capability.rpc is not None and capability.rpc.type is not Rpc.UNKNOWN
        for capability in answer.capabilities
    )


@needs(Service.CONTROLLER_SERVICE)
async def test_the_controller_says_the_same_of_itself_each_time(plugin: Plugin) -> None:
    request = csi.ControllerGetCapabilitiesRequest()
    first = await plugin.controller.controller_get_capabilities(request)

    second = await plugin.controller.controller_get_capabilities(request)

    assert first == second


@needs(Rpc.LIST_VOLUMES_PUBLISHED_NODES)
async def test_only_a_plugin_that_publishes_lists_published_nodes(plugin: Plugin) -> None:
    publishes = plugin.has(Rpc.PUBLISH_UNPUBLISH_VOLUME)

    assert publishes


@needs(Rpc.LIST_VOLUMES_PUBLISHED_NODES)
async def test_published_nodes_are_shown_by_a_call_that_is_there(plugin: Plugin) -> None:
    shown_by = [plugin.has(Rpc.LIST_VOLUMES), plugin.has(Rpc.GET_VOLUME)]

    assert any(shown_by)


@needs(Rpc.CREATE_DELETE_VOLUME)
async def test_a_clone_is_refused_where_cloning_is_not_advertised(lab: Lab) -> None:
    if lab.plugin.has(Rpc.CLONE_VOLUME):
        pytest.skip(f"{label(Rpc.CLONE_VOLUME)} is advertised")
    source = await lab.create_volume()

    status = await status_of(lab.create_volume(source=from_volume(source.volume_id)))

    # The call itself is implemented, so the field is what is at fault; both codes say so.
    assert status in {Status.INVALID_ARGUMENT, Status.UNIMPLEMENTED}


@needs(Rpc.CREATE_DELETE_VOLUME)
async def test_a_restore_is_refused_where_snapshots_are_not_advertised(lab: Lab) -> None:
    if lab.plugin.has(Rpc.CREATE_DELETE_SNAPSHOT):
        pytest.skip(f"{label(Rpc.CREATE_DELETE_SNAPSHOT)} is advertised")

    status = await status_of(lab.create_volume(source=from_snapshot(UNKNOWN)))

    # As for clones; where no snapshot can be, none is found either.
    assert status in {Status.INVALID_ARGUMENT, Status.UNIMPLEMENTED, Status.NOT_FOUND}
