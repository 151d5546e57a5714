"""The simulated hardware: what is set from outside is what it says."""

import pytest

from libs.mockrds.hardware import Drive, Hardware, Load, Sensors


def test_a_drive_that_is_changed_keeps_the_rest() -> None:
    hardware = Hardware([Drive(slot="nvme1", wear=9)])

    hardware.change({"drives": {"nvme1": {"temperature": 71}, "nvme2": {"is_listed": False}}})

    first, second = hardware.items()
    assert (first["temperature"], first["percentage-used"]) == ("71C", "9%")
    assert (first[".id"], second[".id"]) == ("*D1", "*D2")
    assert "temperature" not in second


def test_a_drive_can_be_taken_away_twice() -> None:
    hardware = Hardware([Drive(slot="nvme1")])

    hardware.change({"drives": {"nvme1": None}})
    hardware.change({"drives": {"nvme1": None}})

    assert hardware.drive("nvme1") is None


def test_a_drive_is_found_by_its_slot() -> None:
    hardware = Hardware([Drive(slot="nvme1"), Drive(slot="nvme2", wear=9)])

    assert hardware.drive("nvme2") == Drive(slot="nvme2", wear=9)
    assert hardware.drive("nvme3") is None


def test_what_smart_says_is_there_for_drives_that_are_not_listed_with_it() -> None:
    drive = Drive(slot="nvme1", temperature=50, is_listed=False)
    listed = {
        ".id": "*DA",
        "type": "hardware",
        "slot": "nvme1",
        "fs": "-",
        "size": 4_398_046_511_104,
        "nvme-tcp-export": False,
        "io-errors": 0,
    }

    assert drive.item(10) == listed
    assert Drive(slot="nvme1").item(10) == listed | {"temperature": "38C", "percentage-used": "3%"}
    assert drive.smart() == {
        "critical-warning": 0,
        "temperature": "50C",
        "available-spare": "100%",
        "percentage-used": "3%",
    }


def test_the_load_of_a_disk_is_printed_as_it_was_recorded() -> None:
    assert Load(read_ms=1, write_ms=2, active_ms=3, wait_ms=4, in_flight=5).properties("x") == {
        "slot": "x",
        "read-ops": "243 401",
        "read-ops-per-second": "0",
        "read-bytes": "33 131 503 616",
        "read-rate": "0bps",
        "read-merges": 0,
        "read-time": "1ms",
        "write-ops": "17 667 231",
        "write-ops-per-second": "12",
        "write-bytes": "515 659 673 600",
        "write-rate": "12.8Mbps",
        "write-merges": 0,
        "write-time": "2ms",
        "in-flight-ops": 5,
        "active-time": "3ms",
        "wait-time": "4ms",
    }


def test_the_hardware_is_quiet_and_well_where_nothing_else_is_said() -> None:
    load = {
        **dict.fromkeys(("read_ops", "read_bits", "read_ms", "write_ms", "wait_ms"), 0),
        "active_ms": 0,
        "in_flight": 0,
        "write_ops": 12,
        "write_bits": 12_800_000,
    }

    assert Hardware([], {"x": Load()}).describe() == {
        "drives": [],
        "loads": {"x": load},
        "sensors": {
            "cpu_temperature": 45,
            "board_temperature": 36,
            "fan1": 7500,
            "fan2": 7400,
            "psu1_deciwatts": 1420,
            "psu1_temperature": 33,
            "psu1_failed": False,
            "psu2_deciwatts": 1380,
            "psu2_temperature": 34,
            "psu2_failed": False,
        },
    }


@pytest.mark.parametrize("value", [1 - 2**63, 2**63 - 1])
def test_a_number_of_64_bits_is_taken(value: int) -> None:
    hardware = Hardware()

    hardware.change({"sensors": {"fan1": value}})

    assert hardware.sensors.fan1 == value


def test_loads_and_sensors_are_described_as_they_were_set() -> None:
    hardware = Hardware()

    hardware.change({"loads": {"raid10": {"read_ops": 5}}, "sensors": {"psu1_failed": True}})

    assert hardware.load("raid10") == Load(read_ops=5)
    assert hardware.load("another") == Load()
    assert hardware.sensors == Sensors(psu1_failed=True)
    assert hardware.describe()["loads"] == {"raid10": vars(Load(read_ops=5))}


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"fans": {}}, "unknown: fans"),
        ({"drives": []}, "drives must be an object"),
        ({"drives": {"nvme1": 7}}, "what is changed must be an object"),
        ({"drives": {"nvme1": {"colour": 7}}}, "colour is unknown"),
        ({"drives": {"nvme1": {"slot": "x"}}}, "slot is unknown"),
        ({"drives": {"nvme1": {"wear": True}}}, "wear is unknown, or not of the right kind"),
        ({"sensors": {"fan1": 2**63}}, "fan1 is too large"),
        ({"sensors": {"fan1": -(2**63)}}, "fan1 is too large"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_is_changed(
    given: dict[str, object], why: str
) -> None:
    hardware = Hardware([Drive(slot="nvme1")])

    with pytest.raises(ValueError, match=why):
        hardware.change({"sensors": {"fan2": 1}} | given)

    assert hardware == Hardware([Drive(slot="nvme1")])


@pytest.mark.parametrize(
    ("bits", "text"),
    [
        (999, "999bps"),
        (1_000, "1.0kbps"),
        (1_500, "1.5kbps"),
        (12_800_000, "12.8Mbps"),
        (2_000_000_000, "2.0Gbps"),
    ],
)
def test_rates_are_in_the_unit_that_the_device_would_use(bits: int, text: str) -> None:
    assert Load(read_bits=bits).properties("x")["read-rate"] == text


@pytest.mark.parametrize(("milliseconds", "text"), [(7, "7ms"), (1007, "1s7ms")])
def test_times_are_in_seconds_and_milliseconds(milliseconds: int, text: str) -> None:
    assert Load(wait_ms=milliseconds).properties("x")["wait-time"] == text


def test_large_numbers_are_in_groups() -> None:
    assert Load(read_ops=1_234_567).properties("x")["read-ops-per-second"] == "1 234 567"
