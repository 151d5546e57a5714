"""What SNMP's tables mean."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.rdshealth.tables import Cells, parse_hardware


def gauge(index: int, name: str, value: int, unit: int) -> dict[tuple[int, ...], int | str]:
    return {(2, index): name, (3, index): value, (4, index): unit}


def storage(name: str, unit: int, size: int, used: int) -> dict[tuple[int, ...], int | str]:
    return {(3, 9): name, (4, 9): unit, (5, 9): size, (6, 9): used}


def test_gauges_are_known_by_their_names_wherever_they_stand() -> None:
    cells = gauge(1, "fan3-speed", 5000, 2) | gauge(2, "psu2-power", 1420, 5)
    cells |= gauge(3, "board-temperature2", 29, 1) | gauge(4, "cpu-temperature", 61, 1)

    hardware = parse_hardware(cells, {})

    assert hardware.fan_speeds == {"3": 5000}
    assert hardware.psu_watts == {"2": 142.0}
    assert hardware.board_temperatures == {"2": 29}
    assert hardware.cpu_temperature == 61


def test_rows_without_names_are_known_by_their_index() -> None:
    hardware = parse_hardware({(3, 17): 45, (3, 7001): 7500, (3, 7402): 1}, {})

    assert hardware.cpu_temperature == 45
    assert hardware.fan_speeds == {"1": 7500}
    assert hardware.psu_states == {"2": False}


def test_a_gauge_in_another_unit_is_not_taken_for_what_it_is_not() -> None:
    hardware = parse_hardware(gauge(17, "cpu-temperature", 120, 3), {})

    assert hardware.cpu_temperature is None


def test_a_size_that_went_below_nothing_is_not_known() -> None:
    (found,) = parse_hardware({}, storage("/raid10", 1024, -5, 70)).storages

    assert (found.name, found.size, found.used) == ("raid10", None, 70 * 1024)


@pytest.mark.parametrize("unit", [0, -1])
def test_a_storage_without_a_unit_is_left_out(unit: int) -> None:
    assert parse_hardware({}, storage("raid10", unit, 5, 5)).storages == ()


cells = st.dictionaries(
    st.lists(st.integers(0, 8000), min_size=1, max_size=3).map(tuple),
    st.integers() | st.sampled_from(["cpu-temperature", "psu1-state", "fan-speed", ""]),
)


@given(cells, cells)
def test_no_table_is_too_odd_to_be_read(gauges: Cells, storages: Cells) -> None:
    hardware = parse_hardware(gauges, storages)

    assert all(storage.unit > 0 for storage in hardware.storages)
