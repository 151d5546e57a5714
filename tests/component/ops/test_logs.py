"""What is written to standard error: JSON for machines, lines for people, and which level."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from libs.core.security import SecurityEvent, record
from libs.ops.logs import configure_logging

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers, root.level
    yield
    structlog.configure(**before)
    root.handlers = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_a_line_is_one_json_object_with_time_level_and_facts(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info", "json")

    log.info("rpc", method="CreateVolume", volume="pvc-1\nwith a break")

    (line,) = lines(capsys)
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "event": "rpc",
        "level": "info",
        "method": "CreateVolume",
        "volume": "pvc-1\nwith a break",
    }


def test_the_trace_of_a_bug_is_in_the_same_line(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "json")

    try:
        int("a bug")
    except ValueError:
        log.exception("failed")

    (line,) = lines(capsys)
    assert "ValueError: invalid literal" in line["exception"]


def test_people_get_a_line_that_is_no_json(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info", "console")

    log.warning("device away", device="192.0.2.1")

    text = capsys.readouterr().err
    assert "device away" in text
    assert "device=192.0.2.1" in text
    assert not text.startswith("{")


@pytest.mark.parametrize(
    ("level", "heard"),
    [
        ("debug", ["debug", "info", "warning", "error"]),
        ("info", ["info", "warning", "error"]),
        ("warning", ["warning", "error"]),
        ("error", ["error"]),
    ],
)
def test_less_severe_lines_than_the_level_are_left_out(
    capsys: pytest.CaptureFixture[str], level: str, heard: list[str]
) -> None:
    configure_logging(level, "json")

    for name in ("debug", "info", "warning", "error"):
        getattr(log, name)("a line")

    assert [line["level"] for line in lines(capsys)] == heard


@pytest.mark.parametrize("event", SecurityEvent)
def test_a_security_event_is_in_a_stream_of_its_own_with_the_tables_severity(
    capsys: pytest.CaptureFixture[str], event: SecurityEvent
) -> None:
    configure_logging("info", "json")

    record(log, event, "something happened", volume="pvc-1")

    (line,) = lines(capsys)
    severity = event.severity.name.lower()
    assert (line["stream"], line["security"]) == ("security", event.value)
    assert line["severity"] == line["level"] == severity
    assert line["volume"] == "pvc-1"


def test_a_line_that_is_no_security_event_is_in_no_stream(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info", "json")

    log.error("failed")

    assert "stream" not in lines(capsys)[0]


def test_a_kind_that_the_table_does_not_know_costs_no_line_and_counts_as_severe(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info", "json")

    log.warning("odd", security="of-no-known-kind")

    (line,) = lines(capsys)
    assert (line["event"], line["stream"], line["severity"]) == ("odd", "security", "error")


def test_libraries_speak_in_the_same_form_and_only_when_something_is_wrong(
    capsys: pytest.CaptureFixture[str],
) -> None:
    configure_logging("info", "json")

    logging.getLogger("aiohttp.client").info("connected")
    logging.getLogger("aiohttp.client").error("not closed")

    (line,) = lines(capsys)
    assert (line["event"], line["level"]) == ("not closed", "error")
