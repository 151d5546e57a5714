"""What is told at the end: one JUnit file for all machines, and a table."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from xml.etree import ElementTree as ET

from rich.console import Console
from rich.markup import escape
from rich.table import Table

NOTHING_SELECTED = 5
"""Pytest's exit status where a choice such as `-k` leaves no test."""


@dataclass(frozen=True)
class Outcome:
    """What became of a group.

    Attributes:
        name: of the group.
        status: exit status.
        seconds: from start to end.
        boot: until its command began, if it did.
        junit: pytest's own report, if there is one.
        reason: why it was not run, or what was wrong with the machine.
    """

    name: str
    status: int = 0
    seconds: float = 0.0
    boot: float | None = None
    junit: str = ""
    reason: str = ""


@dataclass(frozen=True)
class Row:
    """One test in the table."""

    scenario: str
    steps: str
    seconds: float
    result: str


def status_of(outcomes: Sequence[Outcome]) -> int:
    """Return the first bad exit status; that a group had no test counts only if none had."""
    told = [outcome.status for outcome in outcomes]
    bad = [status for status in told if status not in {0, NOTHING_SELECTED}]
    if bad:
        return bad[0]
    return NOTHING_SELECTED if told and 0 not in told else 0


def merge(outcomes: Iterable[Outcome]) -> str:
    """Return one JUnit document with a suite for each group.

    A group that was not run is a test that is skipped; a machine that broke is one with an error.
    """
    root = ET.Element("testsuites", name="vm")
    for outcome in outcomes:
        suites = list(_suites(outcome.junit))
        for suite in suites:
            suite.set("name", outcome.name)
            root.append(suite)
        if outcome.reason:
            root.append(_stand_in(outcome))
        elif not suites and outcome.status not in {0, NOTHING_SELECTED}:
            root.append(_stand_in(outcome, f"the machine ended with {outcome.status}"))
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def rows_of(junit: str) -> list[Row]:
    """Return what the table says about the tests in a report."""
    return [_row(case) for suite in _suites(junit) for case in suite.iter("testcase")]


def show_table(outcomes: Sequence[Outcome], console: Console) -> None:
    """Print a table of all tests, group by group, with the time that each group took."""
    table = Table("scenario", "steps", "s", "result", title="Virtual machines", pad_edge=False)
    table.columns[2].justify = "right"
    for outcome in outcomes:
        table.add_section()
        for row in rows_of(outcome.junit):
            words = (row.scenario, row.steps, f"{row.seconds:.1f}", row.result)
            table.add_row(*map(escape, words))
        boot = "" if outcome.boot is None else f"booted in {outcome.boot:.1f} s"
        what = f"group {outcome.name}"
        table.add_row(
            f"[bold]{what}[/]", outcome.reason or boot, f"{outcome.seconds:.1f}", _word(outcome)
        )
    console.print(table)


def _word(outcome: Outcome) -> str:
    if outcome.reason and not outcome.status:
        return "skipped"
    return "ok" if outcome.status in {0, NOTHING_SELECTED} else f"status {outcome.status}"


def _suites(junit: str) -> Iterator[ET.Element]:
    if junit:
        yield from ET.fromstring(junit).iter("testsuite")  # noqa: S314 (pytest's own)


def _row(case: ET.Element) -> Row:
    name = case.get("name", "").removeprefix("test_")
    sentence, bracket, parameters = name.partition("[")
    given = {each.get("name", ""): each.get("value", "") for each in case.iter("property")}
    steps = given.pop("steps", "")
    others = [f"{key}: {value}" for key, value in given.items()]
    return Row(
        sentence.replace("_", " ") + (f" {bracket}{parameters}" if bracket else ""),
        ", ".join([*([steps] if steps else []), *others]),
        float(case.get("time", "0")),
        _result(case),
    )


def _result(case: ET.Element) -> str:
    for kind, word in (("failure", "FAILED"), ("error", "ERROR"), ("skipped", "skipped")):
        if case.find(kind) is not None:
            return word
    return "passed"


def _stand_in(outcome: Outcome, text: str = "") -> ET.Element:
    kind = "error" if outcome.status else "skipped"
    counts = {"tests": "1", "failures": "0", "errors": "0", "skipped": "0"}
    counts["errors" if outcome.status else "skipped"] = "1"
    facts = {"name": outcome.name, "time": f"{outcome.seconds:.3f}", **counts}
    suite = ET.Element("testsuite", facts)
    case = ET.SubElement(suite, "testcase", classname="tests.vm", name=f"machine {outcome.name}")
    ET.SubElement(case, kind, message=outcome.reason or text)
    return suite
