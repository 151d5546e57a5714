"""What releases can do, and what values are that nobody gave."""

from dataclasses import replace

import pytest

from libs.core.errors import Unsupported
from libs.core.ids import Nqn, Slot
from libs.core.paths import DevicePath
from libs.rdsclient.model import (
    Branch,
    DiskSpec,
    Features,
    Pool,
    Release,
    SlotState,
    SystemInfo,
)
from libs.rdsclient.state import LinkState, LinkStatus

SLOT = Slot.parse("pvc-1")
NOTHING = Features(
    json=False, file_disks=False, subvolumes=False, nqn=False, file_copy=False, smart=False
)
JSON = replace(NOTHING, json=True)
DISKS = replace(JSON, file_disks=True)
BRANCHES = replace(DISKS, subvolumes=True)
NAMED = replace(BRANCHES, nqn=True)
ALL = replace(NAMED, file_copy=True, smart=True)


@pytest.mark.parametrize(
    ("release", "features"),
    [
        *[((6, 49), NOTHING), ((7, 15), NOTHING), ((7, 16), JSON), ((7, 17), DISKS)],
        *[((7, 18), BRANCHES), ((7, 20), BRANCHES), ((7, 21), NAMED), ((7, 22), NAMED)],
        *[((7, 23), ALL), ((8, 0), ALL)],
    ],
)
def test_a_release_can_do_what_came_with_it_or_before(
    release: tuple[int, int], features: Features
) -> None:
    system = SystemInfo(Release(*release), "")

    assert system.features == features


@pytest.mark.parametrize(
    ("text", "release"),
    [
        *[("7.1", (7, 1)), ("7.16 (stable)", (7, 16)), ("7.24rc2", (7, 24))],
        *[("123456.654321", (123456, 654321)), ("7.20.1", (7, 20))],
    ],
)
def test_a_release_is_what_a_version_begins_with(text: str, release: tuple[int, int]) -> None:
    found = Release.parse(text)

    assert found == Release(*release)
    assert str(found) == f"{release[0]}.{release[1]}"


@pytest.mark.parametrize(
    "text", ["", "7", "7.", ".7", "v7.16", "1234567.1", "7.1234567", "\u0667.1"]
)
def test_a_version_that_does_not_begin_with_two_small_numbers_is_refused(text: str) -> None:
    with pytest.raises(Unsupported, match="makes no sense"):
        Release.parse(text)


@pytest.mark.parametrize(
    ("state", "is_sound"),
    [("", True), ("clean", True), ("active", True), ("degraded", False), ("clean, resync", False)],
)
def test_an_array_is_sound_while_nothing_bad_is_said_of_it(state: str, *, is_sound: bool) -> None:
    pool = Pool("raid10", 10, 5, state=state)

    assert pool.is_sound is is_sound


def test_a_pool_is_found_by_where_it_is_mounted() -> None:
    one, two = Pool("raid10", 10, 5), Pool("backup", 20, 6)
    state = SlotState(SLOT, pools=(one, two))

    assert state.pool("backup") == two
    assert state.pool("raid10") == one
    assert state.pool("usb") is None
    assert state.copied == 0


def test_what_nobody_says_of_a_disk_is_that_it_is_new_and_open_to_all() -> None:
    spec = DiskSpec(SLOT, DevicePath.parse("/raid10/a.img"), 1, Nqn.parse("nqn.2000-02.com.a"), 1)

    assert (spec.room, spec.branch, spec.password, spec.allowed_host) == (None, None, None, "")
    assert spec.exported
    assert not spec.adopts
    assert Branch("btr", "volumes/a").parent == ""


def test_what_nobody_says_of_a_device_is_empty() -> None:
    assert SystemInfo(Release(7, 16), "7.16").board == ""
    assert LinkStatus(LinkState.UP, 1).reason == ""
