"""One controller for two devices."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from libs.mockrds.device import Device
from libs.mockrds.files import Pool
from libs.mockrds.testing import RunningDevice, running_device
from protos.gen.csi import v1 as csi
from services.controller.app import open_controller, run
from tests.component.controller.rig import GIB, NAME, Rig, connect, error_of, open_rig, settings_for

OTHER = "pvc-00000000-0000-0000-0000-000000000002"


@dataclass
class Two:
    rig: Rig
    second: RunningDevice


@pytest.fixture
async def two(tmp_path: Path) -> AsyncIterator[Two]:
    async with contextlib.AsyncExitStack() as stack:
        first = await stack.enter_async_context(running_device())
        second = await stack.enter_async_context(running_device(Device([Pool("pool2", 10 * GIB)])))
        file = tmp_path / "devices.yaml"
        file.write_text(
            f"""
            devices:
              - rds-name: rack1
                default: true
                topology: {{zone: a}}
              - rds-name: rack2
                rds-port: {second.port}
                volume-base-paths: [/pool2/volumes]
                topology: {{zone: b}}
            """
        )
        settings = settings_for(tmp_path, first, rds_devices_file=file)
        await stack.enter_async_context(open_controller(settings))
        yield Two(await connect(stack, first, settings), second)


def zone(name: str) -> csi.TopologyRequirement:
    topology = csi.Topology(segments={"zone": name})
    return csi.TopologyRequirement(requisite=[topology], preferred=[topology])


async def create_in(rig: Rig, name: str, where: str) -> csi.Volume:
    capability = csi.VolumeCapability(
        mount=csi.VolumeCapabilityMountVolume(),
        access_mode=csi.VolumeCapabilityAccessMode(
            mode=csi.VolumeCapabilityAccessModeMode.SINGLE_NODE_WRITER
        ),
    )
    answer = await rig.controller.create_volume(
        csi.CreateVolumeRequest(
            name=name,
            volume_capabilities=[capability],
            accessibility_requirements=zone(where),
        )
    )
    assert answer.volume is not None
    return answer.volume


async def test_a_volume_lies_on_the_device_that_its_nodes_reach(two: Two) -> None:
    here, there = await create_in(two.rig, NAME, "a"), await create_in(two.rig, OTHER, "b")

    assert (here.volume_id, there.volume_id) == (NAME, f"{OTHER}@rack2")
    assert there.accessible_topology == [csi.Topology(segments={"zone": "b"})]
    assert (two.rig.device.slots, two.second.slots) == ([NAME], [OTHER])


async def test_a_volume_is_found_on_its_device_for_its_whole_life(two: Two) -> None:
    volume = (await two.rig.create(parameters={"rds": "rack2"})).volume_id
    await two.rig.publish("worker-1", volume)
    await two.rig.unpublish("worker-1", volume)
    grown = await two.rig.expand(2 * GIB, volume)
    listed = await two.rig.controller.list_volumes(csi.ListVolumesRequest())
    taken = await two.rig.controller.create_snapshot(
        csi.CreateSnapshotRequest(name="s", source_volume_id=volume)
    )
    assert taken.snapshot is not None
    copy = await two.rig.create(
        OTHER,
        source=csi.VolumeContentSource(
            snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id=taken.snapshot.snapshot_id)
        ),
    )
    await two.rig.delete(copy.volume_id)
    await two.rig.controller.delete_snapshot(
        csi.DeleteSnapshotRequest(snapshot_id=taken.snapshot.snapshot_id)
    )
    await two.rig.delete(volume)

    assert volume == f"{NAME}@rack2"
    assert grown.capacity_bytes == 2 * GIB
    assert [entry.volume.volume_id for entry in listed.entries if entry.volume] == [volume]
    assert taken.snapshot.snapshot_id == "snap-s@rack2"
    assert copy.volume_id == f"{OTHER}@rack2"
    assert (two.second.slots, two.second.state.files) == ([], {})


async def test_a_volume_that_another_device_has_is_not_made_twice(two: Two) -> None:
    await create_in(two.rig, NAME, "a")

    status, message = await error_of(create_in(two.rig, NAME, "b"))

    assert status is Status.ALREADY_EXISTS
    assert "exists on device rack1" in message
    assert two.second.slots == []


async def test_a_device_that_is_away_does_not_hold_up_the_other(two: Two) -> None:
    two.second.mock.away = True
    two.second.mock.drop_connections()

    volume = await two.rig.create()
    away, _ = await error_of(two.rig.create(OTHER, parameters={"rds": "rack2"}))
    listing, _ = await error_of(two.rig.controller.list_volumes(csi.ListVolumesRequest()))
    probe = await two.rig.identity.probe(csi.ProbeRequest())

    assert volume.volume_id == NAME
    assert away is listing is Status.UNAVAILABLE
    assert probe.ready is True


async def test_the_capacity_is_that_of_the_device_in_reach(two: Two) -> None:
    async def capacity(**fields: Any) -> int:
        answer = await two.rig.controller.get_capacity(csi.GetCapacityRequest(**fields))
        return answer.available_capacity

    near = await capacity(accessible_topology=csi.Topology(segments={"zone": "b"}))
    far = await capacity(accessible_topology=csi.Topology(segments={"zone": "z"}))

    assert near == 10 * GIB
    assert far == 0


async def test_a_volume_of_a_device_that_is_not_configured_is_not_called_deleted(two: Two) -> None:
    deleting, message = await error_of(two.rig.delete(f"{NAME}@rack9"))
    publishing, _ = await error_of(two.rig.publish("worker-1", f"{NAME}@rack9"))
    await two.rig.unpublish("worker-1", f"{NAME}@rack9")

    assert deleting is Status.FAILED_PRECONDITION
    assert "no device is named rack9" in message
    assert publishing is Status.NOT_FOUND


async def test_topology_is_advertised_where_it_is_configured(two: Two, tmp_path: Path) -> None:
    request = csi.GetPluginCapabilitiesRequest()
    (tmp_path / "one").mkdir()

    with_topology = await two.rig.identity.get_plugin_capabilities(request)
    async with open_rig(tmp_path / "one") as one:
        without = await one.identity.get_plugin_capabilities(request)

    assert len(with_topology.capabilities) == len(without.capabilities) + 1


def test_a_devices_file_that_is_wrong_is_a_wrong_setting(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "devices.yaml"
    file.write_text("devices: [{rds-name: A}]")

    code = run([f"--rds-devices-file={file}", "--check-config"], {})

    assert code == 2
    complaint = capsys.readouterr().err
    assert "devices[0].rds-name: rds must be 1 to 32 lower-case letters" in complaint
    assert "exactly one device must have default: true" in complaint
