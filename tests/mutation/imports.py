"""Who imports whom, read from the files: what may be imported before a module is changed."""

import ast
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

OURS = ("libs", "services", "rdsctl", "protos", "tests")


def modules_below(root: Path) -> dict[str, Path]:
    """Return all modules of ours, by name."""
    found = {}
    for top in OURS:
        for path in sorted((root / top).rglob("*.py")):
            parts = path.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def graph_of(modules: Mapping[str, Path]) -> dict[str, set[str]]:
    """Return what each module imports, at its top or within functions; of ours only."""
    return {name: set(_imported(name, path, modules)) for name, path in modules.items()}


def write_graph(graph: Mapping[str, set[str]]) -> str:
    """Return a graph as text: reading all files takes a while, and each worker needs it."""
    return json.dumps({name: sorted(imported) for name, imported in graph.items()})


def read_graph(text: str) -> dict[str, set[str]]:
    """Return what `write_graph` has written."""
    return {name: set(imported) for name, imported in json.loads(text).items()}


def _imported(name: str, path: Path, modules: Mapping[str, Path]) -> Iterator[str]:
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = _base(node, package)
            names = [base, *(f"{base}.{alias.name}" for alias in node.names)]
        else:
            continue
        yield from (one for each in names for one in _with_parents(each) if one in modules)


def _base(node: ast.ImportFrom, package: str) -> str:
    if not node.level:
        return node.module or ""
    parts = package.split(".")
    above = parts[: len(parts) - node.level + 1]
    return ".".join([*above, *([node.module] if node.module else [])])


def _with_parents(name: str) -> Iterator[str]:
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        yield ".".join(parts[:count])


def needed_by(names: set[str], graph: Mapping[str, set[str]]) -> set[str]:
    """Return these modules, and all that they import, and what those import."""
    found: set[str] = set()
    left = set(names)
    while left:
        found |= left
        left = {other for name in left for other in graph.get(name, ())} - found
    return found


def users_of(name: str, graph: Mapping[str, set[str]]) -> set[str]:
    """Return a module, and all that import it, and what imports those."""
    found: set[str] = set()
    left = {name}
    while left:
        found |= left
        left = {user for user, used in graph.items() if used & left} - found
    return found
