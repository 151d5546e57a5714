"""Tries mutants within one run of pytest: tests are collected once, and each mutant forks.

A function is changed by giving it other code, wherever it has been imported to. What runs at the
import cannot be changed so; `worker` does that.
"""

import ast
import gc
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType

import pytest

from tests.mutation.selection import QUIET, draw_less


def functions_of(path: Path) -> list[FunctionType]:
    """Return the functions of a module that is imported, wherever they are."""
    return [
        one
        for one in gc.get_objects()
        if isinstance(one, FunctionType) and one.__code__.co_filename == str(path)
    ]


def change(functions: list[FunctionType], path: Path, tree: ast.Module) -> bool:
    """Give functions the code that another tree of their module has for them.

    Returns:
        Whether one of them differs and could be given it.
    """
    new = dict(_codes(compile(tree, str(path), "exec")))
    changed = False
    for one in functions:
        code = new.get(_name(one.__code__))
        if code is not None and code != one.__code__:
            if code.co_freevars != one.__code__.co_freevars:
                return False
            one.__code__ = code
            changed = True
    return changed


def _name(code: CodeType) -> tuple[str, int]:
    return code.co_qualname, code.co_firstlineno


def _codes(code: CodeType) -> Iterator[tuple[tuple[str, int], CodeType]]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield _name(one), one
            yield from _codes(one)


class Session:
    """A run of pytest that collects, and then does something else than to run all tests."""

    def __init__(self, then: Callable[["Session"], None]) -> None:
        self._then = then
        self._items: dict[str, pytest.Item] = {}
        self.failed = ""

    def start(self, paths: list[str]) -> None:
        """Collect the tests of these files, and go on from there."""
        pytest.main([*QUIET, "-s", *paths], plugins=[self])

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        draw_less(session.items)
        self._items = {item.nodeid: item for item in session.items}
        gc.collect()
        self._then(self)
        return True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self.failed = report.nodeid

    def run(self, tests: list[str]) -> None:
        """Run some of the tests, up to the first failure."""
        items = [self._items[test] for test in tests if test in self._items]
        for item, following in zip(items, [*items[1:], None], strict=True):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
            if self.failed:
                return
