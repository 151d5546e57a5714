"""What is said of a volume, what may be published, and when it is left alone: case by case."""

from dataclasses import replace

import pytest

from libs.core.errors import Conflict, InUse
from libs.csikit.capability import Mode
from libs.nvmeof.model import Connection, LinkState
from services.node.plan.breaker import Breaker
from services.node.plan.condition import judge
from services.node.plan.stage import Place, Seen
from services.node.plan.undo import check_publication
from services.node.volume import Publication, Record
from tests.unit.node.values import DEVICES, NQN, RECORD, STAGING, TARGETS, USE, mount_at

LIVE = Connection(NQN.text, LinkState.LIVE, DEVICES[0])
FIRST, SECOND = (Publication(path) for path in TARGETS)
PUBLISHED = Record(USE, None, (FIRST,))
IN_ORDER = Seen(LIVE, mount_at(STAGING), places=(Place(FIRST, mount_at(TARGETS[0])),))


# Conditions


def test_a_volume_in_order_is_not_abnormal_also_while_its_breaker_is_open() -> None:
    for suspended in ("", "the peer refused"):
        condition = judge(PUBLISHED, IN_ORDER, suspended)

        assert (condition.abnormal, condition.repairable, condition.stale) == (False,) * 3
        assert condition.text == "the volume is connected, and its mount is in order"


def test_a_breaker_that_is_closed_is_not_told() -> None:
    assert judge(PUBLISHED, Seen(None)).text == "the volume is not connected to this node"


def test_an_open_breaker_hides_neither_a_stale_mount_nor_that_it_can_be_repaired() -> None:
    condition = judge(PUBLISHED, replace(IN_ORDER, answers=False), "the peer refused")

    assert (condition.abnormal, condition.repairable, condition.stale) == (True, True, True)
    assert condition.text.endswith("left alone for a while, the last one: the peer refused")


def test_what_is_mounted_is_repaired_though_nothing_of_it_is_published() -> None:
    assert judge(RECORD, Seen(None, mount_at(STAGING))).repairable
    assert judge(PUBLISHED, Seen(None)).repairable
    assert not judge(RECORD, Seen(None)).repairable


@pytest.mark.parametrize(
    ("place", "repairable"),
    [
        (Place(FIRST), True),
        (Place(FIRST, is_ready=False), False),
        (Place(FIRST, mount_at(TARGETS[0], DEVICES[1])), True),
    ],
)
def test_a_publication_without_its_mount_is_repaired_where_its_directory_is(
    place: Place,
    repairable: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    condition = judge(PUBLISHED, replace(IN_ORDER, places=(place,)))

    assert condition.text == f"the volume is not mounted at {TARGETS[0]}"
    assert (condition.abnormal, condition.repairable, condition.stale) == (True, repairable, False)


@pytest.mark.parametrize("ready", [True, False])
def test_a_raw_block_volume_whose_node_is_another_devices_is_stale(
    ready: bool,  # noqa: FBT001 (a row of the table)
) -> None:
    record = replace(PUBLISHED, use=replace(USE, fs_type=""))
    place = Place(FIRST, node=DEVICES[1].number, is_ready=ready)

    condition = judge(record, Seen(LIVE, places=(place,)))

    assert (condition.abnormal, condition.repairable, condition.stale) == (True, ready, True)
    sound = replace(place, node=DEVICES[0].number)
    assert not judge(record, Seen(LIVE, places=(sound,))).abnormal


# Publications


def test_a_volume_is_not_published_as_another_filesystem() -> None:
    with pytest.raises(Conflict, match="is staged as ext4, and not as xfs"):
        check_publication(RECORD, USE.volume, FIRST, replace(USE, fs_type="xfs"), ())


@pytest.mark.parametrize(("read_only", "how"), [(True, "read-only"), (False, "for writing")])
def test_how_a_volume_is_published_already_is_told(
    read_only: bool,  # noqa: FBT001 (a row of the table)
    how: str,
) -> None:
    there, wanted = replace(FIRST, read_only=read_only), replace(FIRST, read_only=not read_only)

    with pytest.raises(Conflict, match=f"is published at {TARGETS[0]} {how} already"):
        check_publication(RECORD.with_publication(there), USE.volume, wanted, USE, ())


def test_only_a_single_writer_is_kept_to_one_path() -> None:
    record = RECORD.with_publication(FIRST)
    single = replace(USE, mode=Mode.SINGLE_NODE_SINGLE_WRITER)

    assert check_publication(record, USE.volume, SECOND, USE, (FIRST.path,)) is record
    with pytest.raises(InUse, match="SINGLE_NODE_SINGLE_WRITER"):
        check_publication(record, USE.volume, SECOND, single, (FIRST.path,))


# Breakers


def test_a_breaker_that_never_failed_has_no_reason_and_no_annotation() -> None:
    assert (Breaker().reason, Breaker().reset, Breaker().remaining(0.0)) == ("", "", 0.0)
