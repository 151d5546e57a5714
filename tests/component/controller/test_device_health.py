"""Each metric of a device's health, moved by its real cause over real SSH and real UDP."""

import asyncio
import contextlib
import dataclasses
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.mockrds.device import Device
from libs.mockrds.faults import Action, Fault
from libs.mockrds.files import Pool
from libs.mockrds.hardware import Drive, Hardware
from libs.mockrds.snmp import SnmpAccess, open_snmp
from libs.mockrds.testing import RunningDevice, running_device
from libs.ops.metrics import Metrics
from libs.rdsclient.client import RdsClient, open_rds
from libs.rdsclient.model import DiskSpec
from libs.rdshealth.config import SnmpConfig
from services.controller.adapters.device_health import DeviceHealth, HealthOptions
from tests.component.rdsclient.test_transport import config
from tests.unit.ops.scrape import parse_scrape

TIB = 2**40
PATIENT = HealthOptions(source_timeout=20.0)


@dataclass
class Rig:
    """A device with an array, a drive and sensors, and what Prometheus sees of it."""

    device: RunningDevice
    rds: RdsClient
    snmp: SnmpConfig
    metrics: Metrics
    health: DeviceHealth

    async def scrape(self) -> dict[str, float]:
        """Return the samples of health, by name and the values of their labels."""
        await self.health.refresh()
        return self.samples()

    def samples(self) -> dict[str, float]:
        families = parse_scrape(self.metrics.render()[0].decode())
        return {
            " ".join([name, *(value for label, value in labels if label != "device")]): number
            for family in families.values()
            for (name, labels), number in family.samples.items()
        }

    def asked(self, what: str) -> list[str]:
        return [done.line for done in self.device.execs if what in done.line]

    def change(self, **given: Mapping[str, object]) -> None:
        self.device.state.hardware.change(given)


@contextlib.asynccontextmanager
async def open_rig(
    path: Path, options: HealthOptions = PATIENT, version: str = "7.24.4 (stable)"
) -> AsyncIterator[Rig]:
    (path / "community").write_text("geheim")
    state = Device([Pool("raid10", TIB, used=TIB // 4)], version=version)
    state.hardware = Hardware(drives=[Drive(slot="nvme1"), Drive(slot="nvme2")])
    access = SnmpAccess(Secret("geheim"))
    metrics = Metrics()
    async with (
        running_device(state) as device,
        open_snmp(lambda: state, "127.0.0.1", 0, access) as port,
        open_rds(config(device)) as rds,
        contextlib.aclosing(DeviceHealth(metrics, options)) as health,
    ):
        snmp = SnmpConfig("127.0.0.1", port, community_file=path / "community", timeout=5.0)
        health.add("rds-1", rds, snmp)
        await rds.read_features()
        yield Rig(device, rds, snmp, metrics, health)


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_rig(tmp_path) as rig:
        yield rig


@pytest.mark.parametrize(
    ("metric", "cause", "value"),
    [
        ("rds_disk_read_ops_per_second raid10", {"read_ops": 1200}, 1200),
        ("rds_disk_write_ops_per_second raid10", {"write_ops": 90}, 90),
        ("rds_disk_read_bytes_per_second raid10", {"read_bits": 80_000_000}, 10_000_000),
        ("rds_disk_write_bytes_per_second raid10", {"write_bits": 1_600_000_000}, 200_000_000),
        ("rds_disk_read_seconds raid10", {"read_ms": 48_149}, 48.149),
        ("rds_disk_write_seconds raid10", {"write_ms": 7}, 0.007),
        ("rds_disk_wait_seconds raid10", {"wait_ms": 12}, 0.012),
        ("rds_disk_active_seconds raid10", {"active_ms": 900}, 0.9),
        ("rds_disk_in_flight_ops raid10", {"in_flight": 17}, 17),
    ],
)
async def test_traffic_moves_with_what_the_disk_is_busy_with(
    rig: Rig, metric: str, cause: dict[str, int], value: float
) -> None:
    before = await rig.scrape()
    rig.change(loads={"raid10": cause})

    after = await rig.scrape()

    assert before[metric] != value
    assert after[metric] == value


@pytest.mark.parametrize(
    ("metric", "cause", "value"),
    [
        ("rds_disk_temperature_celsius nvme1", {"temperature": 71}, 71),
        ("rds_disk_wear_ratio nvme1", {"wear": 88}, 0.88),
        ("rds_disk_io_errors_total nvme1", {"io_errors": 5}, 5),
    ],
)
async def test_a_drive_that_suffers_is_seen(
    rig: Rig, metric: str, cause: dict[str, int], value: float
) -> None:
    before = await rig.scrape()
    rig.change(drives={"nvme1": cause})

    after = await rig.scrape()

    assert before[metric] != value
    assert after[metric] == value


@pytest.mark.parametrize(
    ("metric", "cause", "value"),
    [
        ("rds_hardware_cpu_temperature_celsius", {"cpu_temperature": 93}, 93),
        ("rds_hardware_board_temperature_celsius 1", {"board_temperature": 60}, 60),
        ("rds_hardware_fan_speed_rpm 2", {"fan2": 0}, 0),
        ("rds_hardware_psu_temperature_celsius 1", {"psu1_temperature": 70}, 70),
        ("rds_hardware_psu_power_watts 1", {"psu1_deciwatts": 0}, 0),
        ("rds_hardware_psu_state 2", {"psu2_failed": True}, 0),
    ],
)
async def test_the_chassis_is_watched_over_snmp(
    rig: Rig, metric: str, cause: dict[str, int], value: float
) -> None:
    before = await rig.scrape()
    rig.change(sensors=cause)

    after = await rig.scrape()

    assert before[metric] != value
    assert after[metric] == value


async def test_an_array_that_loses_a_member_is_degraded_and_one_that_is_whole_is_not(
    rig: Rig,
) -> None:
    before = await rig.scrape()
    rig.device.state.pools[0].state = "clean, degraded"

    after = await rig.scrape()

    assert before["rds_raid_degraded raid10"] == 0
    assert after["rds_raid_degraded raid10"] == 1
    changed = {k for k in after if k.startswith("rds_raid_state") and before[k] != after[k]}
    assert changed == {"rds_raid_state raid10 degraded"}
    assert after["rds_raid_state raid10 clean"] == 1


async def test_a_pool_that_fills_up_is_seen_by_the_command_line_and_by_snmp(rig: Rig) -> None:
    before = await rig.scrape()
    rig.device.state.pools[0].used = TIB // 2

    by_command_line = await rig.scrape()
    rig.device.faults.add(Fault(Action.ERROR, "/disk/print", text="failure: broken"))
    by_snmp = await rig.scrape()

    assert before["rds_pool_free_bytes raid10"] == TIB - TIB // 4
    assert by_command_line["rds_pool_free_bytes raid10"] == TIB // 2
    assert by_command_line["rds_hardware_pool_used_bytes raid10"] == TIB // 2
    assert "rds_pool_free_bytes raid10" not in by_snmp
    assert by_snmp["rds_hardware_pool_used_bytes raid10"] == TIB // 2
    assert by_snmp["rds_hardware_pool_size_bytes raid10"] == TIB


async def test_a_pool_too_large_for_snmp_has_no_size_rather_than_a_wrong_one(rig: Rig) -> None:
    rig.device.state.pools[0].size = 16 * TIB
    before = await rig.scrape()
    rig.device.faults.add(Fault(Action.ERROR, "/disk/print", text="failure: broken"))

    after = await rig.scrape()

    assert before["rds_hardware_pool_size_bytes raid10"] == 16 * TIB
    assert "rds_hardware_pool_size_bytes raid10" not in after


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


async def test_a_source_that_hangs_takes_its_own_values_and_no_others(tmp_path: Path) -> None:
    async with open_rig(tmp_path, HealthOptions(source_timeout=1.0)) as rig:
        before = await rig.scrape()
        rig.device.faults.add(Fault(Action.HANG, "monitor-traffic"))
        async with asyncio.timeout(15):
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
    options = HealthOptions(source_timeout=20.0, volume_prefixes=("pvc-",), max_volumes=3)
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
    options = HealthOptions(source_timeout=20.0, forget_after=0.0)
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
