import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from libs.core.errors import RdsCsiError
from libs.core.ids import Slot
from libs.mockrds.render import Console, print_detail
from libs.mockrds.values import Scalar, to_json
from libs.rdsclient import commands, health, replies
from libs.rdsclient.errors import GarbledReply
from libs.rdsclient.listing import END, Reader, read_entries
from libs.rdsclient.model import Export, Features, FileDisk, Pool, Release
from tests.strategies.device import LATEST, consoles, listings

DATA = Path(__file__).parents[2] / "data" / "routeros"
TEXT = Features(json=False, file_disks=True, subvolumes=True, nqn=True, file_copy=True, smart=True)
LIST = commands.list_disks(TEXT, ("pvc-",))
POOL = commands.read_pool(TEXT, "raid10")
RECORDED = [path.read_text() for path in sorted(DATA.glob("*.txt"))]


def recorded(name: str) -> str:
    return (DATA / f"{name}.txt").read_text().replace("\n", "\r\n") + END + "\r\n"


def test_a_file_disk_recorded_on_a_wide_terminal_is_read_exactly() -> None:
    (disk,) = replies.parse_disks(recorded("file-disk-wide"), LIST)

    assert disk == FileDisk(
        slot="vm-storage-001",
        path="/raid10/vm-storage-001.img",
        size=1_099_511_627_776,
        export=Export("nqn.2026-09.com.mikrotik:rds2216.vm-storage-001", 4420),
    )


def test_a_file_disk_recorded_on_a_narrow_terminal_is_read_exactly() -> None:
    (disk,) = replies.parse_disks(recorded("file-disk-narrow"), LIST)

    assert disk == FileDisk(
        slot="pvc-test-123",
        path="/storage-pool/test.img",
        size=53_687_091_200,
        export=Export("nqn.2000-02.com.mikrotik:pvc-test-123", 4420),
    )


def test_a_recorded_pool_is_read_exactly() -> None:
    pool = replies.parse_pool(recorded("pool-wide"), POOL)

    assert pool == Pool(
        "raid10", 16_003_143_565_312, 14_789_895_307_264, "xfs", "clean", "ocp-storage"
    )


def test_every_property_of_a_recorded_entry_is_there_known_or_not() -> None:
    (item,) = read_entries((DATA / "pool-wide.txt").read_text())

    assert len(item) == 32
    assert item["model"] == "RAID0 striped"
    assert item["total-inodes"] == "1 562 806 656"
    assert item["raid-uuid"] == "eadca0af-ecff031c-239758ad-951a47de"
    assert item["slot-default"] == ""


def test_a_path_that_was_broken_inside_is_put_together() -> None:
    text = (
        'type=file slot="pvc-1" file-path=/raid10/pvc-xxx\r\n   -yyy.img size=1 048\r\n   576\r\n'
    )

    (item,) = read_entries(text)

    assert item["file-path"] == "/raid10/pvc-xxx-yyy.img"
    assert item["size"] == "1 048576"


@pytest.mark.parametrize(
    "empty", ["", "\r\n", "Flags: B - BLOCK-DEVICE\r\n", "Flags: X - A; B - C\r\n   t - D\r\n"]
)
def test_a_listing_with_nothing_but_a_header_is_empty(empty: str) -> None:
    assert replies.parse_disks(empty + END, LIST) == ()


def test_a_listing_without_its_end_is_cut_off_wherever_it_was_cut() -> None:
    whole = recorded("file-disk-wide").removesuffix("\r\n")

    for cut in range(len(whole)):
        with pytest.raises(GarbledReply):
            replies.parse_disks(whole[:cut], LIST)


def as_texts(item: dict[str, Scalar]) -> dict[str, str]:
    """Return what the text form can say of an item, spelled as it is read."""
    words = {True: "yes", False: "no"}
    return {
        name: words[value] if isinstance(value, bool) else str(value)
        for name, value in item.items()
        if name != ".id"
    }


@given(listings, consoles)
def test_what_is_rendered_as_text_reads_back_at_any_width(
    listing: list[dict[str, Scalar]], console: Console
) -> None:
    text = "\r\n".join(print_detail(listing, console)) + "\r\n"

    found = [{**item, "size": str(item["size"]).replace(" ", "")} for item in read_entries(text)]

    assert found == [as_texts(item) for item in listing]


@given(listings, st.booleans())
def test_what_is_rendered_as_json_reads_back(
    listing: list[dict[str, Scalar]],
    decimals: bool,  # noqa: FBT001 (hypothesis passes it so)
) -> None:
    text = to_json(listing, keep_strings=True, decimals=decimals)

    reader = Reader(text, as_json=True)

    assert list(reader.items()) == listing
    reader.finish()


def mutated(text: str, seed: int) -> str:
    chance = random.Random(seed)  # noqa: S311 (no secret)
    characters = list(text)
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(characters))
        match chance.randrange(4):
            case 0:
                del characters[at : at + chance.randint(1, 40)]
            case 1:
                characters[at] = chance.choice('"\\\r\n =[]{}:,0a\x00\ufffd')
            case 2:
                characters[at:at] = characters[at : at + 30]
            case _:
                characters[at:at] = chance.choice(["\r\n   ", '"', "key=", " 12 type=", "{", "]"])
        characters = characters or [" "]
    return "".join(characters)


@settings(max_examples=500)
@given(st.integers(0, 2**32), st.sampled_from(RECORDED))
def test_mutated_recordings_are_read_or_refused_with_a_typed_error(seed: int, text: str) -> None:
    as_json = json.dumps([dict(item) for item in read_entries(text)])
    slot = Slot.parse("pvc-1")
    for source, features in ((text, TEXT), (as_json, LATEST)):
        answer = mutated(source, seed) + f"\r\n{END}\r\n" * 3
        read = commands.read_slot(features, slot)
        listing = commands.list_disks(features, ("pvc-",))
        for parse in (
            lambda a=answer, c=read: replies.parse_slot(a, c, slot),
            lambda a=answer, c=listing: replies.parse_disks(a, c),
            lambda a=answer, c=listing: replies.parse_snapshots(a, c),
            lambda a=answer, c=listing: replies.parse_files(a, c),
            lambda a=answer: health.parse_traffic(a, ["raid10"]),
        ):
            try:
                parse()
            except RdsCsiError:
                continue


@pytest.mark.parametrize(
    "unit",
    [
        " ",
        "\r\n",
        "  \r\n",
        '"',
        "\\",
        'a="',
        "a=b ",
        "a= ",
        "1 ",
        " 12 ",
        "[",
        "{",
        "Flags:",
        "\n 1 type=",
    ],
)
def test_reading_takes_time_in_proportion_to_the_length(unit: str) -> None:
    def cost(length: int) -> float:
        text = 'type=file slot="x" a=' + unit * (length // len(unit))
        best = float("inf")
        for _ in range(3):
            started = time.process_time()
            try:
                list(read_entries(text))
                list(Reader("[" + text, as_json=True).items())
            except RdsCsiError:
                pass
            best = min(best, time.process_time() - started)
        return best

    small, large = cost(20_000), cost(160_000)

    # Eight times the length: a square would cost 64 times as much.
    assert large < 24 * max(small, 0.002)


def test_before_the_nqn_could_be_chosen_it_is_the_slot() -> None:
    item: dict[str, Any] = {
        "slot": "pvc-1",
        "type": "file",
        "file-path": "raid10/pvc-1.img",
        "size": 1,
        "nvme-tcp-export": True,
        "nvme-tcp-server-port": 4420,
    }
    old = Features.of(Release(7, 19))

    (disk,) = replies.parse_disks(json.dumps([item]), commands.list_disks(old, ("pvc-",)))

    assert disk.export == Export("pvc-1", 4420)
    assert "nvme-tcp-server-nqn" not in commands.list_disks(old, ("pvc-",)).line
