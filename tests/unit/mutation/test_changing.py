"""How a mutant takes the place of the real code."""

import ast
import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from tests.mutation.loader import put_in_place
from tests.mutation.session import change, functions_of

NAME = "a_module_that_mutants_are_tried_on"
SOURCE = """
LIMIT = 1

def f(a):
    return a < LIMIT

class C:
    @property
    def p(self):
        return [one + 1 for one in (1, 2)]
"""


@pytest.fixture
def path(tmp_path: Path) -> Iterator[Path]:
    file = tmp_path / f"{NAME}.py"
    file.write_text(SOURCE)
    finders = list(sys.meta_path)
    yield file
    sys.meta_path[:] = finders
    sys.modules.pop(NAME, None)


def imported(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(NAME, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_function_is_changed_wherever_it_was_imported_to(path: Path) -> None:
    module = imported(path)
    elsewhere = module.f
    thing = module.C()

    changed = change(
        functions_of(path), path, ast.parse(SOURCE.replace("a <", "a >").replace("one +", "one -"))
    )

    assert changed
    assert elsewhere(2) is True
    assert thing.p == [0, 1]


def test_what_runs_at_the_import_is_not_changed_so(path: Path) -> None:
    module = imported(path)

    changed = change(functions_of(path), path, ast.parse(SOURCE.replace("LIMIT = 1", "LIMIT = 9")))

    assert not changed
    assert module.f(1) is False


def test_a_module_is_imported_as_it_was_changed(path: Path) -> None:
    put_in_place(NAME, path, ast.parse(SOURCE.replace("LIMIT = 1", "LIMIT = 9")))

    module = importlib.import_module(NAME)

    assert module.f(1) is True
    assert module.__file__ == str(path)


def test_a_module_that_was_imported_before_cannot_be_changed_any_more() -> None:
    with pytest.raises(RuntimeError, match="was imported before it was changed"):
        put_in_place("json", Path(), ast.parse(""))
