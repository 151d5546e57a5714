"""Exit codes, tones and the other small values that scripts and terminals go by."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime, timedelta

import pytest

from rdsctl.blocks import Facts, Outcome, Tone, facts
from rdsctl.durations import parse_duration
from rdsctl.exits import Exit
from rdsctl.jsonform import Json, to_json
from rdsctl.words import ahead

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_exit_codes_are_those_that_scripts_know() -> None:
    assert {one.name: one.value for one in Exit} == {
        "OK": 0,
        "NOT_GOOD": 1,
        "USAGE": 2,
        "UNREACHABLE": 3,
        "NOT_PERMITTED": 4,
        "NOT_FOUND": 5,
        "CONFLICT": 6,
        "OUTCOME_UNKNOWN": 7,
        "SERVER_FAILED": 8,
        "NOT_CONFIRMED": 9,
        "BUG": 70,
        "INTERRUPTED": 130,
        "BROKEN_PIPE": 141,
    }


def test_tones_are_styles_that_the_terminal_knows() -> None:
    assert {one.name: one.value for one in Tone} == {
        "PLAIN": "",
        "GOOD": "green",
        "WARN": "yellow",
        "BAD": "red",
        "STRONG": "bold",
        "FAINT": "dim",
    }


def test_facts_have_no_title_and_an_outcome_is_good_unless_it_is_said() -> None:
    assert Facts(()) == facts() == Facts((), "")
    assert Outcome((), {}) == Outcome((), {}, good=True)


@pytest.mark.parametrize("value", [None, True, 0, 7, 1.5, "", "text"])
def test_what_json_knows_stays_as_it_is(value: Json) -> None:
    assert to_json(value) == value


def test_what_is_due_this_moment_is_due_now() -> None:
    assert ahead(NOW, NOW) == "now"


@pytest.mark.parametrize("text", ["9999d", "99999h", "999999m", "99999999s"])
def test_a_span_has_as_many_digits_as_make_sense_and_not_one_more(text: str) -> None:
    assert parse_duration(text) > timedelta(days=600)
    with pytest.raises(ArgumentTypeError, match="must be a span of time"):
        parse_duration(f"9{text}")
