import io
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from tests.vm.report import NOTHING_SELECTED, Outcome, Row, merge, rows_of, show_table, status_of

JUNIT = """<?xml version="1.0" encoding="utf-8"?>
<testsuites name="pytest tests"><testsuite name="pytest" tests="3" failures="1" skipped="1">
<testcase classname="tests.vm" name="test_a_thing_works[ext4]" time="1.25">
<properties><property name="steps" value="create, stage"/><property name="ratio" value="1.2"/>
</properties></testcase>
<testcase classname="tests.vm" name="test_it_fails" time="0.5"><failure message="no">no</failure>
</testcase>
<testcase classname="tests.vm" name="test_it_is_left_out" time="0"><skipped message="-">-</skipped>
</testcase></testsuite></testsuites>
"""


def test_a_test_becomes_a_sentence_with_what_it_recorded() -> None:
    first, second, third = rows_of(JUNIT)

    assert first == Row("a thing works [ext4]", "create, stage, ratio: 1.2", 1.25, "passed")
    assert (second.result, third.result) == ("FAILED", "skipped")


def test_reports_are_merged_with_a_suite_for_each_group() -> None:
    merged = merge([Outcome("one", junit=JUNIT), Outcome("two", junit=JUNIT)])

    suites = ET.fromstring(merged).findall("testsuite")  # noqa: S314 (our own)
    assert [(suite.get("name"), len(suite.findall("testcase"))) for suite in suites] == [
        ("one", 3),
        ("two", 3),
    ]


@pytest.mark.parametrize(("status", "kind"), [(0, "skipped"), (124, "error"), (2, "error")])
def test_a_group_without_a_report_is_a_test_that_says_why(status: int, kind: str) -> None:
    merged = merge([Outcome("three", status, reason="no kernel")])

    case = ET.fromstring(merged).find("testsuite/testcase")  # noqa: S314 (our own)
    assert case is not None
    assert case.get("name") == "machine three"
    assert [(each.tag, each.get("message")) for each in case] == [(kind, "no kernel")]


def test_a_machine_that_broke_after_its_report_keeps_both() -> None:
    merged = merge([Outcome("one", 125, junit=JUNIT, reason="the machine died")])

    root = ET.fromstring(merged)  # noqa: S314 (our own)
    assert len(root.findall("testsuite/testcase")) == 4
    assert len(root.findall("testsuite/testcase/error")) == 1


def test_a_machine_that_ended_badly_without_a_word_is_an_error() -> None:
    merged = merge([Outcome("one", 4)])

    assert 'message="the machine ended with 4"' in merged


@pytest.mark.parametrize(
    ("statuses", "expected"),
    [
        ([0, 0], 0),
        ([0, 1, 124], 1),
        ([NOTHING_SELECTED, 0], 0),
        ([NOTHING_SELECTED, 125], 125),
        ([NOTHING_SELECTED, NOTHING_SELECTED], NOTHING_SELECTED),
        ([], 0),
    ],
)
def test_the_first_bad_status_counts_and_no_tests_only_if_no_group_had_any(
    statuses: list[int], expected: int
) -> None:
    assert status_of([Outcome("x", status) for status in statuses]) == expected


def test_the_table_has_every_test_and_the_time_of_every_group() -> None:
    out = io.StringIO()

    show_table(
        [
            Outcome("one", 1, seconds=61.3, boot=4.2, junit=JUNIT),
            Outcome("two", reason="no kernel"),
        ],
        Console(file=out, width=120),
    )

    text = out.getvalue()
    for expected in ("a thing works [ext4]", "create, stage", "1.2", "FAILED", "booted in 4.2 s"):
        assert expected in text
    for expected in ("group one", "61.3", "status 1", "no kernel", "skipped"):
        assert expected in text
