"""What could not be asked was not audited, and what is vulnerable is never passed over."""

import json
from pathlib import Path

import pytest

from tests.security.audit import PINNED, ROOT, Findings, read_report, verdict

LOCKS = ROOT / "images" / "locks"
SOUND = {"name": "a", "version": "1", "vulns": []}
UNKNOWN = {"name": "b", "skip_reason": "Dependency not found on PyPI and could not be audited"}
BAD = {"name": "c", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["3"]}]}
HOPELESS = {"name": "d", "version": "2", "vulns": [{"id": "PYSEC-2", "fix_versions": []}]}


def lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if "==" in line]


def findings(*packages: object) -> Findings:
    return read_report(json.dumps({"dependencies": packages, "fixes": []}))


@pytest.mark.parametrize("required", [False, True])
def test_a_known_vulnerability_fails_and_says_what_mends_it(*, required: bool) -> None:
    status, text = verdict(findings(SOUND, UNKNOWN, BAD, HOPELESS), required=required)

    assert status == 1
    assert "c 2: PYSEC-1, mended in 3" in text
    assert "no release yet" in text


@pytest.mark.parametrize(("required", "expected"), [(False, 0), (True, 1)])
@pytest.mark.parametrize("packages", [(), (UNKNOWN,), (SOUND, UNKNOWN)])
def test_what_could_not_be_asked_is_said_and_fails_where_that_is_wanted(
    packages: tuple[object, ...], expected: int, *, required: bool
) -> None:
    status, text = verdict(findings(*packages), required=required)

    assert status == expected
    assert "NOT AUDITED" in text


def test_all_known_and_nothing_bad_passes() -> None:
    assert verdict(findings(SOUND), required=True) == (0, "1 packages have no known vulnerability")


def test_an_empty_report_has_asked_nothing() -> None:
    assert read_report("") == Findings()


def test_what_is_in_each_image_is_audited() -> None:
    audited = {line.split(" ")[0] for path in PINNED for line in lines(path)}
    locked = {line.split(" ")[0] for path in LOCKS.glob("*.txt") for line in lines(path)}

    assert locked
    assert locked <= audited
