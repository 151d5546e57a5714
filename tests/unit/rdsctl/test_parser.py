import pytest

from protos.gen.rdscsi.controller.v1 import ItemKind
from protos.gen.rdscsi.reconciler.v1 import FindingKind, FindingState
from rdsctl.commands import COMMANDS
from rdsctl.completion import list_commands
from rdsctl.durations import parse_duration
from rdsctl.parser import ITEM_KINDS, KINDS, STATES, build_parser
from rdsctl.questions import QUESTIONS
from rdsctl.settings import SETTINGS
from rdsctl.words import word


def test_the_words_of_flags_are_those_of_the_contract() -> None:
    assert [word(kind) for kind in FindingKind if kind.value] == list(KINDS)
    assert [word(state) for state in FindingState if state.value] == list(STATES)
    assert [word(kind) for kind in ItemKind if kind.value] == list(ITEM_KINDS)


def test_every_command_of_the_parser_can_be_run_and_every_other_is_reachable() -> None:
    paths = {" ".join(command.path) for command in list_commands(build_parser())} - {"", "orphans"}

    assert paths == set(COMMANDS) | {"watch", "preflight", "completion", "version"}
    assert set(QUESTIONS) < set(COMMANDS)


def test_every_setting_has_a_flag() -> None:
    flags = {
        name
        for command in list_commands(build_parser())
        for o in command.options
        for name in o.names
    }

    assert {f"--{name.replace('_', '-')}" for name in SETTINGS} <= flags


@pytest.mark.parametrize(
    "argv",
    [["-o", "json", "status"], ["status", "-o", "json"], ["-o", "wide", "status", "-o", "json"]],
)
def test_connection_flags_stand_before_or_after_the_command_and_the_later_wins(
    argv: list[str],
) -> None:
    assert build_parser().parse_args(argv).output == "json"


@pytest.mark.parametrize(
    ("argv", "command"),
    [(["orphans"], "orphans list"), (["orphans", "approve", "a"], "orphans approve")],
)
def test_orphans_alone_lists_them(argv: list[str], command: str) -> None:
    assert build_parser().parse_args(argv).command == command


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["finding"],
        ["findings", "--kin", "node-gone"],
        ["findings", "--kind", "nonsense"],
        ["pause"],
        ["pause", "--reason", "x", "--for", "0m"],
        ["pause", "--reason", "x", "--for", "soon"],
        ["status", "--timeout", "0"],
        ["status", "--timeout", "nan"],
        ["orphans", "approve"],
    ],
)
def test_what_makes_no_sense_is_wrong_usage(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(argv)

    assert caught.value.code == 2
    assert "usage: rdsctl" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("1h30m", 5400), ("7d", 604800)]
)
def test_spans_of_time_are_read(text: str, seconds: int) -> None:
    assert parse_duration(text).total_seconds() == seconds
