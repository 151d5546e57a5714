"""Puts a changed module in the place of the real one, at its import."""

import ast
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType


class _Changed(SourceFileLoader):
    def __init__(self, name: str, path: str, tree: ast.Module) -> None:
        super().__init__(name, path)
        self._tree = tree

    def get_code(self, fullname: str) -> CodeType | None:  # noqa: ARG002 (importlib's signature)
        return compile(self._tree, self.path, "exec")


class Changed(MetaPathFinder):
    """Finds one module, with another tree than its file has."""

    def __init__(self, name: str, path: Path, tree: ast.Module) -> None:
        self._name, self._path, self._tree = name, str(path), tree

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 (importlib's signature)
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        loader = _Changed(fullname, self._path, self._tree)
        return spec_from_file_location(fullname, self._path, loader=loader)


def put_in_place(name: str, path: Path, tree: ast.Module) -> None:
    """Have the next import of a module give this tree.

    Raises:
        RuntimeError: the module is there already, so that the change would never be seen.
    """
    if name in sys.modules:
        raise RuntimeError(f"{name} was imported before it was changed")
    sys.meta_path.insert(0, Changed(name, path, tree))
