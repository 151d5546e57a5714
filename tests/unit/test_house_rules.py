"""Rules of the house that no linter knows."""

import ast
from collections.abc import Set as AbstractSet
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted(
    path
    for top in ("libs", "services", "rdsctl", "protos", "demo", "tools")
    for path in (ROOT / top).rglob("*.py")
    if "gen" not in path.parts
)
TESTS = sorted((ROOT / "tests").rglob("*.py"))


@cache
def names(path: Path) -> AbstractSet[str]:
    """Return what is taken from something that has a name, such as os.environ."""
    return {
        f"{node.value.id}.{node.attr}"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }


def test_only_composition_roots_read_the_environment() -> None:
    readers = {
        str(path.relative_to(ROOT)) for path in SOURCES if {"os.environ", "os.getenv"} & names(path)
    }

    assert readers == {
        "services/controller/app.py",
        "services/node/app.py",
        "services/reconciler/app.py",
        "libs/mockkube/__main__.py",
        "libs/mockrds/__main__.py",
        "rdsctl/app.py",
        "protos/generate.py",  # a tool: it puts its own compiler plugin on the path
    }


@pytest.mark.parametrize("path", [*SOURCES, *TESTS], ids=lambda path: str(path.relative_to(ROOT)))
def test_files_and_functions_stay_short_enough_to_read(path: Path) -> None:
    text = path.read_text()

    long = [
        f"{node.name}: {(node.end_lineno or 0) - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno + 1 > 60
    ]
    assert long == []
    assert text.count("\n") <= 300


def test_no_test_patches_or_mocks() -> None:
    words = ("unittest.mock", "monkeypatch", "MagicMock", "AsyncMock")

    guilty = [
        str(path.relative_to(ROOT))
        for path in TESTS
        if path != Path(__file__) and any(word in path.read_text() for word in words)
    ]

    assert guilty == []


def test_every_blocking_subprocess_and_sleep_is_kept_out_of_the_services() -> None:
    blocking = {"time.sleep", "subprocess.run", "os.system", "subprocess.Popen"}

    guilty = [
        str(path.relative_to(ROOT))
        for path in SOURCES
        if path.parts[len(ROOT.parts)] in {"libs", "services"} and blocking & names(path)
    ]

    assert guilty == []
