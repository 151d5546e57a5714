"""Spans of time in flags, and values in cells."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

import pytest

from rdsctl import words
from rdsctl.blocks import Cell, Tone, cell, table
from rdsctl.durations import parse_duration, parse_timeout
from rdsctl.jsonform import to_json

NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("1d12h", timedelta(hours=36)),
        ("1d2h3m4s", timedelta(days=1, hours=2, minutes=3, seconds=4)),
    ],
)
def test_a_span_is_numbers_with_their_units(text: str, span: timedelta) -> None:
    assert parse_duration(text) == span


@pytest.mark.parametrize("text", ["", "0s", "5", "m", "1.5h", "-1h", "1h 2m", "2m1h"])
def test_what_is_no_span_or_an_empty_one_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="must be a span of time"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "seconds"), [("0.5", 0.5), ("86400", 86400.0)])
def test_a_timeout_is_a_number_of_seconds_up_to_a_day(text: str, seconds: float) -> None:
    assert parse_timeout(text) == seconds


@pytest.mark.parametrize("text", ["", "x", "0", "-1", "86401", "nan", "inf"])
def test_what_is_no_time_to_wait_is_refused(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="above 0 and up to 86400"):
        parse_timeout(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172_799, "47h"),
        (172_800, "2d"),
    ],
)
def test_a_span_is_shown_in_the_unit_of_which_there_are_two(seconds: float, text: str) -> None:
    assert words.span(seconds) == text


def test_how_long_ago_something_was_is_said_in_a_sentence() -> None:
    assert words.ago(NOW - timedelta(hours=3), NOW) == "3h ago"
    assert words.ago(None, NOW) == "at an unknown time"


def test_a_size_that_is_not_known_is_a_dash() -> None:
    assert words.size(0) == words.NOTHING
    assert words.size(1 << 30) == "1 GiB"


@pytest.mark.parametrize(
    ("count", "text"), [(1, "1 disk is"), (0, "0 disks are"), (2, "2 disks are")]
)
def test_a_number_of_things_agrees_with_its_verb(count: int, text: str) -> None:
    assert words.are(count, "disk") == text


def test_a_cell_keeps_its_tone_and_shows_nothing_that_a_terminal_obeys() -> None:
    assert cell(Cell("a\x1b[2Jb", Tone.BAD)) == Cell("a [2Jb", Tone.BAD)


def test_a_table_has_cells_of_texts_and_the_widths_that_were_asked_for() -> None:
    made = table("Volumes", ("ID", "size"), [("v1", Cell("1", Tone.GOOD)), ("", "2")], widths="9 4")

    assert made.rows == ((Cell("v1"), Cell("1", Tone.GOOD)), (Cell("-"), Cell("2")))
    assert made.widths == (9, 4)


def test_a_map_is_an_object_with_names() -> None:
    assert to_json({1: timedelta(seconds=1)}) == {"1": to_json(timedelta(seconds=1))}
