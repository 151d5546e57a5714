"""How many commands share an exec, how they are joined, and how their answers come apart."""

import pytest

from libs.rdsclient.batch import BatchLimits, join_commands, split_answers
from libs.rdsclient.commands import Command

LIMITS = BatchLimits(commands=4, characters=100, seconds=10.0)


def test_the_limits_are_what_a_device_is_known_to_bear() -> None:
    limits = BatchLimits()

    assert (limits.commands, limits.characters, limits.seconds) == (16, 16_384, 5.0)


@pytest.mark.parametrize(
    ("limits", "waiting", "sessions", "count"),
    [
        # Of as many sessions as there are commands, each gets one.
        *[(LIMITS, 0, 1, 0), (LIMITS, 1, 1, 1), (LIMITS, 3, 3, 1), (LIMITS, 3, 9, 1)],
        *[(LIMITS, 4, 3, 2), (LIMITS, 3, 2, 2), (LIMITS, 3, 1, 3), (LIMITS, 3, 0, 3)],
        # A limit is reached and not gone beyond, but for a command that is above it by itself.
        *[(LIMITS, 4, 1, 4), (LIMITS, 5, 1, 4), (LIMITS, 9, 1, 4)],
        *[(BatchLimits(commands=count), 3, 1, 1) for count in (0, 1)],
        (BatchLimits(characters=20), 3, 1, 2),
        (BatchLimits(characters=19), 3, 1, 1),
        (BatchLimits(characters=9), 3, 1, 1),
        (BatchLimits(seconds=4.0), 3, 1, 2),
        (BatchLimits(seconds=3.5), 3, 1, 1),
        (BatchLimits(seconds=1.5), 3, 1, 1),
    ],
)
def test_an_exec_takes_its_share_of_what_waits_as_far_as_the_limits_go(
    limits: BatchLimits, waiting: int, sessions: int, count: int
) -> None:
    commands = [Command("0123456789", seconds=2.0)] * waiting

    assert limits.count(commands, sessions) == count


def test_a_command_alone_is_sent_as_it_is() -> None:
    assert join_commands([Command("/disk/print")]) == "/disk/print"


def test_of_several_commands_none_stops_the_others() -> None:
    line = join_commands([Command(":put 1"), Command(":put 2; :put 3")])

    assert line == (
        ':onerror e in={:put 1} do={:put $e}; :put "rds-csi:next"; '
        ':onerror e in={:put 2; :put 3} do={:put $e}; :put "rds-csi:next"'
    )


@pytest.mark.parametrize(
    ("text", "count", "answers"),
    [
        ("a\nrds-csi:next\n", 1, ["a\nrds-csi:next\n"]),
        ("a\r\nb\r\nrds-csi:next\r\nc\nrds-csi:next\n", 2, ["a\r\nb\r", "c"]),
        ("rds-csi:next\nb\nrds-csi:next\n", 2, ["", "b"]),
        ("a\nrds-csi:next\nb\nc", 2, ["a", "b\nc"]),
        ("a\nrds-csi:next\nb\nrds-csi", 4, ["a", "b\nrds-csi", "", ""]),
        ("a rds-csi:next\nrds-csi:next\nb\nrds-csi:next\n", 2, ["a rds-csi:next", "b"]),
        ("", 2, ["", ""]),
        ("failure: no", 2, ["failure: no", ""]),
        ("bad (line 1)\nrds-csi:next\n", 2, ["bad (line 1)", ""]),
        ("syntax error (line 1 column 8)", 1, ["syntax error (line 1 column 8)"]),
        ("syntax error (line 1 column 8)", 2, None),
    ],
)
def test_each_command_gets_its_own_answer_or_what_there_is_of_it(
    text: str, count: int, answers: list[str] | None
) -> None:
    assert split_answers(text, count) == answers
