"""What the reconciler's admin API asks for, as checked values."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from libs.core.errors import InUse, InvalidRequest, NotFound, StaleToken
from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler.findings import Finding, FindingKind, FindingState, Orphan, Subject
from services.reconciler.model import ItemKind
from services.reconciler.servicer_requests import (
    PAGE,
    ROWS,
    cut_page,
    find_orphan,
    parse_limit,
    parse_list,
    parse_orphan_key,
    parse_until,
    parse_watch,
)
from services.reconciler.workflow.board import Entry
from tests.unit.reconciler.values import NOW

FILE = Orphan(ItemKind.FILE, "rds", "/pool/x.img", 1, "print")
TWIN = Orphan(ItemKind.FILE, "b", "/pool/x.img", 1, "print")


def test_without_states_what_is_resolved_is_left_out() -> None:
    wanted = parse_list(api.ListFindingsRequest())

    assert wanted.kinds == frozenset()
    assert wanted.states == frozenset(FindingState) - {FindingState.RESOLVED}


def test_a_listing_may_be_of_some_kinds_and_states() -> None:
    message = api.ListFindingsRequest(
        kinds=[api.FindingKind.NODE_GONE], states=[api.FindingState.RESOLVED]
    )

    wanted = parse_list(message)

    assert wanted.kinds == {FindingKind.NODE_GONE}
    assert wanted.states == {FindingState.RESOLVED}


def test_a_kind_of_another_version_is_refused_and_not_left_out() -> None:
    kind, state = api.FindingKind(999), api.FindingState(999)

    with pytest.raises(InvalidRequest, match=r"^kinds must be those of this API's version"):
        parse_watch(api.WatchFindingsRequest(kinds=[kind]))
    with pytest.raises(InvalidRequest, match=r"^kinds must be those of this API's version"):
        parse_list(api.ListFindingsRequest(kinds=[kind]))
    with pytest.raises(InvalidRequest, match=r"^states must be those of this API's version"):
        parse_list(api.ListFindingsRequest(states=[state]))


@pytest.mark.parametrize(
    ("state", "is_wanted"),
    [
        (FindingState.WAITING, True),
        (FindingState.FOR_PEOPLE, False),
        (FindingState.RESOLVED, False),
    ],
)
def test_a_listing_has_findings_in_the_states_that_it_asks_for(
    state: FindingState,
    is_wanted: bool,  # noqa: FBT001 (an expectation)
) -> None:
    message = api.ListFindingsRequest(states=[api.FindingState.WAITING, api.FindingState.ACTING])
    finding = Finding("f", FindingKind.NODE_GONE, state, Subject(), "r", "n", NOW)

    assert parse_list(message).admits(Entry(finding, NOW)) is is_wanted


def test_pages_follow_each_other_to_the_end() -> None:
    items = ["a", "b", "c"]

    first, token = cut_page(items, 2, "", str)
    second, end = cut_page(items, 2, token, str)

    assert (list(first), list(second), end) == (["a", "b"], ["c"], "")


def test_pages_are_cut_by_a_key_whatever_characters_it_has() -> None:
    items = [replace(FILE, id=name) for name in ("/a", "/a???", "/a~~~")]
    pages: list[Orphan] = []
    tokens = [""]

    for _ in items:
        page, token = cut_page(items, 1, tokens[-1], lambda one: one.id)
        pages += page
        tokens.append(token)

    assert pages == items
    assert tokens == ["", "L2E=", "L2E_Pz8=", ""]


def test_a_page_that_nobody_limits_has_as_many_as_fit() -> None:
    items = [f"{number:04}" for number in range(501)]

    pages = [
        cut_page(items, size, "", str, most)[0] for most in (PAGE, ROWS) for size in (0, 501, 7)
    ]
    usual, _ = cut_page(items, 0, "", str)

    assert [len(page) for page in pages] == [500, 500, 7, 100, 100, 7]
    assert len(usual) == 500


def test_a_page_has_no_more_than_the_most() -> None:
    page, token = cut_page(["a", "b", "c"], 0, "", str, most=1)

    assert list(page) == ["a"]
    assert token


def test_a_page_of_nothing_is_the_last() -> None:
    assert cut_page([], 5, "", str) == ([], "")


def test_a_page_has_no_negative_size() -> None:
    with pytest.raises(InvalidRequest, match="page_size"):
        cut_page(["a"], -1, "", str)


@pytest.mark.parametrize("token", ["?", "YQ", "/w=="])
def test_a_token_of_something_else_is_stale(token: str) -> None:
    with pytest.raises(StaleToken):
        cut_page(["a"], 1, token, str)


@pytest.mark.parametrize(
    "ref",
    [
        api.OrphanRef(id=FILE.id),
        api.OrphanRef(id=FILE.id, kind=admin.ItemKind.FILE, device="rds", fingerprint="print"),
    ],
)
def test_an_orphan_is_found_by_as_much_as_is_said(ref: api.OrphanRef) -> None:
    assert find_orphan(ref, [FILE]) is FILE


@pytest.mark.parametrize(
    ("ref", "error", "why"),
    [
        (None, InvalidRequest, "must not be empty"),
        (api.OrphanRef(device="rds"), InvalidRequest, "must not be empty"),
        (api.OrphanRef(id="/pool/y.img"), NotFound, "there is no orphan"),
        (api.OrphanRef(id=FILE.id, kind=admin.ItemKind.VOLUME), NotFound, "there is no orphan"),
        (api.OrphanRef(id=FILE.id, device="c"), NotFound, "there is no orphan"),
        (api.OrphanRef(id=FILE.id), InvalidRequest, "several orphans"),
        (api.OrphanRef(id=FILE.id, device="rds", fingerprint="old"), InUse, "not any more what"),
    ],
)
def test_what_is_not_one_orphan_as_it_was_listed_is_refused(
    ref: api.OrphanRef | None, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        find_orphan(ref, [FILE, TWIN])


def test_the_key_of_a_decision_tells_the_orphan() -> None:
    named = Orphan(ItemKind.SUBVOLUME, "rds", "/pool/my old  volume", 0, "")

    assert parse_orphan_key(FILE.key) == replace(FILE, size_bytes=0, fingerprint="")
    assert parse_orphan_key(named.key) == named


def test_a_decision_may_end_later_or_never() -> None:
    later = datetime.fromtimestamp(NOW + 60, UTC)

    assert parse_until(later, NOW) == NOW + 60
    assert parse_until(None, NOW) is None
    with pytest.raises(InvalidRequest, match="has not passed yet"):
        parse_until(later, NOW + 60)


def test_a_pause_ends_after_its_limit_or_when_somebody_ends_it() -> None:
    assert parse_limit(timedelta(minutes=1), NOW) == NOW + 60
    assert parse_limit(None, NOW) is None
    with pytest.raises(InvalidRequest, match="longer than nothing"):
        parse_limit(timedelta(), NOW)
