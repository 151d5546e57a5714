"""What a person reads and attaches, and what must never be in it."""

import json
import re
import sys
from asyncio import create_subprocess_exec, subprocess, timeout
from pathlib import Path

import pytest

from libs.mockrds.dhchap import secret_of
from libs.mockrds.testing import PASSWORD
from libs.ops.settings import flag
from services.controller.config import ControllerSettings
from tests.hardware.model import Answer, Exchange, Half, Report, Result, Verdict
from tests.hardware.options import build_parser, parse_options
from tests.hardware.report import document, is_good, render
from tests.hardware.rig import FakeHost, Rig
from tests.hardware.run import QUESTIONS
from tests.hardware.tape import Tape, changes

BASE = ["--rds-address=192.0.2.1", "--rds-host-key-file=k", "--rds-key-file=i"]


def result(name: str, verdict: Verdict, found: str = "found | it", said: str = "said") -> Result:
    exchange = Exchange(name, "/disk/print", said, 0, 0.2)
    return Result(
        name, "asked", "why", "--choose=this", Half.MAKING, Answer(verdict, found), (exchange,)
    )


async def test_neither_secrets_nor_addresses_are_in_report_or_transcript(rig: Rig) -> None:
    secrets = set()
    host = FakeHost(rig.device)

    report = await rig.run("password", "password-works", host=host)

    for one in rig.device.execs:
        if "server-password=" in one.line:
            given = one.line.partition('server-password="')[2].partition('"')[0]
            secrets |= {given, secret_of(given)} - {""}
    texts = [render(report), json.dumps(document(report)), json.dumps(rig.tape.document({}))]
    assert len(secrets) >= 2
    assert 'nvme-tcp-server-password=\\"***\\"' in texts[2]
    for text in texts:
        assert [secret for secret in (*secrets, PASSWORD, "127.0.0.1") if secret in text] == []


@pytest.mark.parametrize(
    "said",
    [
        'nvme-tcp-server-secret="DHHC-1:00:abc=:" swap=no',
        '{"nvme-tcp-server-secret": "DHHC-1:00:abc=:", "swap": false}',
        '{"encryption-key":"abc=:x"}',
        "serial=abc=:x model=z",
    ],
)
def test_a_property_that_is_a_secret_is_masked_in_every_form(said: str) -> None:
    cleaned = Tape().clean(said)

    assert "abc" not in cleaned
    assert '"***"' in cleaned


def test_a_secret_that_is_not_set_is_shown_as_such() -> None:
    said = 'nvme-tcp-server-password="" swap=no'

    assert Tape().clean(said) == said


def test_what_is_different_comes_with_what_to_choose_and_the_words_of_the_device() -> None:
    report = Report(
        {"board": "RDS2216"},
        results=(
            result("a", Verdict.CONFIRMED),
            result("b", Verdict.DIFFERENT, said="failure: no\r\n~~~~\nmore"),
        ),
    )

    text = render(report)

    assert "1 confirmed, 1 different" in text
    assert "| b | why | --choose=this |" in text
    assert "| a | why" not in text
    assert "  failure: no" in text
    assert "\n  ~~~~\n" in text
    assert r"found \| it" in text
    assert not is_good(report)


def test_what_is_left_is_the_first_thing_that_is_read() -> None:
    report = Report(prefix="hwkit-1-", left=("/disk/remove [find slot=x]",), swept=True)

    text = render(report)

    assert text.index("could be removed") < text.index("| question |")
    assert "\n/disk/remove [find slot=x]\n" in text


def test_a_report_stays_short_enough_to_be_attached() -> None:
    said = "x" * 100_000
    report = Report(results=tuple(result(f"q{i}", Verdict.UNKNOWN, said=said) for i in range(20)))

    assert len(render(report)) < 60_000


@pytest.mark.parametrize(
    "line",
    [
        "/disk/add type=file",
        ':if (1 = 1) do={/disk/set [find slot="x"] a=b}',
        "/file/remove [find name=x]",
        "/file/copy src=a dst=b",
        "/disk remove 1",
        ":onerror e in={/system/reboot} do={}",
    ],
)
def test_a_line_that_changes_something_is_known(line: str) -> None:
    assert changes(line)


def test_a_line_that_looks_is_known_even_if_it_speaks_of_changes() -> None:
    assert not changes('/disk/print detail where slot~"/disk/remove" and comment="set"; :put "add"')


@pytest.mark.parametrize(
    "flags",
    [
        [],
        ["--base-path=/raid10/volumes"],
        ["--read-only", "--i-know-what-this-does", "--base-path=/raid10/volumes"],
        ["--i-know-what-this-does"],
        ["--read-only", "--nvme-address=192.0.2.2"],
        ["--read-only", "--most-sessions=0"],
        ["--i-know-what-this-does", "--base-path=/raid10/../x"],
    ],
)
def test_flags_that_do_not_say_clearly_what_may_happen_are_refused(
    flags: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options([*BASE, *flags])

    assert ended.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_the_page_names_every_question_and_every_flag_and_no_others() -> None:
    page = (Path(__file__).parents[2] / "docs" / "hardware.md").read_text()
    known = {text for action in build_parser()._actions for text in action.option_strings}  # noqa: SLF001 (argparse has no public list)
    settings = {flag(name) for name in ControllerSettings.__dataclass_fields__}

    rows = set(re.findall(r"^\| `([a-z-]+)` \|", page, re.MULTILINE))
    flags = set(re.findall(r"(?<![\w-])--[a-z][a-z-]+", page))

    assert rows == {question.name for question in QUESTIONS}
    assert known - {"-h", "--help", "-o"} <= flags
    assert flags <= known | settings


def test_what_is_to_be_chosen_can_be_chosen() -> None:
    settings = {flag(name) for name in ControllerSettings.__dataclass_fields__}

    named = {text for one in QUESTIONS for text in re.findall(r"--[a-z][a-z-]+", one.otherwise)}

    assert named - settings == set()
    assert len(named) >= 4


def test_only_the_flag_that_says_so_lets_things_be_made() -> None:
    looking = parse_options([*BASE, "--read-only", "--base-path=/raid10/volumes"])
    making = parse_options([*BASE, "--i-know-what-this-does", "--base-path=/raid10/volumes"])

    assert (looking.writes, making.writes) == (False, True)


async def run_kit(rig: Rig, tmp_path: Path, *flags: str) -> tuple[int | None, str]:
    (tmp_path / "password").write_text(PASSWORD)
    (tmp_path / "hostkey").write_text(rig.device.host_key)
    process = await create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.hardware",
        f"--rds-address={rig.device.host}",
        f"--rds-port={rig.device.port}",
        f"--rds-password-file={tmp_path / 'password'}",
        f"--rds-host-key-file={tmp_path / 'hostkey'}",
        f"--transcript={tmp_path / 'transcript.json'}",
        *flags,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        async with timeout(40):
            out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return process.returncode, out.decode()


@pytest.mark.slow
async def test_the_program_reports_and_keeps_a_transcript_for_its_owner_only(
    rig: Rig, tmp_path: Path
) -> None:
    status, out = await run_kit(rig, tmp_path, "--read-only", "--only=json-form")

    said = json.loads((tmp_path / "transcript.json").read_text())
    assert status == 0
    assert "json-form" in out
    assert {one["question"] for one in said["exchanges"]} == {"", "json-form"}
    assert (tmp_path / "transcript.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
async def test_the_program_ends_with_1_where_something_is_different(
    rig: Rig, tmp_path: Path
) -> None:
    rig.device.mock.sessions = 3

    status, out = await run_kit(rig, tmp_path, "--read-only", "--only=sessions", "-o", "json")

    assert status == 1
    assert json.loads(out)["results"][0]["answer"]["verdict"] == "different"
