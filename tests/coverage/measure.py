"""Runs tests under coverage.py, with all processes that they start."""

import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "coverage"

_LIMIT = 3600
"""Seconds for a tier: far above what one takes, and below what a day costs."""


def measure(tier: str, paths: Iterable[str], workers: int, more: Iterable[str]) -> bool:
    """Run a tier, leave its data and report below build/coverage, and return whether all passed.

    Args:
        tier: its name.
        paths: the folders of its tests.
        workers: how many run at a time.
        more: arguments for pytest.
    """
    folder = BUILD / tier
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    saving = ["-p", "tests.coverage.saving"]
    pytest = ["-m", "pytest", *saving, "-n", str(workers), "--dist", "loadfile"]
    junit = f"--junitxml={folder / 'junit.xml'}"
    status = _coverage(tier, "run", *pytest, junit, *more, *paths)
    # Each process has left a file of its own, in this folder.
    _check("combine", _coverage(tier, "combine", "--quiet", str(folder)))
    _report(tier)
    return status == 0


def combine(name: str, tiers: Iterable[str]) -> None:
    """Make one report of what several tiers left, whose data stay."""
    folder = BUILD / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    data = [str(BUILD / tier / "data") for tier in tiers]
    _check("combine", _coverage(name, "combine", "--quiet", "--keep", *data))
    _report(name)


def report_of(name: str) -> Path:
    """Return where the report of a tier is, or of what was combined."""
    return BUILD / name / "report.json"


def _report(name: str) -> None:
    _check("json", _coverage(name, "json", "--quiet", "-o", str(report_of(name))))


def _check(what: str, status: int) -> None:
    if status:
        sys.exit(f"coverage {what} failed with status {status}")


def _coverage(name: str, verb: str, *words: str) -> int:
    settings = [f"--rcfile={ROOT / 'pyproject.toml'}", f"--data-file={BUILD / name / 'data'}"]
    command = [sys.executable, "-m", "coverage", verb, *settings, *words]
    return subprocess.run(command, cwd=ROOT, check=False, timeout=_LIMIT).returncode  # noqa: S603
