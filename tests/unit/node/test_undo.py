from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from libs.core.errors import Conflict, InUse, InvalidRequest
from libs.csikit.capability import Mode
from services.node.plan.undo import check_publication, check_unpublished
from services.node.volume import Publication, Record, Use
from tests.unit.node.values import RECORD, STAGING, TARGETS, USE, records, uses

FIRST, SECOND = (Publication(path) for path in TARGETS)


def _paths(record: Record | None) -> tuple[str, ...]:
    return record.paths[1:] if record else ()


@given(st.none() | records, st.sampled_from([FIRST, SECOND, replace(FIRST, read_only=True)]), uses)
def test_what_may_be_published_is_staged_there_as_the_same_thing(
    record: Record | None, wanted: Publication, asked: Use
) -> None:
    try:
        found = check_publication(record, USE.volume, wanted, asked, _paths(record))
    except (InUse, Conflict, InvalidRequest):
        return

    assert found is record
    assert found.use.is_block == asked.is_block
    assert found.at(wanted.path) in {None, wanted}


@pytest.mark.parametrize("record", [None, Record(replace(USE, staging="/k/other"))])
def test_what_is_not_staged_there_is_not_published(record: Record | None) -> None:
    with pytest.raises(InUse, match="is not staged at /k/staging"):
        check_publication(record, USE.volume, FIRST, USE, _paths(record))


@pytest.mark.parametrize("record", [None, RECORD, Record(replace(USE, staging=""))])
def test_what_is_said_to_be_staged_nowhere_is_not_published(record: Record | None) -> None:
    with pytest.raises(InUse, match=r"^staging_target_path must be given: volumes are staged"):
        check_publication(record, USE.volume, FIRST, replace(USE, staging=""), _paths(record))


def test_a_filesystem_is_not_published_as_a_raw_block_device() -> None:
    with pytest.raises(InvalidRequest, match="staged volume, a filesystem"):
        check_publication(RECORD, USE.volume, FIRST, replace(USE, fs_type=""), ())


def test_publishing_again_is_fine_and_with_another_flag_a_conflict() -> None:
    record = RECORD.with_publication(FIRST)

    assert check_publication(record, USE.volume, FIRST, USE, _paths(record)) is record
    with pytest.raises(Conflict, match="for writing already"):
        check_publication(record, USE.volume, replace(FIRST, read_only=True), USE, _paths(record))


@pytest.mark.parametrize("whose", ["staged", "asked"])
def test_a_single_writer_is_published_at_one_path_only(whose: str) -> None:
    single = replace(USE, mode=Mode.SINGLE_NODE_SINGLE_WRITER)
    record = Record(single if whose == "staged" else USE).with_publication(FIRST)
    asked = single if whose == "asked" else USE

    assert check_publication(record, USE.volume, FIRST, asked, _paths(record)) is record
    with pytest.raises(InUse, match=f"published at {FIRST.path} already"):
        check_publication(record, USE.volume, SECOND, asked, _paths(record))


def test_a_publication_of_which_nothing_is_left_holds_nobody_up() -> None:
    record = Record(replace(USE, mode=Mode.SINGLE_NODE_SINGLE_WRITER)).with_publication(FIRST)

    assert check_publication(record, USE.volume, SECOND, USE, ()) is record


def test_what_is_still_published_stays_staged() -> None:
    with pytest.raises(InUse, match=f"still published at {TARGETS[0]}"):
        check_unpublished(RECORD, STAGING, {TARGETS[1], TARGETS[0]}, mounted=True)


def test_a_volume_that_is_mounted_is_unstaged_only_where_it_is_staged() -> None:
    check_unpublished(RECORD, STAGING, (), mounted=True)
    check_unpublished(RECORD, "/k/other", (), mounted=False)
    with pytest.raises(InUse, match="and not at /k/other"):
        check_unpublished(RECORD, "/k/other", (), mounted=True)
