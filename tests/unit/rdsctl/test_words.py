from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protos.gen.rdscsi.reconciler.v1 import FindingKind
from rdsctl.words import age, ahead, are, clean, plural, span, word

NOW = datetime(2026, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-5, "0s"),
        (119, "119s"),
        (120, "2m"),
        (7199, "119m"),
        (7200, "2h"),
        (172800, "2d"),
    ],
)
def test_a_span_is_told_in_one_unit(seconds: int, text: str) -> None:
    assert span(seconds) == text


def test_moments_that_are_not_known_are_a_dash() -> None:
    assert (age(None, NOW), ahead(None, NOW)) == ("-", "-")


def test_what_is_due_already_is_due_now() -> None:
    assert ahead(NOW - timedelta(hours=1), NOW) == "now"
    assert ahead(NOW + timedelta(hours=3), NOW) == "in 3h"


def test_values_of_enums_are_spelled_alike_everywhere_and_unknown_ones_keep_their_number() -> None:
    assert word(FindingKind.NODE_OUT_OF_SERVICE) == "node-out-of-service"
    assert word(FindingKind.UNSPECIFIED) == ""
    assert word(FindingKind(99)) == "unknown-99"


@given(st.text())
def test_no_text_from_elsewhere_keeps_what_a_terminal_obeys(text: str) -> None:
    cleaned = clean(text)

    assert all(ord(c) >= 32 and not 127 <= ord(c) < 160 for c in cleaned)
    assert len(cleaned.splitlines()) <= 1


@pytest.mark.parametrize(("count", "text"), [(0, "0 classes"), (1, "1 class"), (2, "2 classes")])
def test_a_noun_can_have_a_plural_of_its_own(count: int, text: str) -> None:
    assert plural(count, "class", "classes") == text


@pytest.mark.parametrize(("count", "text"), [(1, "1 disk is"), (2, "2 disks are")])
def test_a_verb_goes_with_the_number_of_things(count: int, text: str) -> None:
    assert are(count, "disk") == text
