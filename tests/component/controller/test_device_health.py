"""Each metric of a device's health, moved by its real cause over real SSH and real UDP."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.mockrds.faults import Action, Fault
from tests.component.controller.health_rig import TIB, Rig, open_rig


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
