"""Listings as the console prints them, where a character more or less makes a difference."""

import pytest

from libs.rdsclient import commands
from libs.rdsclient.commands import Command
from libs.rdsclient.errors import CommandRefused, GarbledReply, NoSuchItem
from libs.rdsclient.listing import Reader, read_entries
from libs.rdsclient.model import Features, Release
from libs.rdsclient.replies import listings

TEXT = commands.list_disks(Features.of(Release(7, 15)), ("pvc-",))
JSON = Command("", listings=1, json=True)
CHANGE = Command("", changes=True, listings=1, json=True)


# The text form


@pytest.mark.parametrize(
    "start",
    [
        *["0 ", "   7 ", "  12 B ", "0 * ", "0 B* ", "0 B M ", "0 ABCDEFGHIJKLMNOP "],
        "",  # a narrow console leaves row numbers out
    ],
)
@pytest.mark.parametrize("name", ["type", "slot", "slot-default", "name", "fs"])
def test_a_row_begins_with_its_number_and_flags_and_one_of_the_first_properties(
    start: str, name: str
) -> None:
    text = f'{start}{name}=one a="1"\r\n{start}{name}=two a="2"'

    assert list(read_entries(text)) == [{name: "one", "a": "1"}, {name: "two", "a": "2"}]


@pytest.mark.parametrize(
    "line",
    [
        "    1 type=b",
        " 2slot=b",
        " 1 ABCDEFGHIJKLMNOPQ slot=b",
        " 1 mytype=b",
        " 1 size=b",
        " slot=b",
    ],
)
def test_a_continued_line_that_is_like_a_row_is_none(line: str) -> None:
    (item,) = read_entries(f' 0 type=file comment="a\r\n{line}" b=c\r\n')

    assert item == {"type": "file", "comment": "a" + line.lstrip(), "b": "c"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("fooX\r\n   Xbar", "fooXXbar"),
        ("one \r\n\t two \r\n   three\t\r\n  four", "onetwothreefour"),
        ('"one \r\n\t two \r\n   three\t\r\n  four"', "onetwothreefour"),
        ('" kept "', " kept "),
        ('"a\\\r\n   "b"', 'a"b'),
        ('"a\\ \t\r\n"b"', 'a"b'),
        ('"a\\\n"b"', 'a"b'),
        (r'"\_\n\r\t\"\\\$\C3"', ' \n\r\t"\\$\u00c3'),
        ('""', ""),
        ("", ""),
    ],
)
def test_a_value_is_put_together_and_its_escapes_are_read(written: str, value: str) -> None:
    (item,) = read_entries(f" 0 type=file a={written} z=1\r\n")

    assert item == {"type": "file", "a": value, "z": "1"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('type=file slot="abc', "listing is cut off"),
        ('type=file slot="a" garbage size=1', "listing cannot be read"),
        ('0 type=file slot="a"b=1', "listing cannot be read"),
    ],
)
def test_an_entry_that_breaks_off_or_holds_something_else_is_none(text: str, message: str) -> None:
    with pytest.raises(GarbledReply, match=message):
        list(read_entries(text))


@pytest.mark.parametrize("block", ["Flags:", "Columns:", "", "\r\n"])
def test_a_listing_ends_with_its_mark_and_may_be_empty(block: str) -> None:
    assert listings(f"{block}rds-csi:end\r\n", TEXT) == ([],)


@pytest.mark.parametrize("text", ['type=file slot="a"\r\n', "rds-c", "Fla", "Flags: B", ""])
def test_a_listing_without_its_mark_is_cut_off(text: str) -> None:
    with pytest.raises(GarbledReply, match="answer is cut off"):
        listings(text, TEXT)


def test_an_error_in_place_of_a_listing_is_that_error() -> None:
    with pytest.raises(NoSuchItem):
        listings("no such item\r\n", TEXT)


# The JSON form


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("[]", []),
        (" [ \r\n] ", []),
        ('\r\n[ {"a":1} , \r\n{"a":2}\n]\r\n', [{"a": 1}, {"a": 2}]),
        (' {"a":1} ', [{"a": 1}]),
    ],
)
def test_space_between_the_parts_of_json_means_nothing(text: str, items: list[object]) -> None:
    assert listings(text, JSON) == (items,)


def test_an_answer_to_a_change_begins_with_its_mark() -> None:
    assert listings('rds-csi:changed\r\n[{"a":1}]', CHANGE) == ([{"a": 1}],)


def test_a_word_where_a_listing_should_be_is_a_refusal() -> None:
    with pytest.raises(CommandRefused):
        listings("X marks the spot", JSON)


@pytest.mark.parametrize("number", ["1e9999999999999999999", "1e", "--1"])
def test_a_number_that_cannot_be_is_no_answer(number: str) -> None:
    with pytest.raises(GarbledReply, match="cut off or not JSON"):
        listings(f'[{{"a":{number}}}]', JSON)


@pytest.mark.parametrize(("at", "first", "last"), [(20, 0, 120), (200, 100, 300)])
def test_what_cannot_be_read_is_told_with_what_stands_around_it(
    at: int, first: int, last: int
) -> None:
    text = "[".ljust(at) + "?" + "".join(chr(65 + number % 50) for number in range(200))
    reader = Reader(text, as_json=True)

    with pytest.raises(GarbledReply) as caught:
        list(reader.items())

    near = text[first:last]
    assert caught.value.detail == f"at character {at} of {at + 201}: {near!r}"
