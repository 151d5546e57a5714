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


def test_what_smart_says_is_there_for_drives_that_are_not_listed_with_it() -> None:
    drive = Drive(slot="nvme1", temperature=50, is_listed=False)

    assert drive.smart()["temperature"] == "50C"


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
    [(999, "999bps"), (1_500, "1.5kbps"), (12_800_000, "12.8Mbps"), (2_000_000_000, "2.0Gbps")],
)
def test_rates_are_in_the_unit_that_the_device_would_use(bits: int, text: str) -> None:
    assert Load(read_bits=bits).properties("x")["read-rate"] == text


@pytest.mark.parametrize(("milliseconds", "text"), [(7, "7ms"), (1007, "1s7ms")])
def test_times_are_in_seconds_and_milliseconds(milliseconds: int, text: str) -> None:
    assert Load(wait_ms=milliseconds).properties("x")["wait-time"] == text


def test_large_numbers_are_in_groups() -> None:
    assert Load(read_ops=1_234_567).properties("x")["read-ops-per-second"] == "1 234 567"
