"""What is asked about disks, and each form that a word or number of the answer can have."""

import json
from dataclasses import replace

import pytest

from libs.rdsclient import health
from libs.rdsclient.commands import Command
from libs.rdsclient.health import DiskHealth, DiskTraffic, Smart
from libs.rdsclient.model import Features, Release

NEW = Features.of(Release(7, 24))
RAID = {
    "slot": "raid10",
    "type": "raid",
    "mount-point": "raid10",
    "size": 10,
    "free": 5,
    "raid-state": "clean",
    "state": "degraded",
    "io-errors": 0,
    "temperature": "41C",
    "percentage-used": "3%",
}
READ = DiskHealth(
    slot="raid10",
    kind="raid",
    mount_point="raid10",
    size=10,
    free=5,
    states=frozenset({"clean"}),
    is_incomplete=False,
    io_errors=0,
    smart=Smart(temperature=41.0, wear=0.03),
)
UNKNOWN = {
    "read_ops": None,
    "write_ops": None,
    "read_bytes": None,
    "write_bytes": None,
    "read_seconds": None,
    "write_seconds": None,
    "wait_seconds": None,
    "active_seconds": None,
    "in_flight": None,
}


def read(*items: object) -> tuple[DiskHealth, ...]:
    return health.parse_health(json.dumps(items), Command("", listings=1))


def traffic(*lines: str) -> tuple[DiskTraffic, ...]:
    return health.parse_traffic("\r\n".join([*lines, "rds-csi:item end"]), ["a", "b"])


def test_disks_that_are_no_volumes_are_asked_for() -> None:
    command = health.list_health(NEW)

    listing = '/disk/print detail as-value where type!="file"'
    assert command == Command(
        f":put [:serialize to=json options=json.no-string-conversion [{listing}]]",
        changes=False,
        listings=1,
        json=True,
        seconds=0.0,
        secret="",
    )


def each(*statements: str) -> Command:
    said = [
        f':put "rds-csi:item {number}"; '
        f':onerror e in={{{statement}}} do={{:put "rds-csi:failed"; :put $e}}'
        for number, statement in enumerate(statements)
    ]
    line = "; ".join([*said, ':put "rds-csi:item end"'])
    return Command(line, changes=False, listings=0, json=True, seconds=60.0, secret="")


def test_each_disk_is_asked_alone_and_marked() -> None:
    moving = health.read_traffic(["nvme1", "n$2"])
    smart = health.read_smart(["nvme1", "n$2"])

    assert moving == each(
        '/disk/monitor-traffic "nvme1" once', r'/disk/monitor-traffic "n\$2" once'
    )
    assert smart == each('/disk/smart-info "nvme1"', r'/disk/smart-info "n\$2"')


def test_all_that_an_array_says_is_read() -> None:
    assert read(RAID) == (READ,)


@pytest.mark.parametrize("nothing", ["none", "-", "", 7, []])
def test_where_nothing_is_mounted_there_is_no_size(nothing: object) -> None:
    (disk,) = read(RAID | {"mount-point": nothing})

    assert disk == replace(READ, mount_point="", size=None, free=None)


@pytest.mark.parametrize("slot", ["", 7, None, []])
def test_what_has_no_slot_is_left_out(slot: object) -> None:
    assert read(RAID | {"slot": slot}, RAID) == (READ,)


def test_what_a_disk_does_not_say_is_not_known() -> None:
    bare = DiskHealth("usb1")

    assert read({"slot": "usb1"}) == (bare,)
    assert (bare.kind, bare.mount_point, bare.states) == ("", "", frozenset())
    assert (bare.size, bare.free, bare.is_incomplete, bare.io_errors) == (None,) * 4
    assert bare.smart == Smart(temperature=None, wear=None)


@pytest.mark.parametrize(
    ("kind", "smart", "is_mute"),
    [
        ("hardware", Smart(), True),
        ("hardware", Smart(temperature=1.0), True),
        ("hardware", Smart(wear=0.0), True),
        ("hardware", Smart(temperature=1.0, wear=0.0), False),
        ("raid", Smart(), False),
    ],
)
def test_a_drive_is_mute_while_something_is_missing(
    kind: str, smart: Smart, *, is_mute: bool
) -> None:
    disk = DiskHealth("nvme1", kind, smart=smart)

    assert disk.is_mute_drive is is_mute


@pytest.mark.parametrize(
    ("word", "state", "is_incomplete"),
    [
        *[("clean", "clean", False), ("active", "clean", False), ("Active", "clean", False)],
        *[("Degraded", "degraded", True), ("resync", "resync", False)],
        *[("recovering", "resync", True), ("rebuilding", "resync", True)],
        *[("reshape", "resync", False), ("checking", "resync", False), ("repair", "resync", False)],
        *[("failed", "failed", True), ("faulty", "failed", True), ("inactive", "failed", True)],
        *[("broken", "failed", True), ("unclean", "other", False)],
    ],
)
def test_each_word_of_an_array_has_one_meaning(
    word: str, state: str, *, is_incomplete: bool
) -> None:
    (disk,) = read(RAID | {"raid-state": word})

    assert disk == replace(READ, states=frozenset({state}), is_incomplete=is_incomplete)
    assert state in health.RAID_STATES


def test_an_array_can_be_five_things() -> None:
    assert health.RAID_STATES == ("clean", "degraded", "resync", "failed", "other")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("0", 0.0), ("41.5 C", 41.5), ("-7\u00b0C", -7.0), ("1 041", 1041.0), (" 41 % ", 41.0)],
        *[("41.", None), ("41 apples", None), ("x41", None), ("4e1", None), ("", None)],
    ],
)
def test_an_amount_may_have_a_unit_and_nothing_else(text: str, number: float | None) -> None:
    (disk,) = read(RAID | {"temperature": text})

    assert disk.smart.temperature == number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        *[("0bps", 0.0), ("8", 1.0), ("1 600bps", 200.0), ("8kbps", 1e3), ("8Mbps", 1e6)],
        *[("8Gbps", 1e9), ("8Tbps", 1e12), ("0.8k", 100.0)],
        *[("1.bps", None), ("bps", None), ("8 bps", 1.0), ("8mbps", None), ("8bps!", None)],
    ],
)
def test_a_rate_is_a_number_with_a_scale_of_bits(text: str, number: float | None) -> None:
    assert traffic("rds-csi:item 0", "x: y", f"read-rate: {text}") == (
        DiskTraffic("a", **UNKNOWN | {"read_bytes": number}),
    )


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *[("1w", 604800.0), ("1d", 86400.0), ("1h", 3600.0), ("1m", 60.0), ("1s", 1.0)],
        *[("5ms", 5e-3), ("5us", 5e-6), ("5ns", 5e-9), ("1h1.5s", 3601.5)],
        *[("s", None), (".5s", None), ("1.s", None), ("1s!", None), ("1h 1s", None), ("1", None)],
    ],
)
def test_a_time_is_made_of_numbers_with_units(text: str, seconds: float | None) -> None:
    assert traffic("rds-csi:item 0", "x: y", f"wait-time: {text}") == (
        DiskTraffic("a", **UNKNOWN | {"wait_seconds": seconds}),
    )


def test_a_disk_that_says_nothing_or_was_not_asked_is_left_out() -> None:
    found = traffic(
        *["rds-csi:item end", "x: y", "rds-csi:item 0", "slot: ", "rds-csi:item 1", "x: y"],
        *["rds-csi:item 2", "x: y", "rds-csi:item 3", "x: y"],
    )

    assert found == (DiskTraffic("b", **UNKNOWN),)
