"""For the one who looks after the device: is it well, is there room, is it busy?"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.monitoring.dashboards.panels import (
    AMBER,
    GREEN,
    RED,
    Dashboard,
    Panel,
    Query,
    Section,
    Variable,
)

Steps = Sequence[tuple[str, float | None]]

_DEVICE = '{device="$device"}'
_NO_VOLUMES = '{device="$device", slot!~"(pvc|vol)-.*"}'


def _stat(title: str, about: str, expr: str, steps: Steps, **more: Any) -> Panel:
    panel = Panel("stat", title, about, [Query(expr)], width=4, height=4, steps=steps)
    return replace(panel, **more)


def _series(title: str, about: str, expr: str, legend: str, unit: str = "short") -> Panel:
    return Panel("timeseries", title, about, [Query(expr, legend)], unit)


_STATE = Section(
    "Now",
    (
        _stat(
            "Connection",
            "Whether any controller is connected over SSH.",
            f"max(rds_csi_rds_connection_state{_DEVICE})",
            ((RED, None), (GREEN, 1)),
            words={0: "away", 1: "connected"},
        ),
        _stat(
            "Arrays",
            "Arrays that lack a member, or are still filling one in.",
            f"sum(max by (slot) (rds_raid_degraded{_DEVICE}))",
            ((GREEN, None), (RED, 1)),
            words={0: "whole"},
        ),
        _stat(
            "Fullest pool",
            "How full the fullest pool is. An alert warns at 85 %, and wakes somebody at 95 %.",
            f"max(1 - rds_pool_free_bytes{_DEVICE} / rds_pool_size_bytes{_DEVICE})",
            ((GREEN, None), (AMBER, 0.85), (RED, 0.95)),
            unit="percentunit",
        ),
        _stat(
            "Power supplies",
            "Whether all power supplies are all right.",
            f"min(rds_hardware_psu_state{_DEVICE})",
            ((RED, None), (GREEN, 1)),
            words={0: "one failed", 1: "all right"},
        ),
        _stat(
            "Hottest drive",
            "By SMART.",
            f"max(rds_disk_temperature_celsius{_DEVICE})",
            ((GREEN, None), (AMBER, 60), (RED, 70)),
            unit="celsius",
        ),
        _stat(
            "Most worn drive",
            "Share of the rated life that is used, by SMART.",
            f"max(rds_disk_wear_ratio{_DEVICE})",
            ((GREEN, None), (AMBER, 0.8), (RED, 0.9)),
            unit="percentunit",
        ),
    ),
)

_STORAGE = Section(
    "Pools and disks",
    (
        Panel(
            "timeseries",
            "Pools: used",
            "Share of each pool that is used.",
            [
                Query(
                    "max by (pool) "
                    f"(1 - rds_pool_free_bytes{_DEVICE} / rds_pool_size_bytes{_DEVICE})",
                    "{{pool}}",
                )
            ],
            "percentunit",
            most=1,
        ),
        _series(
            "Pools: free",
            "Free bytes of each pool.",
            f"min by (pool) (rds_pool_free_bytes{_DEVICE})",
            "{{pool}}",
            "bytes",
        ),
        _series(
            "Arrays: states",
            "States that arrays are in: clean, resync, degraded, failed.",
            f"max by (slot, state) (rds_raid_state{_DEVICE}) == 1",
            "{{slot}} {{state}}",
        ),
        Panel(
            "timeseries",
            "Throughput",
            "Bytes a second of disks that are no volumes, as the device measures.",
            [
                Query(
                    f"max by (slot) (rds_disk_read_bytes_per_second{_NO_VOLUMES})", "{{slot}} read"
                ),
                Query(
                    f"max by (slot) (rds_disk_write_bytes_per_second{_NO_VOLUMES})",
                    "{{slot}} written",
                ),
            ],
            "Bps",
        ),
        Panel(
            "timeseries",
            "Operations",
            "Reads and writes a second of disks that are no volumes.",
            [
                Query(
                    f"max by (slot) (rds_disk_read_ops_per_second{_NO_VOLUMES})", "{{slot}} reads"
                ),
                Query(
                    f"max by (slot) (rds_disk_write_ops_per_second{_NO_VOLUMES})",
                    "{{slot}} writes",
                ),
            ],
            "iops",
        ),
        _series(
            "I/O errors",
            "Errors within an hour of disks that are no volumes.",
            f"max by (slot) (increase(rds_disk_io_errors_total{_DEVICE}[1h]))",
            "{{slot}}",
        ),
    ),
)

_HARDWARE = Section(
    "Hardware",
    (
        Panel(
            "timeseries",
            "Temperatures",
            "Drives by SMART; the board, the CPU and power supplies by SNMP.",
            [
                Query(f"max by (slot) (rds_disk_temperature_celsius{_DEVICE})", "{{slot}}"),
                Query(f"max(rds_hardware_cpu_temperature_celsius{_DEVICE})", "CPU"),
                Query(
                    f"max by (sensor) (rds_hardware_board_temperature_celsius{_DEVICE})",
                    "board {{sensor}}",
                ),
                Query(
                    f"max by (psu) (rds_hardware_psu_temperature_celsius{_DEVICE})", "PSU {{psu}}"
                ),
            ],
            "celsius",
        ),
        _series(
            "Fans",
            "Rounds a minute.",
            f"max by (fan) (rds_hardware_fan_speed_rpm{_DEVICE})",
            "fan {{fan}}",
            "rotrpm",
        ),
        _series(
            "Power",
            "What each power supply gives. With one at 0 the other bears everything.",
            f"max by (psu) (rds_hardware_psu_power_watts{_DEVICE})",
            "PSU {{psu}}",
            "watt",
        ),
    ),
)

_COMMANDS = Section(
    "Commands over SSH",
    (
        Panel(
            "timeseries",
            "Commands",
            "Commands a second by what they are for; round trips carry several of them.",
            [
                Query(
                    "sum by (command) (rate("
                    f"rds_csi_rds_commands_total{_DEVICE}[$__rate_interval]))",
                    "{{command}}",
                ),
                Query(
                    f"sum(rate(rds_csi_rds_round_trips_total{_DEVICE}[$__rate_interval]))",
                    "round trips",
                ),
            ],
            "ops",
        ),
        _series(
            "Commands that fail",
            "By what they are for and how they ended. Refusals are answers, too.",
            "sum by (command, result) (rate(rds_csi_rds_commands_total"
            '{device="$device", result!="ok"}[$__rate_interval]))',
            "{{command}} {{result}}",
            "ops",
        ),
        _series(
            "Duration, 95 %",
            "By what they are for, with the wait for a free channel.",
            "histogram_quantile(0.95, sum by (command, le) (rate("
            f"rds_csi_rds_command_duration_seconds_bucket{_DEVICE}[$__rate_interval])))",
            "{{command}}",
            "s",
        ),
        Panel(
            "timeseries",
            "Wait for a channel",
            "Above five seconds for ten minutes an alert fires: the queue is saturated.",
            [
                Query(
                    f"histogram_quantile({share}, sum by (le) (rate("
                    f"rds_csi_rds_queue_wait_seconds_bucket{_DEVICE}[$__rate_interval])))",
                    name,
                )
                for share, name in ((0.5, "50 %"), (0.95, "95 %"))
            ],
            "s",
        ),
        _series(
            "Channels in use",
            "Commands under way on the device, by controller; at most --rds-max-sessions (8).",
            f"rds_csi_rds_channels_in_flight{_DEVICE}",
            "{{instance}}",
        ),
        Panel(
            "timeseries",
            "Connections",
            "Whether each controller is connected, and how often it connected again in 5 min.",
            [
                Query(f"rds_csi_rds_connection_state{_DEVICE}", "{{instance}} connected"),
                Query(
                    f"increase(rds_csi_rds_reconnect_total{_DEVICE}[5m])",
                    "{{instance}} connected again",
                ),
            ],
        ),
    ),
)

DEVICE = Dashboard(
    "rds-csi-device",
    "RDS CSI: device health",
    "A ROSE Data Server: room, arrays, drives, hardware, and what it is asked to do.",
    (_STATE, _STORAGE, _HARDWARE, _COMMANDS),
    (Variable("device", "Device", "label_values(rds_csi_rds_connection_state, device)"),),
)
