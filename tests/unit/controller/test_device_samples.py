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


def test_of_what_was_not_read_there_is_no_sample() -> None:
    assert of_disks([DiskHealth("nvme1")]) == {}
    assert of_traffic([DiskTraffic("nvme1")]) == {}
    assert of_hardware(Hardware(), {}) == {}


def test_a_pool_has_its_size_its_room_and_what_is_used() -> None:
    samples = of_disks([DiskHealth("raid1", mount_point="raid10", size=100, free=40)])

    assert samples["rds_pool_free_bytes"] == {("raid10",): 40.0}
    assert samples["rds_hardware_pool_used_bytes"] == {("raid10",): 60.0}


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
    samples = of_traffic([DiskTraffic("nvme1", read_ops=7.0), DiskTraffic("nvme2", read_ops=0.0)])

    assert samples == {"rds_disk_read_ops_per_second": {("nvme1",): 7.0, ("nvme2",): 0.0}}


def test_sensors_are_told_by_their_number() -> None:
    hardware = Hardware(cpu_temperature=45.0, fan_speeds={"1": 7500.0}, psu_states={"2": False})

    assert of_hardware(hardware, {}) == {
        "rds_hardware_cpu_temperature_celsius": {(): 45.0},
        "rds_hardware_fan_speed_rpm": {("1",): 7500.0},
        "rds_hardware_psu_state": {("2",): 0.0},
    }


@pytest.mark.parametrize(
    ("sizes", "is_told"),
    [
        ({"raid10": COUNT_LIMIT * 4096 - 1}, True),
        ({"raid10": COUNT_LIMIT * 4096}, False),
        ({}, False),
    ],
)
def test_a_count_that_may_have_overflowed_is_not_told(
    sizes: dict[str, int],
    is_told: bool,  # noqa: FBT001 (an expectation)
) -> None:
    hardware = Hardware(storages=(Storage("raid10", 4096, 1000, 10),))

    samples = of_hardware(hardware, sizes)

    assert ("rds_hardware_pool_used_bytes" in samples) is is_told


def test_the_first_source_to_say_it_counts_for_each_device() -> None:
    first: Samples = {"m": {("x",): 1.0}}
    second: Samples = {"m": {("x",): 2.0, ("y",): 3.0}}

    read = reader("m", lambda: [("a", [first, second]), ("b", [{}])])

    assert read() == {("a", "x"): 1.0, ("a", "y"): 3.0}


def test_all_that_is_sampled_is_a_metric_with_its_labels() -> None:
    disks = [DiskHealth("d", "raid", "p", 2, 1, frozenset({"clean"}), io_errors=0)]
    traffic = [DiskTraffic("d", *[1.0] * 9)]

    samples = of_disks(disks) | of_traffic(traffic)

    assert {name: len(next(iter(found))) for name, found in samples.items()} == {
        name: len(KINDS[name].labels) for name in samples
    }
