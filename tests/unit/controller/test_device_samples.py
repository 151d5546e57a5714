"""What was read of a device's health, as metrics: what was not read is not there."""

import pytest

from libs.rdsclient.health import RAID_STATES, DiskHealth, DiskTraffic, Smart
from libs.rdshealth.tables import COUNT_LIMIT, Hardware, Storage
from services.controller.adapters.device_samples import (
    KINDS,
    Samples,
    of_disks,
    of_hardware,
    of_traffic,
    reader,
)

TRAFFIC = (
    "rds_disk_read_ops_per_second",
    "rds_disk_write_ops_per_second",
    "rds_disk_read_bytes_per_second",
    "rds_disk_write_bytes_per_second",
    "rds_disk_read_seconds",
    "rds_disk_write_seconds",
    "rds_disk_wait_seconds",
    "rds_disk_active_seconds",
    "rds_disk_in_flight_ops",
)
"""In the order of the fields of what is read."""


def test_of_what_was_not_read_there_is_no_sample() -> None:
    assert of_disks([DiskHealth("nvme1")]) == {}
    assert of_traffic([DiskTraffic("nvme1")]) == {}
    assert of_hardware(Hardware(), {}) == {}


def test_a_pool_has_its_size_its_room_and_what_is_used() -> None:
    samples = of_disks([DiskHealth("raid1", mount_point="raid10", size=100, free=40)])

    assert samples == {
        "rds_pool_size_bytes": {("raid10",): 100.0},
        "rds_pool_free_bytes": {("raid10",): 40.0},
        "rds_hardware_pool_size_bytes": {("raid10",): 100.0},
        "rds_hardware_pool_used_bytes": {("raid10",): 60.0},
    }


def test_what_is_used_is_told_only_where_size_and_room_are_known() -> None:
    disks = [DiskHealth("a", mount_point="a", size=100), DiskHealth("b", mount_point="b", free=40)]

    assert of_disks(disks) == {
        "rds_pool_size_bytes": {("a",): 100.0},
        "rds_pool_free_bytes": {("b",): 40.0},
    }


def test_an_array_has_a_sample_for_each_state_that_it_can_be_in() -> None:
    samples = of_disks([DiskHealth("raid1", states=frozenset({"resync"}), is_incomplete=True)])

    states = samples["rds_raid_state"]
    assert set(states) == {("raid1", state) for state in RAID_STATES}
    assert [labels for labels, value in states.items() if value] == [("raid1", "resync")]
    assert samples["rds_raid_degraded"] == {("raid1",): 1.0}


def test_what_a_drive_says_of_itself_comes_with_it() -> None:
    samples = of_disks([DiskHealth("nvme1", io_errors=2, smart=Smart(38.0, 0.03))])

    assert samples == {
        "rds_disk_io_errors_total": {("nvme1",): 2.0},
        "rds_disk_temperature_celsius": {("nvme1",): 38.0},
        "rds_disk_wear_ratio": {("nvme1",): 0.03},
    }


def test_traffic_is_told_by_disk() -> None:
    samples = of_traffic([DiskTraffic("a", *range(1, 10)), DiskTraffic("b", read_ops=0.0)])

    assert samples == {
        name: {("a",): number} | ({("b",): 0.0} if number == 1 else {})
        for number, name in enumerate(TRAFFIC, start=1)
    }


def test_sensors_are_told_by_their_number() -> None:
    hardware = Hardware(
        cpu_temperature=45.0,
        board_temperatures={"1": 36.0},
        fan_speeds={"1": 7500.0},
        psu_temperatures={"1": 33.0},
        psu_watts={"1": 142.0},
        psu_states={"1": True, "2": False},
    )

    assert of_hardware(hardware, {}) == {
        "rds_hardware_cpu_temperature_celsius": {(): 45.0},
        "rds_hardware_board_temperature_celsius": {("1",): 36.0},
        "rds_hardware_fan_speed_rpm": {("1",): 7500.0},
        "rds_hardware_psu_temperature_celsius": {("1",): 33.0},
        "rds_hardware_psu_power_watts": {("1",): 142.0},
        "rds_hardware_psu_state": {("1",): 1.0, ("2",): 0.0},
    }


@pytest.mark.parametrize(
    ("sizes", "told"),
    [
        (
            {"raid10": COUNT_LIMIT * 4096 - 1},
            {
                "rds_hardware_pool_size_bytes": {("raid10",): 1000.0},
                "rds_hardware_pool_used_bytes": {("raid10",): 10.0},
            },
        ),
        ({"raid10": COUNT_LIMIT * 4096}, {}),
        ({}, {}),
    ],
)
def test_a_count_that_may_have_overflowed_is_not_told(sizes: dict[str, int], told: Samples) -> None:
    hardware = Hardware(storages=(Storage("raid10", 4096, 1000, 10),))

    assert of_hardware(hardware, sizes) == told


def test_the_first_source_to_say_it_counts_for_each_device() -> None:
    first: Samples = {"m": {("x",): 1.0}}
    second: Samples = {"m": {("x",): 2.0, ("y",): 3.0}}

    read = reader("m", lambda: [("a", [first, second]), ("b", [{}])])

    assert read() == {("a", "x"): 1.0, ("a", "y"): 3.0}


def test_each_metric_has_its_labels_and_only_errors_are_counted() -> None:
    labels = {name: kind.labels for name, kind in KINDS.items()}
    counted = [name for name, kind in KINDS.items() if kind.is_counter]

    assert counted == ["rds_disk_io_errors_total"]
    assert labels == {
        **dict.fromkeys(TRAFFIC, ("slot",)),
        "rds_disk_temperature_celsius": ("slot",),
        "rds_disk_wear_ratio": ("slot",),
        "rds_disk_io_errors_total": ("slot",),
        "rds_pool_size_bytes": ("pool",),
        "rds_pool_free_bytes": ("pool",),
        "rds_raid_state": ("slot", "state"),
        "rds_raid_degraded": ("slot",),
        "rds_hardware_cpu_temperature_celsius": (),
        "rds_hardware_board_temperature_celsius": ("sensor",),
        "rds_hardware_fan_speed_rpm": ("fan",),
        "rds_hardware_psu_temperature_celsius": ("psu",),
        "rds_hardware_psu_power_watts": ("psu",),
        "rds_hardware_psu_state": ("psu",),
        "rds_hardware_pool_size_bytes": ("pool",),
        "rds_hardware_pool_used_bytes": ("pool",),
    }
