"""What the device says of itself, and how what it did not do is counted."""

import asyncio

import pytest

from libs.core.errors import Busy, RdsCsiError
from libs.rdsclient import commands
from libs.rdsclient.errors import CommandTimeout, CommandUnknown, GarbledReply, PoolFull
from libs.rdsclient.facts import parse_identity, parse_system, read_lines
from libs.rdsclient.model import Release, SystemInfo
from libs.rdsclient.observer import RESULTS, result_of

SYSTEM = """\
                   uptime: 3w2d
                  version: 7.20.1 (stable)
               board-name: RDS2216
"""


def test_release_and_board_are_read_from_lines_for_people() -> None:
    system = parse_system(SYSTEM)

    assert system.release == Release.parse("7.20.1")
    assert system.board == "RDS2216"


def test_lines_that_are_no_properties_are_passed_over() -> None:
    text = "  name: rds-1  \nMAINTENANCE: tonight\n: of nothing\nIts size: 7\n\n"

    assert read_lines(text) == {"name": "rds-1"}


@pytest.mark.parametrize("text", ["", " \r\n", "   uptime: 3w2d\n"])
def test_an_answer_without_a_version_is_no_answer(text: str) -> None:
    with pytest.raises(GarbledReply, match="did not say which release it runs"):
        parse_system(text)


def test_a_device_need_not_say_which_board_it_is() -> None:
    system = parse_system("version: 7.16 (stable)\n")

    assert system == SystemInfo(Release(7, 16), "7.16 (stable)", board="")


def test_an_error_text_is_an_error_and_not_an_answer_without_a_version() -> None:
    with pytest.raises(CommandUnknown):
        parse_system("bad command name resource (line 1 column 9)")


def test_the_name_is_read_from_a_listing() -> None:
    command = commands.Command("", listings=1)

    assert parse_identity('[{"name":"rds-1"}]', command) == "rds-1"
    assert not parse_identity("[]", command)


def test_the_name_is_read_from_lines_for_people() -> None:
    command = commands.Command("")

    assert parse_identity("  name: rds-1\n", command) == "rds-1"
    assert not parse_identity("", command)


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "ok"),
        (Busy("later"), "busy"),
        (PoolFull("no room"), "exhausted"),
        (CommandTimeout("silence"), "outcome_unknown"),
        (asyncio.CancelledError(), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
        (KeyError("ours"), "fault"),
        (RdsCsiError("of no family"), "fault"),
    ],
)
def test_how_a_command_ended_is_counted_by_its_family(
    error: BaseException | None, result: str
) -> None:
    assert result_of(error) == result
    assert result in RESULTS


def test_a_command_ends_well_or_in_a_family_of_errors_or_is_given_up_or_a_fault() -> None:
    assert (
        "ok",
        *("busy", "conflict", "exhausted", "in_use", "invalid_request", "not_found"),
        *("out_of_range", "outcome_unknown", "refused", "stale_token", "unreachable"),
        *("unsupported", "cancelled", "fault"),
    ) == RESULTS
