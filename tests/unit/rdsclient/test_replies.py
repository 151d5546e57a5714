import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import Exhausted, NotFound, RdsCsiError, Refused, Unsupported
from libs.core.ids import Slot
from libs.rdsclient import commands, facts, replies
from libs.rdsclient.errors import EntryExists, GarbledReply
from libs.rdsclient.model import BackingFile, Export, FileDisk, Pool, Release, Subvolume
from tests.strategies.device import LATEST

DISK: dict[str, Any] = {
    ".id": "*1F",
    "slot": "pvc-1",
    "type": "file",
    "file-path": "/raid10/volumes/pvc-1.img",
    "size": 53687091200,
    "nvme-tcp-export": True,
    "nvme-tcp-server-port": 4420,
    "nvme-tcp-server-nqn": "nqn.2000-02.com.mikrotik:pvc-1",
    "nvme-tcp-server-allow-host-name": "",
    "a-property-of-the-future": [1, {"x": None}],
}
POOL = {
    "slot": "raid10",
    "type": "raid",
    "mount-point": "raid10",
    "size": 16003143565312,
    "free": 5,
}
LIST = commands.list_disks(LATEST, ("pvc-",))
SLOT = Slot.parse("pvc-1")
READ = commands.read_slot(LATEST, SLOT)


def answer(*documents: object) -> str:
    return "".join(json.dumps(document) + "\r\n" for document in documents)


def test_a_listing_of_disks_is_read_with_exact_sizes() -> None:
    (disk,) = replies.parse_disks(answer([DISK]), LIST)

    assert disk == FileDisk(
        slot="pvc-1",
        path="/raid10/volumes/pvc-1.img",
        size=53687091200,
        export=Export("nqn.2000-02.com.mikrotik:pvc-1", 4420, ""),
    )


@pytest.mark.parametrize("size", ["53687091200", "53 687 091 200", 53687091200.0, 53687091200])
def test_a_size_may_come_as_a_number_a_whole_float_or_grouped_digits(size: object) -> None:
    (disk,) = replies.parse_disks(answer([DISK | {"size": size}]), LIST)

    assert disk.size == 53687091200


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("size", None),
        ("size", "50.0GiB"),
        ("size", 1.5),
        ("size", -1),
        ("size", True),
        ("slot", 7),
        ("nvme-tcp-export", "maybe"),
        ("nvme-tcp-server-port", ""),
        ("file-path", None),
        ("type", "raid"),
    ],
)
def test_one_unreadable_item_spoils_the_whole_listing(name: str, value: object) -> None:
    with pytest.raises(GarbledReply):
        replies.parse_disks(answer([DISK, DISK | {name: value}]), LIST)


@given(st.integers(min_value=0))
def test_a_listing_that_was_cut_off_never_looks_like_a_shorter_one(cut: int) -> None:
    whole = json.dumps([DISK, DISK])

    with pytest.raises(GarbledReply):
        replies.parse_disks(whole[: cut % len(whole)], LIST)


def test_an_empty_listing_is_empty() -> None:
    assert replies.parse_disks("[]\r\n", LIST) == ()


def test_the_state_of_a_slot_tells_its_own_files_from_copies_of_it() -> None:
    own, copy = "raid10/volumes/pvc-1.img", "raid10/volumes/snap-1.6-1000.of.pvc-1.img"
    files = [{"name": name, "type": "file", "size": 4096} for name in (own, copy)]
    branch = {"fs": "btr", "name": "x", "fullname": "volumes/snap-2.6-1000.of.pvc-1"}

    state = replies.parse_slot(answer([DISK], files, [POOL], [branch]), READ, SLOT)

    assert state.disk is not None
    assert state.files == (BackingFile(f"/{own}", 4096),)
    assert state.copies == (BackingFile(f"/{copy}", 4096),)
    assert state.subvolumes == ()
    assert state.branches == (Subvolume("btr", "volumes/snap-2.6-1000.of.pvc-1"),)
    assert state.pools == (Pool("raid10", 16003143565312, 5),)


def test_a_missing_document_is_an_error_and_not_an_empty_one() -> None:
    with pytest.raises(GarbledReply):
        replies.parse_slot(answer([], []), READ, SLOT)


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("failure: already have such entry", EntryExists),
        ("failure: not enough space", Exhausted),
        ("no such item", NotFound),
        ("bad command name foo (line 1 column 2)", Unsupported),
        ("syntax error (line 1 column 8)", Refused),
        ("failure: the cat is on the keyboard", Refused),
    ],
)
def test_a_device_text_becomes_its_error_before_or_after_a_document(
    text: str, error: type[RdsCsiError]
) -> None:
    for reply in (text, answer([]) + text):
        with pytest.raises(error) as caught:
            replies.parse_slot(reply, READ, SLOT)
        assert text in caught.value.detail


@given(st.text())
def test_any_text_is_read_or_refused_with_a_typed_error(text: str) -> None:
    for parse in (
        lambda: replies.parse_disks(text, LIST),
        lambda: replies.parse_slot(text, READ, SLOT),
        lambda: facts.parse_system(text),
    ):
        try:
            parse()
        except RdsCsiError:
            continue


def test_deep_nesting_is_refused_and_does_not_exhaust_the_stack() -> None:
    with pytest.raises(RdsCsiError):
        replies.parse_disks("[" * 100_000, LIST)


@pytest.mark.parametrize(
    ("version", "release"),
    [("7.16 (stable)", (7, 16)), ("7.24rc2", (7, 24)), ("7.24.4 (stable)", (7, 24))],
)
def test_the_release_is_read_from_the_resource_listing(
    version: str, release: tuple[int, int]
) -> None:
    text = (
        f"                   uptime: 29s\r\n                  version: {version}\r\n"
        "               board-name: RDS2216\r\n"
    )

    system = facts.parse_system(text)

    assert system.release == Release(*release)
    assert system.version == version
    assert system.board == "RDS2216"


def test_a_version_that_makes_no_sense_is_said_so() -> None:
    with pytest.raises(Unsupported, match="version"):
        facts.parse_system("version: banana")
