"""Answers of a device that are not what most are."""

import pytest

from libs.core.errors import RdsCsiError
from libs.rdsclient.commands import Command
from libs.rdsclient.errors import CommandUnknown, GarbledReply
from libs.rdsclient.listing import CHANGED, Reader, read_entries
from libs.rdsclient.replies import listings

ONE, CHANGE = Command("", listings=1), Command("", changes=True, listings=1)


def test_a_listing_of_one_may_come_without_brackets() -> None:
    assert list(Reader('{"name":"rds"}', as_json=True).items()) == [{"name": "rds"}]


@pytest.mark.parametrize("text", ["[7]", "[null]", '["a"]', '[{"a":1}', '[{"a":1} {"a":2}]'])
def test_what_is_no_listing_or_breaks_off_is_no_answer(text: str) -> None:
    with pytest.raises(GarbledReply):
        listings(text, ONE)


def test_text_where_entries_should_be_is_an_error_of_the_device() -> None:
    with pytest.raises(CommandUnknown):
        list(read_entries("bad command name disk (line 1 column 2)\n"))


def test_a_listing_with_nothing_but_its_header_is_empty() -> None:
    assert list(read_entries("Flags: X - DISABLED\n\n")) == []


def test_hexadecimal_escapes_are_the_characters_that_they_stand_for() -> None:
    (item,) = read_entries(' 0 name="a\\41\\"\\n"\n')

    assert item == {"name": 'aA"\n'}


def test_an_answer_that_ends_before_the_change_leaves_it_open() -> None:
    with pytest.raises(GarbledReply, match="cut off"):
        listings(CHANGED[:2], CHANGE)


def test_an_error_before_the_change_says_what_the_device_says() -> None:
    with pytest.raises(CommandUnknown):
        listings("bad command name disk (line 1 column 2)", CHANGE)


@pytest.mark.parametrize("after", ["bad command name disk (line 1 column 2)", "[{", ""])
def test_after_a_change_no_answer_is_final(after: str) -> None:
    with pytest.raises(RdsCsiError) as caught:
        listings(f"{CHANGED}\n{after}", CHANGE)

    assert isinstance(caught.value, GarbledReply)
