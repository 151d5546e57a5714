"""How findings are collected, and what people and scripts get of them."""

import pytest

from rdsctl.blocks import Block, Cell, Facts, Line, Table, Tone
from rdsctl.preflight.model import Finding, Level
from rdsctl.preflight.notes import Notes
from rdsctl.preflight.view import document, is_ready, render

NAMES = ("a", "b", "c", "d", "e", "f", "g")
OK = Finding(Level.OK, "nodes", "they fit")
WARNING = Finding(Level.WARNING, "volumes", "it is odd", "look", NAMES)
BLOCKER = Finding(Level.BLOCKER, "disks", "it is gone", "bring it back", NAMES[:5])
NOTHING = Cell("")


def test_what_is_the_same_of_several_is_said_once_before_the_next_check() -> None:
    notes = Notes()

    notes.ok("text")
    notes.begin("first")
    notes.count(Level.WARNING, "b\n", " odd ", "do\x1bthis")
    notes.count(Level.WARNING, "a", "odd", "do this")
    notes.count(Level.BLOCKER, "a", "odd")
    notes.begin("second")
    well = notes.end()
    notes.warn("warned", names=["x\n"])
    notes.block("blocked\n")
    notes.ok("well\n", "do\n", ["y"])
    notes.count(Level.OK, "c", "counted")

    assert notes.all() == (
        Finding(Level.OK, "", "text", "", ()),
        Finding(Level.WARNING, "first", "odd", "do this", ("b", "a")),
        Finding(Level.BLOCKER, "first", "odd", "", ("a",)),
        Finding(Level.WARNING, "second", "warned", "", ("x",)),
        Finding(Level.BLOCKER, "second", "blocked", "", ()),
        Finding(Level.OK, "second", "well", "do", ("y",)),
        Finding(Level.OK, "second", "counted", "", ("c",)),
    )
    assert well is True


def test_the_end_of_a_check_tells_whether_something_was_counted() -> None:
    notes = Notes()
    notes.count(Level.OK, "a", "text")

    assert (notes.end(), notes.end()) == (False, True)


def row(level: Level, tone: Tone, check: str, text: str) -> tuple[Cell, ...]:
    return (Cell(level.value, tone), Cell(check), Cell(text))


def of(text: str) -> tuple[Cell, ...]:
    return (NOTHING, NOTHING, Cell(text, Tone.FAINT))


def do(text: str) -> tuple[Cell, ...]:
    return (NOTHING, NOTHING, Cell(text))


@pytest.mark.parametrize(
    ("names", "wide"),
    [("of: a, b, c, d, e and 2 more (-o wide)", False), ("of: a, b, c, d, e, f, g", True)],
)
def test_people_get_what_is_in_the_way_first_with_what_to_do(*, names: str, wide: bool) -> None:
    settings = {"rds-user": "rds-csi"}

    said = render([OK, WARNING, BLOCKER], settings, ["the\ndevice"], wide=wide)

    assert said == (
        Line("Not looked at: the device", Tone.BAD),
        Table(
            "",
            ("LEVEL", "CHECK", "FINDING"),
            (
                row(Level.BLOCKER, Tone.BAD, "disks", "it is gone"),
                of("of: a, b, c, d, e"),
                do("do: bring it back"),
                row(Level.WARNING, Tone.WARN, "volumes", "it is odd"),
                of(names),
                do("do: look"),
                row(Level.OK, Tone.GOOD, "nodes", "they fit"),
            ),
        ),
        Facts((("--rds-user", Cell("rds-csi")),), "Settings that fit what is there"),
        Line(""),
        Line("Not everything was looked at: 1 blocker, 1 warning. Nothing was changed.", Tone.BAD),
    )


@pytest.mark.parametrize(
    ("findings", "settings"), [([], {"rds-user": "rds-csi"}), ([OK], {}), ([], {})]
)
def test_settings_are_proposed_where_there_are_some_and_something_was_looked_at(
    findings: list[Finding], settings: dict[str, str]
) -> None:
    said: tuple[Block, ...] = render(findings, settings, (), wide=False)

    assert said == (
        said[0],
        Line(""),
        Line("All is ready: 0 blockers, 0 warnings. Nothing was changed.", Tone.GOOD),
    )


def test_scripts_get_all_of_each_finding() -> None:
    made = document([WARNING, OK], {"rds-user": "rds-csi"}, ["the device"])

    assert made == {
        "ready": False,
        "findings": [
            {
                "level": "warning",
                "check": "volumes",
                "text": "it is odd",
                "remedy": "look",
                "names": list(NAMES),
            },
            {"level": "ok", "check": "nodes", "text": "they fit", "remedy": "", "names": []},
        ],
        "settings": {"rds-user": "rds-csi"},
        "unreached": ["the device"],
    }


@pytest.mark.parametrize(
    ("findings", "unreached", "ready"),
    [
        ([], [], True),
        ([OK, WARNING], [], True),
        ([OK, BLOCKER], [], False),
        ([OK], ["x"], False),
    ],
)
def test_moving_is_ready_where_all_was_looked_at_and_nothing_is_in_the_way(
    *, findings: list[Finding], unreached: list[str], ready: bool
) -> None:
    assert is_ready(findings, unreached) is ready
    assert document(findings, {}, unreached)["ready"] is ready
