"""The walk: the calls that a cluster makes in the life of one volume, and what each must answer."""

from collections.abc import Awaitable, Callable

from demo.host import Need
from demo.node import NODE
from demo.node_walk import (
    expand,
    publish,
    read,
    read_stats,
    stage,
    unpublish,
    unstage,
    write,
)
from demo.processes import House
from demo.steps import NAME, RESTORED, SNAPSHOT, Step, capability, expect
from libs.core.size import GIB, format_bytes
from protos.gen.csi import v1 as csi


async def _info(house: House) -> str:
    info = await house.identity.get_plugin_info(csi.GetPluginInfoRequest())
    expect(that=info.name == "rds.csi.srvlab.io", expected="rds.csi.srvlab.io", got=info.name)
    return f"{info.name} {info.vendor_version}"


async def _probe(house: House) -> str:
    answer = await house.identity.probe(csi.ProbeRequest())
    expect(that=answer.ready is True, expected="ready", got=answer)
    return "ready"


async def _create(house: House) -> str:
    answer = await house.controller.create_volume(
        csi.CreateVolumeRequest(
            name=NAME,
            capacity_range=csi.CapacityRange(required_bytes=10 * GIB),
            volume_capabilities=[capability(house)],
        )
    )
    volume = answer.volume or csi.Volume()
    expect(that=volume.volume_id == NAME, expected=f"volume {NAME}", got=volume)
    expect(that=volume.capacity_bytes == 10 * GIB, expected="10 GiB", got=volume)
    house.contexts[NAME] = volume.volume_context
    return f"{volume.volume_id[:12]}…, {format_bytes(volume.capacity_bytes)}"


async def _list(house: House) -> str:
    answer = await house.controller.list_volumes(csi.ListVolumesRequest())
    ids = [entry.volume.volume_id for entry in answer.entries if entry.volume]
    expect(that=ids == [NAME], expected=f"[{NAME}]", got=ids)
    return f"{len(ids)} volume"


async def _capacity(house: House) -> str:
    answer = await house.controller.get_capacity(csi.GetCapacityRequest())
    free = answer.available_capacity
    expect(that=free == 90 * GIB, expected="90 GiB available", got=format_bytes(free))
    return f"{format_bytes(free)} available"


async def _publish(house: House, volume: str = NAME) -> str:
    answer = await house.controller.controller_publish_volume(
        csi.ControllerPublishVolumeRequest(
            volume_id=volume, node_id=NODE, volume_capability=capability(house)
        )
    )
    context = answer.publish_context
    expect(that=context.get("nvme_nqn", "").endswith(volume), expected="the NQN", got=context)
    house.published[volume] = context
    return f"{NODE} may connect to {context['nvme_address']}:{context['nvme_port']}"


async def _validate(house: House) -> str:
    answer = await house.controller.validate_volume_capabilities(
        csi.ValidateVolumeCapabilitiesRequest(
            volume_id=NAME, volume_capabilities=[capability(house)]
        )
    )
    expect(that=answer.confirmed is not None, expected="a confirmation", got=answer.message)
    return "confirmed"


async def _expand(house: House) -> str:
    answer = await house.controller.controller_expand_volume(
        csi.ControllerExpandVolumeRequest(
            volume_id=RESTORED,
            capacity_range=csi.CapacityRange(required_bytes=20 * GIB),
            volume_capability=capability(house),
        )
    )
    expect(that=answer.capacity_bytes == 20 * GIB, expected="20 GiB", got=answer)
    expect(that=answer.node_expansion_required, expected="the node to grow it too", got=answer)
    return f"{format_bytes(answer.capacity_bytes)}, the node grows the filesystem"


async def _snapshot(house: House) -> str:
    answer = await house.controller.create_snapshot(
        csi.CreateSnapshotRequest(name=SNAPSHOT, source_volume_id=NAME)
    )
    snapshot = answer.snapshot or csi.Snapshot()
    expect(that=snapshot.ready_to_use, expected="a snapshot that is ready", got=snapshot)
    return f"{snapshot.snapshot_id}, {format_bytes(snapshot.size_bytes)}"


async def _restore(house: House) -> str:
    source = csi.VolumeContentSourceSnapshotSource(snapshot_id=f"snap-{SNAPSHOT}")
    answer = await house.controller.create_volume(
        csi.CreateVolumeRequest(
            name=RESTORED,
            volume_capabilities=[capability(house)],
            volume_content_source=csi.VolumeContentSource(snapshot=source),
        )
    )
    volume = answer.volume or csi.Volume()
    expect(that=volume.capacity_bytes == 10 * GIB, expected="10 GiB, as it was", got=volume)
    house.contexts[RESTORED] = volume.volume_context
    return f"{volume.volume_id[:12]}…, {format_bytes(volume.capacity_bytes)}"


async def _clean(house: House) -> str:
    await house.controller.delete_volume(csi.DeleteVolumeRequest(volume_id=RESTORED))
    await house.controller.delete_snapshot(
        csi.DeleteSnapshotRequest(snapshot_id=f"snap-{SNAPSHOT}")
    )
    return "gone"


async def _unpublish(house: House, volume: str = NAME) -> str:
    await house.controller.controller_unpublish_volume(
        csi.ControllerUnpublishVolumeRequest(volume_id=volume, node_id=NODE)
    )
    return f"taken from {NODE}"


async def _delete(house: House) -> str:
    await house.controller.delete_volume(csi.DeleteVolumeRequest(volume_id=NAME))
    return "gone"


def _of_it(call: Callable[[House, str], Awaitable[str]]) -> Callable[[House], Awaitable[str]]:
    return lambda house: call(house, RESTORED)


WALK = (
    Step("GetPluginInfo", _info),
    Step("Probe", _probe),
    Step("CreateVolume", _create, 1),
    Step("CreateVolume again", _create, 1),
    Step("ListVolumes", _list, 1),
    Step("GetCapacity", _capacity, 1),
    Step("ControllerPublishVolume", _publish, 1),
    Step("ValidateVolumeCapabilities", _validate, 1),
    Step("NodeStageVolume", stage, needs=Need.NODE),
    Step("NodePublishVolume", publish, needs=Need.NODE),
    Step("(the pod writes a file)", write, needs=Need.NODE),
    Step("NodeGetVolumeStats", read_stats, needs=Need.NODE),
    Step("NodeUnpublishVolume", unpublish, needs=Need.NODE),
    Step("NodeUnstageVolume", unstage, needs=Need.NODE),
    Step("ControllerUnpublishVolume", _unpublish),
    Step("CreateSnapshot", _snapshot, 3),
    Step("CreateVolume from it", _restore, 4),
    # The rest is with the restored volume.
    Step("ControllerPublishVolume", _of_it(_publish), 1),
    Step("NodeStageVolume", _of_it(stage), needs=Need.NODE),
    Step("NodePublishVolume", _of_it(publish), needs=Need.NODE),
    Step("(the pod reads the file)", _of_it(read), needs=Need.NODE),
    Step("ControllerExpandVolume", _expand, 2),
    Step("NodeExpandVolume", expand, needs=Need.GROWTH),
    Step("NodeUnpublishVolume", _of_it(unpublish), needs=Need.NODE),
    Step("NodeUnstageVolume", _of_it(unstage), needs=Need.NODE),
    Step("ControllerUnpublishVolume", _of_it(_unpublish)),
    Step("Delete both", _clean, 4),
    Step("DeleteVolume", _delete, 1),
    Step("DeleteVolume again", _delete, 1),
)
