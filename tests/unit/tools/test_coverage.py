"""The floors of coverage: what is read, what is too little, and that no floor goes down."""

import json
from collections.abc import Mapping

import pytest

from tests.coverage.__main__ import FLOORS
from tests.coverage.figures import Figure, File, pure_files, pure_modules, read_report, total
from tests.coverage.floors import below, highest, incomplete, lowered, raised, read_floors, table
from tests.coverage.measure import ROOT

TEXT = """# why
[tiers]
unit = ["tests/unit"]

[floors]
unit = 50.0
all = 90.0
pure = 99.9
pure-unit = 80.0
"""

NONE: Mapping[str, Figure] = {}


def entry(lines: int, run: int, branches: int = 0, taken: int = 0) -> dict[str, object]:
    return {
        "summary": {
            "num_statements": lines,
            "covered_lines": run,
            "num_branches": branches,
            "covered_branches": taken,
        },
        "missing_lines": list(range(run + 1, lines + 1)),
        "missing_branches": [],
    }


def report(**entries: object) -> str:
    return files_report({f"libs/{name}.py": value for name, value in entries.items()})


def files_report(files: Mapping[str, object]) -> str:
    return json.dumps({"files": files})


def test_lines_and_branches_count_alike() -> None:
    read = read_report(report(a=entry(6, 5, 4, 1), b=entry(10, 9)))

    figure = total(read.values())

    assert figure == Figure(16, 14, 4, 1)
    assert figure.percent == 75.0
    assert figure.percent_lines == 87.5
    assert figure.percent_branches == 25.0


def test_of_nothing_all_ran() -> None:
    assert total(()).percent == 100.0


def test_a_gap_is_named_once_and_neighbours_are_joined() -> None:
    branches = ((2, 3), (9, 12), (14, -11))
    file = File("a.py", Figure(9, 4), lines=(2, 3, 4, 7, 9), branches=(*branches, (20, 21)))

    # Lines 2 and 9 never ran: their branches say nothing new.
    assert file.gaps == "2-4, 7, 9, 14->exit, 20->21"


def test_a_file_without_gaps_names_none() -> None:
    assert File("a.py", Figure(1, 1)).gaps == ""


def test_pure_are_the_modules_of_the_list_and_what_is_below_them() -> None:
    layers = "[importlinter:contract:pure]\nsource_modules =\n    libs.core\n    libs.a\n"
    paths = ("libs/core/__init__.py", "libs/core/ids.py", "libs/a.py", "libs/ab.py", "a.py")
    read = read_report(files_report({path: entry(1, 1) for path in paths}))

    found = pure_files(read, pure_modules(layers))

    assert [file.path for file in found] == list(paths[:3])


def test_the_layers_file_has_pure_modules_that_are_there() -> None:
    modules = pure_modules((ROOT / ".importlinter").read_text())

    places = [ROOT.joinpath(*module.split(".")) for module in modules]

    assert "libs.core" in modules
    assert all(place.is_dir() or place.with_suffix(".py").is_file() for place in places)


def test_less_than_the_floor_is_said_with_the_floor_and_what_was_measured() -> None:
    figures = {"unit": Figure(3, 2), "all": Figure(10, 9)}

    told = list(below(figures, {"unit": 66.7, "all": 90.0}))

    assert told == ["unit: the floor is 66.7 %, and 66.66 % was measured for the unit tests"]


def test_a_hundred_per_cent_less_one_line_is_less_than_a_hundred() -> None:
    figures = {"pure": Figure(100_000, 99_999)}

    told = list(below(figures, {"pure": 100.0}))

    assert len(told) == 1
    assert "99.99 % was measured" in told[0]


def test_a_pure_module_that_did_not_run_as_a_whole_is_named_with_where() -> None:
    files = (File("a.py", Figure(2, 2)), File("b.py", Figure(4, 3), lines=(7,)))

    assert list(incomplete(files)) == ["b.py: 75.00 %, not 7"]


@pytest.mark.parametrize(
    ("now", "said"),
    [
        ({"unit": 50.0}, []),
        ({"unit": 50.1, "new": 1.0}, []),
        ({"unit": 49.9}, ["unit: the floor is 49.9 %, was 50.0 %, and floors only rise"]),
        ({}, ["unit: its floor of 50.0 % is gone, and floors only rise"]),
    ],
)
def test_a_floor_only_rises(now: Mapping[str, float], said: list[str]) -> None:
    assert list(lowered(now, {"unit": 50.0})) == said


def test_a_floor_is_compared_with_the_highest_that_it_ever_was() -> None:
    versions = [{"unit": 63.7, "all": 96.0}, {"unit": 63.9}, {"unit": 60.0, "old": 1.0}]

    assert highest(versions) == {"unit": 63.9, "all": 96.0, "old": 1.0}


def test_a_floor_is_raised_to_what_was_measured_less_what_differs_each_time() -> None:
    figures = {"unit": Figure(10_000, 6_047), "all": Figure(10_000, 8_000)}

    text = raised(TEXT, figures)

    assert text == TEXT.replace("unit = 50.0", "unit = 60.1", 1)


def test_the_floor_of_pure_modules_is_raised_to_all_of_them() -> None:
    assert "\npure = 100.0\n" in raised(TEXT, {"pure": Figure(5, 5)})


def test_raising_by_nothing_changes_nothing() -> None:
    assert raised(TEXT, NONE) == TEXT


@pytest.mark.parametrize(
    ("text", "odd"),
    [
        (TEXT.replace("unit = 50.0\n", ""), "unit"),
        (TEXT + "typo = 3.0\n", "typo"),
    ],
)
def test_a_tier_without_a_floor_and_a_floor_without_a_tier_are_refused(text: str, odd: str) -> None:
    with pytest.raises(ValueError, match=f"look at {odd}"):
        read_floors(text)


def test_the_floors_in_the_tree_are_read_and_their_folders_are_there() -> None:
    floors = read_floors(FLOORS.read_text())

    assert all((ROOT / path).is_dir() for paths in floors.tiers.values() for path in paths)
    assert floors.floors["all"] >= 90.0


def test_the_table_rounds_down() -> None:
    text = table({"all": Figure(100_000, 99_999, 4, 2)}, {"all": 90.0})

    assert (
        "| all tiers together | 99.99 | 90.0 | 99.99 | 50.00 | 99999 of 100000 | 2 of 4 |" in text
    )
