"""Each row and cell of SNMP's tables, as it should be and as it should not."""

import pytest

from libs.rdshealth import tables
from libs.rdshealth.tables import Cells, Hardware, Storage, parse_hardware

Rows = dict[tuple[int, ...], int | str]


def gauge(name: int | str, value: int | str, unit: int | str, row: tuple[int, ...] = (1,)) -> Rows:
    return {(2, *row): name, (3, *row): value, (4, *row): unit}


def storage(name: int | str, unit: int | str, size: int | str, used: int | str) -> Rows:
    return {(3, 9): name, (4, 9): unit, (5, 9): size, (6, 9): used}


def test_the_tables_and_their_columns_are_where_the_mibs_say() -> None:
    assert tables.GAUGES == (1, 3, 6, 1, 4, 1, 14988, 1, 1, 3, 100, 1)
    assert tables.GAUGE_COLUMNS == (2, 3, 4)
    assert tables.STORAGES == (1, 3, 6, 1, 2, 1, 25, 2, 3, 1)
    assert tables.STORAGE_COLUMNS == (3, 4, 5, 6)
    assert tables.COUNT_LIMIT == 2_147_483_648


def test_every_row_that_is_known_has_its_meaning_without_a_name_or_unit() -> None:
    numbers = (17, 7001, 7002, 7101, 7401, 7402, 7501, 7502, 7601, 7602)
    values = (61, 5000, 5100, 29, 0, 1, 1420, 155, 33, 34)

    hardware = parse_hardware(
        {(3, row): value for row, value in zip(numbers, values, strict=True)}, {}
    )

    assert hardware == Hardware(
        cpu_temperature=61.0,
        board_temperatures={"1": 29.0},
        fan_speeds={"1": 5000.0, "2": 5100.0},
        psu_temperatures={"1": 33.0, "2": 34.0},
        psu_watts={"1": 142.0, "2": 15.5},
        psu_states={"1": True, "2": False},
        storages=(),
    )


@pytest.mark.parametrize(
    ("name", "unit", "hardware"),
    [
        ("cpu-temperature", 1, Hardware(cpu_temperature=50.0)),
        ("board-temperature", 1, Hardware(board_temperatures={"1": 50.0})),
        ("board-temperature12", 1, Hardware(board_temperatures={"12": 50.0})),
        ("fan-speed", 2, Hardware(fan_speeds={"1": 50.0})),
        ("fan4-speed", 2, Hardware(fan_speeds={"4": 50.0})),
        ("psu-temperature", 1, Hardware(psu_temperatures={"1": 50.0})),
        ("psu3-temperature", 1, Hardware(psu_temperatures={"3": 50.0})),
        ("psu-power", 5, Hardware(psu_watts={"1": 5.0})),
        ("psu2-power-consumption", 5, Hardware(psu_watts={"2": 5.0})),
        ("psu-state", 6, Hardware(psu_states={"1": False})),
        ("psu2-state", 6, Hardware(psu_states={"2": False})),
    ],
)
def test_a_gauge_means_what_its_name_says_in_its_own_unit_and_nothing_in_another(
    name: str, unit: int, hardware: Hardware
) -> None:
    assert parse_hardware(gauge(name, 50, unit), {}) == hardware
    for other in {1, 2, 3, 4, 5, 6} - {unit}:
        assert parse_hardware(gauge(name, 50, other), {}) == Hardware()


@pytest.mark.parametrize(
    "cells",
    [
        gauge("cpu-temperature2", 50, 1),
        gauge("my-cpu-temperature", 50, 1),
        gauge("fan1-speedy", 50, 2),
        gauge("a-fan1-speed", 50, 2),
        gauge("psu1-power-factor", 50, 5),
        gauge("fan1-speed", "50", 2),
        # A name alone does not tell what the number is.
        {(2, 5): "cpu-temperature", (3, 5): 50},
        {(2, 17, 1): "cpu-temperature", (3, 17, 1): 50},
        {(3, 17, 1): 50},
        {(2, 17): "cpu-temperature", (4, 17): 1},
    ],
)
def test_a_gauge_that_is_not_quite_a_known_one_is_left_out(cells: Cells) -> None:
    assert parse_hardware(cells, {}) == Hardware()


@pytest.mark.parametrize(
    "said", [{(2, 17): ""}, {(2, 17): 7}, {(4, 17): "1"}, {(2, 17): "cpu-temperature"}]
)
def test_a_known_row_keeps_its_meaning_where_the_agent_says_nothing_else(said: Rows) -> None:
    assert parse_hardware({(3, 17): 50} | said, {}) == Hardware(cpu_temperature=50.0)


@pytest.mark.parametrize(
    ("cells", "storages"),
    [
        (storage("/raid10/", 4096, 10, 3), (Storage("raid10", 4096, 40960, 12288),)),
        (storage("Xdisk", 1, 0, 0), (Storage("Xdisk", 1, 0, 0),)),
        (storage("a", 1024, -1, "x"), (Storage("a", 1024, None, None),)),
        ({(3, 9): "a", (4, 9): 512}, (Storage("a", 512, None, None),)),
        (storage("a", 0, 1, 1), ()),
        (storage("a", "x", 1, 1), ()),
        (storage(7, 512, 1, 1), ()),
    ],
)
def test_a_storage_is_counted_in_its_own_units(cells: Cells, storages: tuple[Storage, ...]) -> None:
    assert parse_hardware({}, cells) == Hardware(storages=storages)
