"""What the device says of its disks, in forms that were recorded and in forms that were not."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import RdsCsiError
from libs.rdsclient.errors import CommandRefused, GarbledReply
from libs.rdsclient.health import (
    DiskHealth,
    DiskTraffic,
    Smart,
    list_health,
    parse_health,
    parse_smart,
    parse_traffic,
    read_traffic,
)
from libs.rdsclient.listing import END
from libs.rdsclient.model import Features, Release

LATEST = Features.of(Release(7, 24))
JSON = list_health(LATEST)
TEXT = list_health(Features.of(Release(7, 15)))

# As people recorded it of hardware.
TRAFFIC = """\
                  slot:    storage-pool
              read-ops:         243 401
   read-ops-per-second:           1 002
            read-bytes:  33 131 503 616
             read-rate:            0bps
           read-merges:               0
             read-time:             0ms
             write-ops:      17 667 231
  write-ops-per-second:              76
           write-bytes: 515 659 673 600
            write-rate:        12.8Mbps
          write-merges:               0
            write-time:        48s149ms
         in-flight-ops:               3
           active-time:             1ms
             wait-time:          12.5ms
"""


def said(*answers: str) -> str:
    """Return the answers of several items as the device gives them, one after the other."""
    parts = [f"rds-csi:item {number}\r\n{answer}\r\n" for number, answer in enumerate(answers)]
    return "".join(parts) + "rds-csi:item end\r\n"


def one(**properties: object) -> DiskHealth:
    text = json.dumps([{"slot": "raid10", "type": "raid"} | properties])
    (disk,) = parse_health(text, JSON)
    return disk


def test_recorded_traffic_is_read_in_bytes_and_seconds() -> None:
    (traffic,) = parse_traffic(said(TRAFFIC), ["storage-pool"])

    assert traffic == DiskTraffic(
        slot="storage-pool",
        read_ops=1002,
        write_ops=76,
        read_bytes=0,
        write_bytes=1_600_000,
        read_seconds=0,
        write_seconds=48.149,
        wait_seconds=0.0125,
        active_seconds=0.001,
        in_flight=3,
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h2m3s", 3723), ("2d", 172_800), ("350us", 0.00035), ("1w", 604_800), ("7", None)],
)
def test_times_are_read_in_every_unit(text: str, seconds: float | None) -> None:
    (traffic,) = parse_traffic(said(f"wait-time: {text}\r\nslot: a"), ["a"])

    assert traffic.wait_seconds == seconds


@pytest.mark.parametrize(
    ("text", "number"),
    [("8bps", 1), ("16kbps", 2000), ("1.5Gbps", 187_500_000), ("?", None), ("-1bps", None)],
)
def test_rates_are_read_in_every_unit(text: str, number: float | None) -> None:
    (traffic,) = parse_traffic(said(f"read-rate: {text}\r\nslot: a"), ["a"])

    assert traffic.read_bytes == number


def test_a_disk_with_an_error_does_not_take_the_others_with_it() -> None:
    text = said(TRAFFIC, "rds-csi:failed\r\ninput does not match any value of disk", TRAFFIC)

    found = parse_traffic(text, ["a", "b", "c"])

    assert [traffic.slot for traffic in found] == ["a", "c"]


def test_a_number_that_makes_no_sense_is_left_out_and_the_others_are_read() -> None:
    (traffic,) = parse_traffic(said(TRAFFIC.replace("12.8Mbps", "lots")), ["a"])

    assert traffic.write_bytes is None
    assert traffic.write_ops == 76


def test_of_an_answer_that_is_cut_off_only_whole_items_count() -> None:
    text = said(TRAFFIC, TRAFFIC)

    found = parse_traffic(text[: text.rindex("in-flight-ops")], ["a", "b"])

    assert [traffic.slot for traffic in found] == ["a"]


def test_an_error_in_place_of_everything_is_that_error() -> None:
    with pytest.raises(CommandRefused):
        parse_traffic("syntax error (line 1 column 8)\r\n", ["a"])
    with pytest.raises(GarbledReply):
        parse_traffic("", ["a"])


def test_a_slot_with_quotes_cannot_leave_its_token() -> None:
    command = read_traffic(['a" once; /disk/remove [find]; :put "'])

    assert r"\"" in command.line
    assert "/disk/remove \\[find\\]\\;" in command.line
    assert not command.changes


@pytest.mark.parametrize(
    ("state", "states", "is_incomplete"),
    [
        ("clean", {"clean"}, False),
        ("active", {"clean"}, False),
        ("clean, degraded", {"clean", "degraded"}, True),
        ("degraded, recovering", {"degraded", "resync"}, True),
        ("resync = 1.8% (12/34) finish=1.2min", {"resync"}, False),
        ("recovery = 1.8%", {"resync"}, True),
        ("inactive", {"failed"}, True),
        ("purple", {"other"}, False),
    ],
)
@pytest.mark.parametrize("name", ["state", "raid-state"])
def test_the_state_of_an_array_is_understood(
    state: str, states: set[str], name: str, *, is_incomplete: bool
) -> None:
    disk = one(**{name: state})

    assert disk.states == states
    assert disk.is_incomplete is is_incomplete


def test_an_array_that_says_nothing_of_its_state_is_neither_sound_nor_degraded() -> None:
    disk = one()

    assert disk.states == frozenset()
    assert disk.is_incomplete is None


@pytest.mark.parametrize("value", ["41C", "41", "41 C", 41])
def test_a_temperature_is_read_with_its_unit_or_without(value: object) -> None:
    assert one(temperature=value).smart.temperature == 41


@pytest.mark.parametrize(("value", "wear"), [("3%", 0.03), (7, 0.07), ("120%", 1.2), ("-", None)])
def test_wear_is_a_share(value: object, wear: float | None) -> None:
    assert one(**{"percentage-used": value}).smart.wear == wear


@pytest.mark.parametrize("value", [-1, "many", True, None, 1.5])
def test_errors_that_cannot_be_counted_are_not_nothing(value: object) -> None:
    assert one(**{"io-errors": value}).io_errors is None


def test_a_pool_has_its_size_in_both_forms_of_a_listing() -> None:
    entry = ' 0 BM  type=raid slot="raid10" size=16 003 143 565 312 free=14 789 895 307 264 '
    text = f'{entry}mount-point="raid10" state="clean" io-errors=2\r\n{END}\r\n'
    properties = {"mount-point": "raid10", "size": 16003143565312, "free": "14789895307264"}

    (from_text,) = parse_health(text, TEXT)
    from_json = one(**properties, state="clean", **{"io-errors": 2})

    assert from_text == from_json
    assert from_json.size == 16_003_143_565_312


def test_what_is_not_mounted_is_no_pool() -> None:
    disk = one(size=100, free=50)

    assert (disk.size, disk.free) == (None, None)


def test_drives_answer_for_themselves() -> None:
    text = said("temperature: 44C\r\n percentage-used: 9%", "rds-csi:failed\r\nfailure: no SMART")

    assert parse_smart(text, ["nvme1", "nvme2"]) == {"nvme1": Smart(temperature=44, wear=0.09)}


@given(st.text(), st.integers(0, 3))
def test_whatever_one_disk_says_the_others_are_read(noise: str, where: int) -> None:
    answers = [TRAFFIC] * 4
    answers[where] = noise.replace("rds-csi", "")
    slots = ["a", "b", "c", "d"]

    found = {traffic.slot for traffic in parse_traffic(said(*answers), slots)}

    assert found >= set(slots) - {slots[where]}


@given(st.text())
def test_whatever_comes_is_read_or_refused_with_a_typed_error(text: str) -> None:
    for parse in (
        lambda: parse_traffic(text, ["a"]),
        lambda: parse_smart(text, ["a"]),
        lambda: parse_health(text, JSON),
        lambda: parse_health(text, TEXT),
    ):
        try:
            parse()
        except RdsCsiError:
            continue
