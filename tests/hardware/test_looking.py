"""What is asked without changing anything, on a simulator that behaves in each way."""

from collections.abc import Callable

import pytest

from libs.mockrds.faults import Action
from libs.mockrds.files import Pool
from libs.mockrds.render import Console
from tests.hardware.looking import QUESTIONS
from tests.hardware.model import Half, Verdict
from tests.hardware.rig import Rig, rigged

NAMES = [question.name for question in QUESTIONS]


def stateless(rig: Rig) -> None:
    rig.device.state.pools[0] = Pool("raid10", 2**36, state="")


def few_sessions(rig: Rig) -> None:
    rig.device.mock.sessions = 3


def saying(action: Action, pattern: str, text: str = "") -> Callable[[Rig], None]:
    return lambda rig: rig.fail(action, pattern, text)


OTHERWISE: dict[str, Callable[[Rig], None]] = {
    "error-texts": saying(Action.ERROR, "no-such-menu", "das gibt es nicht"),
    "json-form": saying(Action.GARBAGE, "serialize.*mount-point"),
    "text-form": saying(Action.GARBAGE, "^/disk/print detail where mount-point", 'x="'),
    "patterns": saying(Action.GARBAGE, r"mount-point~\"\^\(raid10", "[]"),
    "counting": saying(Action.GARBAGE, r'put "none"', "some\r\n"),
    "batching": saying(Action.ERROR, ":onerror", "syntax error (line 1 column 8)"),
    "long-lines": saying(Action.ERROR, "x{5000}", "failure: line too long"),
    "traffic": saying(Action.GARBAGE, "monitor-traffic", "rds-csi:item end\r\n"),
    "health": stateless,
    "sessions": few_sessions,
}


@pytest.mark.parametrize("name", NAMES)
async def test_what_is_as_expected_is_confirmed(rig: Rig, name: str) -> None:
    result = await rig.ask(name, writes=False)

    assert result.answer.verdict is Verdict.CONFIRMED, result


@pytest.mark.parametrize("name", OTHERWISE)
async def test_what_is_otherwise_is_said_with_the_words_of_the_device(rig: Rig, name: str) -> None:
    OTHERWISE[name](rig)

    result = await rig.ask(name, writes=False)

    assert result.answer.verdict is Verdict.DIFFERENT, result
    assert result.exchanges
    assert result.otherwise


async def test_a_release_that_is_too_old_is_said(rig: Rig) -> None:
    rig.device.state.version = "7.19.6 (long-term)"

    result = await rig.ask("release", writes=False)

    assert result.answer.verdict is Verdict.DIFFERENT
    assert "7.19.6" in result.answer.found


@pytest.mark.parametrize(
    ("style", "decimals", "honest"),
    [
        (Console(80), False, False),
        (Console(80, fold_inside=True), True, False),
        (Console(50, fold_inside=True, numbered=False), False, True),
    ],
    ids=["narrow", "folded, with decimals", "unnumbered, with a status"],
)
async def test_every_form_of_answers_that_the_driver_reads_is_confirmed(
    style: Console, *, decimals: bool, honest: bool
) -> None:
    async with rigged(json_decimals=decimals) as rig:
        rig.device.mock.style = style
        rig.device.mock.honest_status = honest
        report = await rig.run("json-form", "text-form", "error-texts", writes=False)

    verdicts = {result.name: result.answer.verdict for result in report.results}
    assert set(verdicts.values()) == {Verdict.CONFIRMED}, report
    assert ("with decimals" in report.results[1].answer.found) is decimals


async def test_the_number_of_sessions_that_work_is_told(rig: Rig) -> None:
    rig.device.mock.sessions = 3

    result = await rig.ask("sessions", writes=False)

    assert result.answer.found.startswith("2 sessions at once work; of 4, ")


async def test_a_run_that_only_looks_sends_nothing_that_could_change_anything(rig: Rig) -> None:
    rig.device.state.read_only_user = True

    report = await rig.run(writes=False)

    words = ("/add", "/set", "/remove", "/copy", "nvme-tcp-export=")
    assert [one.line for one in rig.device.execs if any(word in one.line for word in words)] == []
    asked = {result.name for result in report.results if result.exchanges}
    assert asked == set(NAMES) - {"release"}  # which is asked of each connection
    rest = [result for result in report.results if result.half is not Half.LOOKING]
    assert {result.answer.verdict for result in rest} == {Verdict.SKIPPED}


async def test_a_device_that_goes_away_costs_no_answer_that_was_given(rig: Rig) -> None:
    rig.fail(Action.DROP_BEFORE, ":len")

    report = await rig.run("json-form", "counting", "batching", writes=False)

    verdicts = [result.answer.verdict for result in report.results]
    assert verdicts[0] is Verdict.CONFIRMED
    assert verdicts[1] is Verdict.UNKNOWN
    assert len(verdicts) == 3
