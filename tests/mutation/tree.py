"""The copy in which mutants are tried, and what is to be tried in it."""

import configparser
import hashlib
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
BUILD = ROOT / "build" / "mutation"
TREE = BUILD / "tree"
CONFIG = Path(__file__).with_name("mutation.toml")
EXPLAINED = Path(__file__).with_name("explained")
"""A file for each package: what survives and is no missing test, with the reason."""

_SOURCES = ("libs", "services", "rdsctl", "tests/strategies", "tests/fakes")


@dataclass(frozen=True, slots=True)
class Explained:
    """Mutants that no test can tell from the code, and why.

    Attributes:
        module: whose they are.
        line: the first line of what is changed, without its indentation.
        changes: each as `before -> after`, as the table tells them; none means all of the line.
        why: for people.
    """

    module: str
    line: str
    changes: tuple[str, ...]
    why: str

    def covers(self, module: str, line: str, change: str) -> bool:
        """Return whether a mutant is one of these."""
        place = self.module == module and self.line == line
        return place and (not self.changes or change in self.changes)


@dataclass(frozen=True, slots=True)
class Config:
    """What mutation.toml says, and what is explained.

    Attributes:
        texts: modules whose sentences are for machines.
        tests: by the beginning of a module's name, the tests that should notice.
        explained: what is known to survive.
    """

    texts: tuple[str, ...]
    tests: dict[str, tuple[str, ...]]
    explained: tuple[Explained, ...]

    def tests_of(self, module: str) -> tuple[str, ...]:
        """Return the tests of the longest beginning that fits."""
        fitting = [start for start in self.tests if f"{module}.".startswith(f"{start}.")]
        return self.tests[max(fitting, key=len)] if fitting else ()


def read_config() -> Config:
    """Read mutation.toml, and what is explained."""
    raw: dict[str, Any] = tomllib.loads(CONFIG.read_text())
    files = [tomllib.loads(path.read_text()) for path in sorted(EXPLAINED.glob("*.toml"))]
    return Config(
        tuple(raw.get("texts", ())),
        {start: tuple(paths) for start, paths in raw.get("tests", {}).items()},
        tuple(
            Explained(one["module"], one["line"], tuple(one.get("changes", ())), one["why"])
            for file in files
            for one in file["explained"]
        ),
    )


def pure_modules(root: Path = ROOT) -> dict[str, Path]:
    """Return the modules that are kept pure, by name: the list is the linter's."""
    contracts = configparser.ConfigParser()
    contracts.read(root / ".importlinter")
    found = {}
    for name in contracts["importlinter:contract:pure"]["source_modules"].split():
        at = root / name.replace(".", "/")
        files = sorted(at.rglob("*.py")) if at.is_dir() else [at.with_suffix(".py")]
        for path in files:
            parts = path.relative_to(root).with_suffix("").parts
            if parts[-1] != "__init__":
                found[".".join(parts)] = path.relative_to(root)
    return found


def copy_tree() -> None:
    """Bring the copy up to date with what git knows or would know."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],  # noqa: S607
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    )
    wanted = {name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()}
    TREE.mkdir(parents=True, exist_ok=True)
    for path in [path for path in TREE.rglob("*.py") if path.is_file()]:
        if str(path.relative_to(TREE)) not in wanted:
            path.unlink()
    for name in wanted:
        source, copy = ROOT / name, TREE / name
        if not copy.exists() or copy.stat().st_mtime_ns != source.stat().st_mtime_ns:
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, copy)


def digest(paths: Iterable[str]) -> str:
    """Return what changes when the code or these tests do."""
    sums = hashlib.sha256()
    for top in (*_SOURCES, *paths):
        at = TREE / top
        for path in sorted(at.rglob("*.py")) if at.is_dir() else [at]:
            sums.update(str(path).encode() + b"\0" + path.read_bytes())
    return sums.hexdigest()
