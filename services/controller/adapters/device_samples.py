"""What was read of a device's health, as the samples of metrics. Pure.

What could not be read has no sample: a 0 would be taken for a measurement.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from libs.rdsclient.health import RAID_STATES, DiskHealth, DiskTraffic, Smart
from libs.rdshealth.tables import COUNT_LIMIT, Hardware, Storage

Samples = dict[str, dict[tuple[str, ...], float]]
"""By name of a metric: numbers by the values of its labels, but for the device."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A metric: what its help text says, and its labels but for the device."""

    text: str
    labels: tuple[str, ...]
    is_counter: bool = False


_SLOT, _POOL, _PSU = ("slot",), ("pool",), ("psu",)

KINDS: Mapping[str, Kind] = {
    "rds_disk_read_ops_per_second": Kind("Reads a second, as the device measures.", _SLOT),
    "rds_disk_write_ops_per_second": Kind("Writes a second, as the device measures.", _SLOT),
    "rds_disk_read_bytes_per_second": Kind("Bytes read a second.", _SLOT),
    "rds_disk_write_bytes_per_second": Kind("Bytes written a second.", _SLOT),
    "rds_disk_read_seconds": Kind("The read time of monitor-traffic.", _SLOT),
    "rds_disk_write_seconds": Kind("The write time of monitor-traffic.", _SLOT),
    "rds_disk_wait_seconds": Kind("The wait time of monitor-traffic.", _SLOT),
    "rds_disk_active_seconds": Kind("The active time of monitor-traffic.", _SLOT),
    "rds_disk_in_flight_ops": Kind("Operations that a disk has in hand.", _SLOT),
    "rds_disk_temperature_celsius": Kind("A drive's temperature, by SMART.", _SLOT),
    "rds_disk_wear_ratio": Kind("Share of a drive's rated life that is used, by SMART.", _SLOT),
    "rds_disk_io_errors_total": Kind(
        "I/O errors of a disk that is no volume.", _SLOT, is_counter=True
    ),
    "rds_pool_size_bytes": Kind("Size of a mounted pool.", _POOL),
    "rds_pool_free_bytes": Kind("Free bytes of a mounted pool.", _POOL),
    "rds_raid_state": Kind("Which states of an array hold (1) and do not (0).", ("slot", "state")),
    "rds_raid_degraded": Kind(
        "Whether an array lacks a member, or is still filling one in (1), or not (0).", _SLOT
    ),
    "rds_hardware_cpu_temperature_celsius": Kind("Temperature of the CPU.", ()),
    "rds_hardware_board_temperature_celsius": Kind("Temperature of the board.", ("sensor",)),
    "rds_hardware_fan_speed_rpm": Kind("Rounds a minute of a fan.", ("fan",)),
    "rds_hardware_psu_temperature_celsius": Kind("Temperature of a power supply.", _PSU),
    "rds_hardware_psu_power_watts": Kind("Watts that a power supply gives.", _PSU),
    "rds_hardware_psu_state": Kind("Whether a power supply is all right (1) or not (0).", _PSU),
    "rds_hardware_pool_size_bytes": Kind(
        "Size of a pool, by SNMP where its numbers are large enough for it.", _POOL
    ),
    "rds_hardware_pool_used_bytes": Kind(
        "Used bytes of a pool, by SNMP where its numbers are large enough for it.", _POOL
    ),
}
"""All metrics of health; each has the label `device`, too."""


def of_disks(disks: Iterable[DiskHealth]) -> Samples:
    """Return what a listing says of pools, arrays and drives."""
    samples: Samples = {}
    for disk in disks:
        slot, pool = (disk.slot,), (disk.mount_point,)
        _put(samples, "rds_disk_io_errors_total", slot, disk.io_errors)
        _put(samples, "rds_raid_degraded", slot, disk.is_incomplete)
        for state in RAID_STATES if disk.states else ():
            _put(samples, "rds_raid_state", (disk.slot, state), state in disk.states)
        _put(samples, "rds_pool_size_bytes", pool, disk.size)
        _put(samples, "rds_pool_free_bytes", pool, disk.free)
        if disk.size is not None and disk.free is not None:
            _put(samples, "rds_hardware_pool_size_bytes", pool, disk.size)
            _put(samples, "rds_hardware_pool_used_bytes", pool, disk.size - disk.free)
    return samples | of_smart({disk.slot: disk.smart for disk in disks})


def of_smart(drives: Mapping[str, Smart]) -> Samples:
    """Return what drives say of themselves."""
    samples: Samples = {}
    for slot, smart in drives.items():
        _put(samples, "rds_disk_temperature_celsius", (slot,), smart.temperature)
        _put(samples, "rds_disk_wear_ratio", (slot,), smart.wear)
    return samples


def of_traffic(disks: Iterable[DiskTraffic]) -> Samples:
    """Return what disks are busy with."""
    samples: Samples = {}
    for disk in disks:
        slot = (disk.slot,)
        _put(samples, "rds_disk_read_ops_per_second", slot, disk.read_ops)
        _put(samples, "rds_disk_write_ops_per_second", slot, disk.write_ops)
        _put(samples, "rds_disk_read_bytes_per_second", slot, disk.read_bytes)
        _put(samples, "rds_disk_write_bytes_per_second", slot, disk.write_bytes)
        _put(samples, "rds_disk_read_seconds", slot, disk.read_seconds)
        _put(samples, "rds_disk_write_seconds", slot, disk.write_seconds)
        _put(samples, "rds_disk_wait_seconds", slot, disk.wait_seconds)
        _put(samples, "rds_disk_active_seconds", slot, disk.active_seconds)
        _put(samples, "rds_disk_in_flight_ops", slot, disk.in_flight)
    return samples


def of_hardware(hardware: Hardware, sizes: Mapping[str, int]) -> Samples:
    """Return what sensors and storages say over SNMP.

    Args:
        hardware: what was read.
        sizes: bytes of each pool as the command line once said it. A count of 32 bits that has
            overflowed looks like any other, so without its size a pool's counts prove nothing.
    """
    samples: Samples = {}
    _put(samples, "rds_hardware_cpu_temperature_celsius", (), hardware.cpu_temperature)
    for name, numbers in (
        ("rds_hardware_board_temperature_celsius", hardware.board_temperatures),
        ("rds_hardware_fan_speed_rpm", hardware.fan_speeds),
        ("rds_hardware_psu_temperature_celsius", hardware.psu_temperatures),
        ("rds_hardware_psu_power_watts", hardware.psu_watts),
        ("rds_hardware_psu_state", hardware.psu_states),
    ):
        for number, value in numbers.items():
            _put(samples, name, (number,), value)
    for storage in _countable(hardware.storages, sizes):
        _put(samples, "rds_hardware_pool_size_bytes", (storage.name,), storage.size)
        _put(samples, "rds_hardware_pool_used_bytes", (storage.name,), storage.used)
    return samples


def _countable(storages: Iterable[Storage], sizes: Mapping[str, int]) -> Iterator[Storage]:
    for storage in storages:
        size = sizes.get(storage.name)
        if size is not None and size < COUNT_LIMIT * storage.unit:
            yield storage


def _put(samples: Samples, name: str, labels: tuple[str, ...], value: float | None) -> None:
    if value is not None:
        samples.setdefault(name, {})[labels] = float(value)


def reader(
    name: str, devices: Callable[[], Iterable[tuple[str, Iterable[Samples]]]]
) -> Callable[[], dict[tuple[str, ...], float]]:
    """Return what reads one metric of all devices when it is scraped.

    Args:
        name: the metric's.
        devices: the name of each device, and its samples, of which the first to say it counts.
    """

    def read() -> dict[tuple[str, ...], float]:
        found: dict[tuple[str, ...], float] = {}
        for device, sources in devices():
            for samples in sources:
                for labels, value in samples.get(name, {}).items():
                    found.setdefault((device, *labels), value)
        return found

    return read
