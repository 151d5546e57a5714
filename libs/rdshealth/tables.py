"""What a device's SNMP tables say of its hardware, as values. Pure.

Two tables are read: the gauges of MIKROTIK-MIB (mtxrGaugeTable), which have a name, a number and a
unit each, and the storages of HOST-RESOURCES-MIB (RFC 2790, hrStorageTable).
"""

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

Oid = tuple[int, ...]
Cells = Mapping[Oid, int | str]
"""What was read: by the number of the column and the index of the row."""

GAUGES: Oid = (1, 3, 6, 1, 4, 1, 14988, 1, 1, 3, 100, 1)
NAME, VALUE, UNIT = 2, 3, 4
GAUGE_COLUMNS = (NAME, VALUE, UNIT)

STORAGES: Oid = (1, 3, 6, 1, 2, 1, 25, 2, 3, 1)
DESCRIPTION, UNIT_BYTES, SIZE, USED = 3, 4, 5, 6
STORAGE_COLUMNS = (DESCRIPTION, UNIT_BYTES, SIZE, USED)

COUNT_LIMIT = 2**31
"""hrStorageSize and hrStorageUsed are signed 32-bit numbers of allocation units."""

_CELSIUS, _RPM, _DECIWATTS, _STATUS = 1, 2, 5, 6
"""mtxrGaugeUnit."""
_OK = 0
"""What a gauge of a state has while all is well; 1 is a failure (as other software takes it)."""

_CPU = "cpu-temperature"
_BOARD = re.compile(r"board-temperature(\d*)")
_FAN = re.compile(r"fan(\d*)-speed")
_PSU_TEMPERATURE = re.compile(r"psu(\d*)-temperature")
_PSU_POWER = re.compile(r"psu(\d*)-power(?:-consumption)?")
_PSU_STATE = re.compile(r"psu(\d*)-state")

_KNOWN_ROWS: Mapping[Oid, tuple[str, int]] = {
    (17,): (_CPU, _CELSIUS),
    (7001,): ("fan1-speed", _RPM),
    (7002,): ("fan2-speed", _RPM),
    (7101,): ("board-temperature1", _CELSIUS),
    (7401,): ("psu1-state", _STATUS),
    (7402,): ("psu2-state", _STATUS),
    (7501,): ("psu1-power", _DECIWATTS),
    (7502,): ("psu2-power", _DECIWATTS),
    (7601,): ("psu1-temperature", _CELSIUS),
    (7602,): ("psu2-temperature", _CELSIUS),
}
"""What rows are known to be, for agents that do not name them."""


@dataclass(frozen=True, slots=True)
class Storage:
    """A filesystem; a number is None where it cannot have been read right.

    Attributes:
        name: as the device calls it, without slashes around it.
        unit: bytes of an allocation unit.
        size: bytes.
        used: bytes.
    """

    name: str
    unit: int
    size: int | None
    used: int | None


@dataclass(frozen=True, slots=True)
class Hardware:
    """What sensors say; by the number of the fan or power supply, as a text."""

    cpu_temperature: float | None = None
    board_temperatures: Mapping[str, float] = field(default_factory=dict)
    fan_speeds: Mapping[str, float] = field(default_factory=dict)
    psu_temperatures: Mapping[str, float] = field(default_factory=dict)
    psu_watts: Mapping[str, float] = field(default_factory=dict)
    psu_states: Mapping[str, bool] = field(default_factory=dict)
    storages: tuple[Storage, ...] = ()


def parse_hardware(gauges: Cells, storages: Cells) -> Hardware:
    """Make values of both tables; rows that are unknown or make no sense are left out."""
    cpu: float | None = None
    numbered: dict[re.Pattern[str], dict[str, float]] = defaultdict(dict)
    for index, row in _rows(gauges).items():
        name, unit = _meaning(index, row)
        value = row.get(VALUE)
        if not isinstance(value, int):
            continue
        if unit == _CELSIUS and name == _CPU:
            cpu = float(value)
        for pattern, wanted, scale in _KINDS:
            match = pattern.fullmatch(name)
            if match and unit == wanted:
                numbered[pattern][match[1] or "1"] = value / scale
    return Hardware(
        cpu_temperature=cpu,
        board_temperatures=numbered[_BOARD],
        fan_speeds=numbered[_FAN],
        psu_temperatures=numbered[_PSU_TEMPERATURE],
        psu_watts=numbered[_PSU_POWER],
        psu_states={psu: state == _OK for psu, state in numbered[_PSU_STATE].items()},
        storages=_storages(storages),
    )


_KINDS = (
    (_BOARD, _CELSIUS, 1),
    (_FAN, _RPM, 1),
    (_PSU_TEMPERATURE, _CELSIUS, 1),
    (_PSU_POWER, _DECIWATTS, 10),
    (_PSU_STATE, _STATUS, 1),
)


def _meaning(index: Oid, row: Mapping[int, int | str]) -> tuple[str, int]:
    name, unit = _KNOWN_ROWS.get(index, ("", 0))
    said_name, said_unit = row.get(NAME), row.get(UNIT)
    return (
        said_name if isinstance(said_name, str) and said_name else name,
        said_unit if isinstance(said_unit, int) else unit,
    )


def _storages(cells: Cells) -> tuple[Storage, ...]:
    found = []
    for row in _rows(cells).values():
        name, unit = row.get(DESCRIPTION), row.get(UNIT_BYTES)
        if isinstance(name, str) and isinstance(unit, int) and unit > 0:
            size, used = _bytes(row.get(SIZE), unit), _bytes(row.get(USED), unit)
            found.append(Storage(name.strip("/"), unit, size, used))
    return tuple(found)


def _bytes(count: int | str | None, unit: int) -> int | None:
    # One that is negative has overflowed.
    return count * unit if isinstance(count, int) and count >= 0 else None


def _rows(cells: Cells) -> dict[Oid, dict[int, int | str]]:
    rows: dict[Oid, dict[int, int | str]] = defaultdict(dict)
    for (column, *index), value in cells.items():
        rows[tuple(index)][column] = value
    return rows
