"""What is written on a terminal, and what into a file or a pipe."""

import io

import pytest

from rdsctl.blocks import Block, Line, Tone, facts, table
from rdsctl.printing import Printer, width_of


class Terminal(io.StringIO):
    """A stream that says it is a terminal, and has no file behind it."""

    def isatty(self) -> bool:
        return True


def printed(*blocks: Block, stream: io.StringIO | None = None, **environ: str) -> str:
    stream = stream or io.StringIO()
    Printer(stream, environ).write(blocks)
    return stream.getvalue()


ROWS = table("Volumes", ("NAME", "SIZE"), [("pvc-1", "1 GiB"), ("pvc-long", "20 GiB")])


def test_a_table_is_plain_text_where_nobody_looks() -> None:
    assert printed(ROWS).split("\n") == [
        "Volumes",
        "NAME      SIZE",
        "pvc-1     1 GiB",
        "pvc-long  20 GiB",
        "",
    ]


def test_a_table_has_a_rule_below_its_headings_on_a_terminal() -> None:
    lines = printed(ROWS, stream=Terminal(), TERM="dumb").splitlines()

    assert set(lines[2].strip()) == {"─"}
    assert lines[1].split() == ["NAME", "SIZE"]
    assert lines[3].split() == ["pvc-1", "1", "GiB"]


def test_a_table_without_headings_has_neither_them_nor_a_rule() -> None:
    lines = printed(table("", (), [("a", "b")]), stream=Terminal(), NO_COLOR="1").splitlines()

    assert [line.split() for line in lines] == [["a", "b"]]


def test_a_table_without_rows_is_nothing_at_all() -> None:
    assert printed(table("Volumes", ("NAME",), [])) == ""


def test_blocks_with_titles_stand_apart_and_an_empty_one_parts_nothing() -> None:
    empty = table("Nothing", ("NAME",), [])

    lines = printed(empty, facts(("leader", "a"), title="State"), empty, ROWS).splitlines()

    assert lines[:4] == ["State", "leader  a", "", "Volumes"]


def test_facts_without_a_title_follow_at_once() -> None:
    assert printed(Line("first"), facts(("a", "1"), ("long", "2"))) == "first\na     1\nlong  2\n"


def test_an_empty_line_is_a_line() -> None:
    assert printed(Line(""), Line("x")) == "\nx\n"


@pytest.mark.parametrize(
    ("stream", "environ", "line"),
    [
        (Terminal(), {"TERM": "xterm"}, "\x1b[31mlost\x1b[0m\n"),
        (Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}, "lost\n"),
        (Terminal(), {"TERM": "dumb"}, "lost\n"),
        (io.StringIO(), {"TERM": "xterm"}, "lost\n"),
    ],
)
def test_colours_are_for_terminals_that_have_them_and_people_who_want_them(
    stream: io.StringIO, environ: dict[str, str], line: str
) -> None:
    assert printed(Line("lost", Tone.BAD), stream=stream, **environ) == line


def test_what_was_put_together_carelessly_cannot_steer_the_terminal() -> None:
    assert "\x1b" not in printed(Line("\x1b[2Jgone"), stream=Terminal(), TERM="dumb")


def test_markup_and_emoji_are_text_like_others() -> None:
    assert printed(Line("[red]x[/red] :warning:")) == "[red]x[/red] :warning:\n"


def test_without_a_limit_a_long_sentence_is_one_line_for_grep() -> None:
    sentence = "word " * 200

    assert len(printed(table("", ("WHY",), [(sentence,)])).splitlines()) == 2


def test_names_stay_whole_so_that_they_can_be_copied_and_sentences_are_folded() -> None:
    name, sentence = "pvc-0123456789abcdef", "the node went away and has not come back since"

    lines = printed(table("", ("NAME", "WHY"), [(name, sentence)]), COLUMNS="50").splitlines()

    assert lines[1].startswith(name)
    assert len(lines) == 3
    assert " ".join(" ".join(lines[1:]).split()) == f"{name} {sentence}"
    assert all(len(line) <= 50 for line in lines)


def test_where_there_is_no_room_even_names_are_folded() -> None:
    name = "pvc-" + "0123456789" * 4

    lines = printed(table("", ("NAME",), [(name,)]), COLUMNS="20").splitlines()

    assert all(len(line) <= 20 for line in lines)
    assert "".join(lines[1:]) == name


def test_a_column_is_as_wide_as_it_is_told_for_rows_that_come_one_by_one() -> None:
    row = table("", ("WHEN", "WHAT"), [("now", "x")], widths="10 1")

    assert printed(row).splitlines()[1] == "now" + " " * 9 + "x"


def test_a_document_is_json_and_ends_its_line() -> None:
    stream = io.StringIO()

    Printer(stream, {}).write_document({"a": [1, None]}, indent=None)

    assert stream.getvalue() == '{"a": [1, null]}\n'


@pytest.mark.parametrize(
    ("stream", "columns", "width"),
    [
        (io.StringIO(), "120", 120),
        (io.StringIO(), None, 100_000),
        (io.StringIO(), "0", 100_000),
        (io.StringIO(), "-5", 100_000),
        (io.StringIO(), "\u0665", 100_000),
        # No terminal can be asked behind it: the width that every terminal had once.
        (Terminal(), None, 80),
        (Terminal(), "many", 80),
    ],
)
def test_how_wide_it_is(stream: io.StringIO, columns: str | None, width: int) -> None:
    environ = {} if columns is None else {"COLUMNS": columns}

    assert width_of(stream, environ) == width
