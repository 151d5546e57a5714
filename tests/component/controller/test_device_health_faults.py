"""Health where a source fails, hangs or is gone, and what reading it costs."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.mockrds.faults import Action, Fault
from libs.ops.metrics import Metrics
from libs.rdsclient.client import RdsClient
from libs.rdsclient.model import DiskSpec
from services.controller.adapters.device_health import DeviceHealth, HealthOptions
from tests.component.controller.health_rig import PATIENT, Rig, open_rig
from tests.waiting import PATIENCE


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        yield rig


async def test_drives_that_the_listing_does_not_tell_of_are_asked_themselves(rig: Rig) -> None:
    rig.change(drives={"nvme1": {"is_listed": False, "temperature": 55, "wear": 12}})

    samples = await rig.scrape()

    assert samples["rds_disk_temperature_celsius nvme1"] == 55
    assert samples["rds_disk_wear_ratio nvme1"] == 0.12
    assert samples["rds_disk_temperature_celsius nvme2"] == 38
    assert len(rig.asked("smart-info")) == 1
    assert "nvme2" not in rig.asked("smart-info")[0]


async def test_a_release_without_smart_info_is_not_asked_for_it(tmp_path: Path) -> None:
    async with open_rig(tmp_path, version="7.22 (stable)") as rig:
        rig.change(drives={"nvme1": {"is_listed": False}})

        samples = await rig.scrape()

    assert "rds_disk_temperature_celsius nvme1" not in samples
    assert samples["rds_disk_temperature_celsius nvme2"] == 38
    assert rig.asked("smart-info") == []


async def test_smart_info_that_does_not_work_is_not_asked_for_with_every_scrape(rig: Rig) -> None:
    rig.change(drives={"nvme1": {"is_listed": False}})
    rig.device.faults.add(Fault(Action.ERROR, "smart-info", text="syntax error (line 1 column 8)"))

    first = await rig.scrape()
    second = await rig.scrape()

    assert first["rds_csi_rds_health_source_up smart"] == 0
    assert second["rds_csi_rds_health_source_up smart"] == 0
    assert len(rig.asked("smart-info")) == 1


async def test_one_disk_that_cannot_be_read_does_not_take_the_others_with_it(rig: Rig) -> None:
    await rig.scrape()
    rig.change(drives={"nvme1": None})
    # The listing still has it when its traffic is asked for: it was pulled in between.
    listing = '[{"slot":"nvme1","type":"hardware"},{"slot":"nvme2","type":"hardware"}]'
    rig.device.faults.add(Fault(Action.GARBAGE, "/disk/print", text=listing))

    samples = await rig.scrape()

    assert "rds_disk_write_ops_per_second nvme1" not in samples
    assert samples["rds_disk_write_ops_per_second nvme2"] == 12


@pytest.mark.slow
async def test_a_source_that_hangs_takes_its_own_values_and_no_others(tmp_path: Path) -> None:
    async with open_rig(
        tmp_path, HealthOptions(source_timeout=10.0)
    ) as rig:  # the others are in time
        before = await rig.scrape()
        rig.device.faults.add(Fault(Action.HANG, "monitor-traffic"))
        async with asyncio.timeout(PATIENCE):
            after = await rig.scrape()
        again = await rig.scrape()

    gone = {name.split()[0] for name in before if name not in after}
    assert gone == {name for name in gone if name.startswith("rds_disk_")}
    assert "rds_disk_write_ops_per_second" in gone
    assert after["rds_disk_temperature_celsius nvme1"] == 38
    assert after["rds_hardware_cpu_temperature_celsius"] == 45
    assert after["rds_csi_rds_health_source_up traffic"] == 0
    assert again["rds_csi_rds_health_source_up traffic"] == 1
    assert again.keys() == before.keys()


async def test_without_the_device_there_are_no_values_and_no_zeros(rig: Rig) -> None:
    await rig.scrape()
    async with rig.device.mock.restarting():
        while rig.rds.is_ready:  # noqa: ASYNC110 (until it is noticed)
            await asyncio.sleep(0.01)

        samples = await rig.scrape()

    assert not [name for name in samples if name.startswith(("rds_disk", "rds_pool", "rds_raid"))]
    assert samples["rds_csi_rds_health_source_up disks"] == 0
    assert samples["rds_hardware_cpu_temperature_celsius"] == 45


async def test_without_snmp_configured_there_is_nothing_of_it(tmp_path: Path) -> None:
    async with open_rig(tmp_path) as rig:
        metrics = Metrics()
        health = DeviceHealth(metrics, PATIENT)
        health.add("rds-1", rig.rds)

        await dataclasses.replace(rig, metrics=metrics, health=health).scrape()

    text = metrics.render()[0].decode()
    assert 'source="snmp"' not in text
    assert "rds_hardware_cpu_temperature_celsius{" not in text


async def add_volumes(rds: RdsClient, count: int) -> None:
    for name in (f"pvc-{i}" for i in range(count)):
        path = DevicePath.parse(f"/raid10/{name}.img")
        await rds.ensure_disk(DiskSpec(Slot(name), path, 2**24, Nqn(f"nqn.2000-02.x:{name}"), 4420))


async def test_volumes_cost_nothing_unless_they_are_asked_for(rig: Rig) -> None:
    before = await rig.scrape()
    await add_volumes(rig.rds, 3)
    round_trips = rig.rds.round_trips

    after = await rig.scrape()

    assert after.keys() == before.keys()
    assert rig.rds.round_trips == round_trips + 2


async def test_the_traffic_of_volumes_is_read_where_they_are_few_enough(tmp_path: Path) -> None:
    options = HealthOptions(source_timeout=PATIENCE, volume_prefixes=("pvc-",), max_volumes=3)
    async with open_rig(tmp_path, options) as rig:
        await add_volumes(rig.rds, 3)
        rig.change(loads={"pvc-1": {"read_ops": 77}})
        few = await rig.scrape()
        await add_volumes(rig.rds, 4)

        many = await rig.scrape()

    assert few["rds_disk_read_ops_per_second pvc-1"] == 77
    assert not [name for name in many if "pvc-" in name]
    assert many["rds_csi_rds_health_source_up volumes"] == 0
    assert many["rds_disk_write_ops_per_second raid10"] == 12


async def test_what_is_too_old_is_not_shown_while_it_is_read_anew(tmp_path: Path) -> None:
    options = HealthOptions(source_timeout=PATIENCE, forget_after=0.0)
    async with open_rig(tmp_path, options) as rig:
        await rig.scrape()
        rig.device.faults.add(Fault(Action.HANG, "/disk/print"))
        execs = len(rig.device.execs)
        refreshing = asyncio.create_task(rig.health.refresh())
        while len(rig.device.execs) == execs:  # noqa: ASYNC110 (it tells nobody)
            await asyncio.sleep(0)

        samples = rig.samples()
        refreshing.cancel()

    assert not [name for name in samples if name.startswith(("rds_disk", "rds_pool", "rds_raid"))]


async def test_after_the_end_the_device_is_not_asked_any_more(rig: Rig) -> None:
    await rig.scrape()
    await rig.health.aclose()
    execs = len(rig.device.execs)

    await rig.health.refresh()

    assert len(rig.device.execs) == execs
