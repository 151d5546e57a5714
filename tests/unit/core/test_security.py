"""The one table of security events, and that nobody writes one that is not in it."""

import ast
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.core.security import SEVERITIES, SecurityEvent, Severity, record

ROOT = Path(__file__).parents[3]
SOURCES = sorted(
    path
    for top in ("libs", "services", "rdsctl")
    for path in (ROOT / top).rglob("*.py")
    if path != ROOT / "libs/core/security.py"
)
KINDS = {event.value for event in SecurityEvent}


class Lines:
    def __init__(self) -> None:
        self.written: list[tuple[int, str, dict[str, object]]] = []

    def log(self, level: int, event: str, **facts: object) -> None:
        self.written.append((level, event, facts))


def arguments(path: Path) -> Iterator[ast.expr]:
    """Yield what a file gives as `security=` to anybody."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield from (word.value for word in node.keywords if word.arg == "security")


def members(path: Path) -> Iterator[str]:
    """Yield the members of SecurityEvent that a file names."""
    for node in ast.walk(ast.parse(path.read_text())):
        if (
            isinstance(node, ast.Attribute)
            and isinstance(node.value, ast.Name)
            and node.value.id == "SecurityEvent"
        ):
            yield node.attr


def is_of_the_table(value: ast.expr) -> bool:
    """Say whether a value is a kind that the table has, as a text or as `SecurityEvent.X.value`."""
    if isinstance(value, ast.Constant):
        return value.value in KINDS
    return ast.unparse(value) in {f"SecurityEvent.{event.name}.value" for event in SecurityEvent}


def test_every_event_has_a_severity() -> None:
    assert set(SEVERITIES) == set(SecurityEvent)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_security_event_in_the_tree_is_in_the_table(path: Path) -> None:
    strange = [ast.unparse(value) for value in arguments(path) if not is_of_the_table(value)]
    unknown = [name for name in members(path) if name not in SecurityEvent.__members__]

    assert (strange, unknown) == ([], [])


def test_every_event_of_the_table_is_written_by_somebody() -> None:
    named = {name for path in SOURCES for name in members(path)}

    assert set(SecurityEvent.__members__) - named == set()


@pytest.mark.parametrize("event", SecurityEvent)
def test_an_event_is_written_at_the_level_of_its_severity(event: SecurityEvent) -> None:
    lines = Lines()

    record(lines, event, "something happened", node="a")

    facts = {"security": event.value, "node": "a"}
    assert lines.written == [(int(SEVERITIES[event]), "something happened", facts)]


@pytest.mark.parametrize(
    ("event", "severity"),
    [
        (SecurityEvent.HOST_KEY_WRONG, Severity.CRITICAL),
        (SecurityEvent.LOGIN_REFUSED, Severity.ERROR),
        (SecurityEvent.FORCED_DETACH, Severity.WARNING),
        (SecurityEvent.INPUT_REFUSED, Severity.INFO),
    ],
)
def test_what_somebody_has_to_be_woken_for_stays_severe(
    event: SecurityEvent, severity: Severity
) -> None:
    assert event.severity is severity


@pytest.mark.parametrize("event", SecurityEvent)
def test_the_documentation_has_every_event_with_its_severity(event: SecurityEvent) -> None:
    rows = [
        [cell.strip() for cell in line.split("|")[1:3]]
        for line in (ROOT / "docs/logs.md").read_text().splitlines()
        if line.startswith("| `")
    ]

    documented = {
        kind.strip("` "): severity.strip()
        for kinds, severities in rows
        for kind, severity in zip(kinds.split(","), severities.split(","), strict=False)
    }

    assert documented.get(event.value) == event.severity.name.lower()


def test_severities_are_the_levels_of_the_log() -> None:
    assert {one.name: int(one) for one in Severity} == {
        "INFO": logging.INFO,
        "WARNING": logging.WARNING,
        "ERROR": logging.ERROR,
        "CRITICAL": logging.CRITICAL,
    }
