"""What is done for one volume is never done at the place of another."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from libs.core.errors import InUse
from libs.core.ids import VolumeId
from services.node.plan.undo import check_place
from services.node.volume import Publication, Record
from tests.unit.node.values import STAGING, TARGETS, USE

OTHER = VolumeId.parse("pvc-2")
BOOT = "now"
RECORDS: Sequence[Record] = [Record(USE, None, (Publication(TARGETS[0]),), BOOT)]


@pytest.mark.parametrize("path", [STAGING, TARGETS[0], f"{STAGING}/below", "/k", "/k/pods"])
@pytest.mark.parametrize("publishes", [False, True])
def test_the_place_of_another_volume_is_none_nor_what_is_above_or_below_it(
    path: str, *, publishes: bool
) -> None:
    with pytest.raises(InUse, match="pvc-1 is at"):
        check_place(RECORDS, BOOT, OTHER, path, publishes=publishes)


@pytest.mark.parametrize("path", ["/k/pods/10", f"{STAGING}-2", "/k/other"])
def test_a_place_beside_another_volume_is_free(path: str) -> None:
    check_place(RECORDS, BOOT, OTHER, path, publishes=True)


def test_a_volume_may_stay_where_it_is() -> None:
    check_place(RECORDS, BOOT, USE.volume, STAGING, publishes=False)
    check_place(RECORDS, BOOT, USE.volume, TARGETS[0], publishes=True)


def test_a_volume_is_not_published_where_it_is_staged() -> None:
    with pytest.raises(InUse, match="no place"):
        check_place(RECORDS, BOOT, USE.volume, STAGING, publishes=True)


def test_what_was_there_before_the_host_was_booted_is_there_no_more() -> None:
    earlier = [replace(RECORDS[0], boot="before")]

    check_place(earlier, BOOT, OTHER, STAGING, publishes=False)
