"""What `./dev mutation` says of what came of the mutants, and how it finds what to try."""

from pathlib import Path

import pytest

from tests.mutation.imports import (
    graph_of,
    modules_below,
    needed_by,
    read_graph,
    users_of,
    write_graph,
)
from tests.mutation.orders import Outcome
from tests.mutation.report import Result, complaints, table
from tests.mutation.tree import ROOT, Config, Explained, pure_modules, read_config

KNOWN = Explained("libs.a", "x = a < b", ("a < b -> a <= b",), "they are never the same")


def outcome(how: str, text: str = "x = a < b", tests: int = 2) -> Outcome:
    return Outcome("", 7, text, "a < b", "a <= b", how, "", 0.1, tests)


def test_the_table_counts_what_became_of_each_mutant() -> None:
    many = [outcome(how) for how in ("killed", "killed", "timeout", "survived")]

    rows = table([Result("libs.a", tuple(many), (KNOWN,)), Result("libs.b", (many[3],), (KNOWN,))])

    assert [row.split() for row in rows.splitlines()] == [
        ["module", "mutants", "killed", "timeouts", "explained", "left"],
        ["libs.a", "4", "2", "1", "1", "0"],
        ["libs.b", "1", "0", "0", "0", "1"],
        ["all", "5", "2", "1", "1", "1"],
    ]


def test_a_survivor_is_told_with_its_place_and_its_change() -> None:
    assert complaints([Result("libs.a", (outcome("survived"),), ())]) == (
        "libs.a:7: a < b -> a <= b"
    )


def test_a_survivor_to_which_no_test_comes_is_told_as_such() -> None:
    said = complaints([Result("libs.a", (outcome("survived", tests=0),), ())])

    assert said.endswith("(no test comes here)")


def test_an_explained_survivor_is_not_told() -> None:
    assert complaints([Result("libs.a", (outcome("survived"),), (KNOWN,))]) == ""


def test_an_explanation_of_what_does_not_survive_is_told() -> None:
    said = complaints([Result("libs.a", (outcome("killed"),), (KNOWN,))])

    assert said == "libs.a: explained, but killed or gone: x = a < b"


@pytest.mark.parametrize(
    ("module", "line", "change"),
    [
        ("libs.b", KNOWN.line, KNOWN.changes[0]),
        ("libs.a", "y = a < b", KNOWN.changes[0]),
        ("libs.a", KNOWN.line, "a < b -> a > b"),
    ],
)
def test_an_explanation_covers_only_its_own(module: str, line: str, change: str) -> None:
    assert KNOWN.covers("libs.a", KNOWN.line, KNOWN.changes[0])
    assert not KNOWN.covers(module, line, change)


def test_every_pure_module_has_tests_and_every_explanation_a_line_that_is_there() -> None:
    config = read_config()
    modules = pure_modules()

    without = [module for module in modules if not config.tests_of(module)]
    gone = [
        f"{one.module}: {one.line}"
        for one in config.explained
        if one.line
        not in {line.strip() for line in (ROOT / modules[one.module]).read_text().splitlines()}
    ]

    assert (without, gone) == ([], [])


def test_the_longest_beginning_says_which_tests_a_module_has() -> None:
    config = Config((), {"a": ("x",), "a.b": ("y", "z")}, ())

    assert config.tests_of("a.bc") == ("x",)
    assert config.tests_of("a.b.c") == ("y", "z")
    assert config.tests_of("b") == ()


def test_who_imports_a_module_is_read_from_the_files(tmp_path: Path) -> None:
    sources = {
        "libs/__init__.py": "",
        "libs/low.py": "import os",
        "libs/middle.py": "from libs import low",
        "libs/high.py": "def f():\n    from .middle import g",
        "libs/other.py": "from libs.aside import x",
        "libs/aside.py": "",
    }
    (tmp_path / "libs").mkdir()
    for name, text in sources.items():
        (tmp_path / name).write_text(text)

    graph = read_graph(write_graph(graph_of(modules_below(tmp_path))))

    assert users_of("libs.low", graph) == {"libs.low", "libs.middle", "libs.high"}
    assert needed_by({"libs.high"}, graph) == {"libs", "libs.high", "libs.middle", "libs.low"}
