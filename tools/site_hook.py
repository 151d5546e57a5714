"""What mkdocs does beyond building docs/: links that lead out of docs/ work on the site, too.

CONTRIBUTING.md and CHANGELOG.md become pages. Any other file of the repository that a page leads to
is put beside the pages as text; of a folder only the words are left.
"""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

_PAGES = ("CONTRIBUTING.md", "CHANGELOG.md")
"""Pages of the root that are pages of the site."""

_LINK = re.compile(r"(!?)\[([^\]]*)\]\((?!https?:|mailto:|#)([^)#\s]+)(#[^)\s]*)?\)")
_FENCE = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: Any) -> Files:  # noqa: ANN401 (mkdocs names no type)
    """Add the pages of the root, and every file of the repository that a page leads to."""
    for name in _PAGES:
        files.append(File.generated(config, name, content=(ROOT / name).read_text()))
    for target in sorted(set(_led_to(files))):
        name = f"source/{target.relative_to(ROOT)}.txt"
        files.append(File.generated(config, name, content=target.read_text()))
    return files


def on_page_markdown(markdown: str, *, page: Any, **_: Any) -> str:  # noqa: ANN401 (likewise)
    """Lead a page's links out of docs/ to where on_files has put what they mean."""
    place = page.file.src_uri
    parts = _FENCE.split(markdown)
    return "".join(
        part if number % 2 else _LINK.sub(lambda link: _rewritten(link, place), part)
        for number, part in enumerate(parts)
    )


def _led_to(files: Files) -> Iterator[Path]:
    for file in files.documentation_pages():
        for link in _LINK.finditer(file.content_string):
            target = _target(link[3], file.src_uri)
            if target.is_file() and not _is_page(target):
                yield target


def _rewritten(link: re.Match[str], place: str) -> str:
    mark, text, target, anchor = link.groups(default="")
    meant = _target(target, place)
    if not meant.exists() or meant.is_dir():
        # What is not there at all is for mkdocs to complain of.
        return text if meant.is_dir() else link[0]
    if _is_page(meant):
        there = meant.relative_to(ROOT if meant.parent == ROOT else DOCS).as_posix()
    else:
        there, anchor = f"source/{meant.relative_to(ROOT)}.txt", ""
    here = os.path.relpath(there, Path(place).parent)
    return f"{mark}[{text}]({here}{anchor})"


def _is_page(path: Path) -> bool:
    return path.is_relative_to(DOCS) or (path.parent == ROOT and path.name in _PAGES)


def _target(link: str, place: str) -> Path:
    """Return the file that a link on a page means, in the repository."""
    folder = ROOT if place in _PAGES else (DOCS / place).parent
    return Path(os.path.normpath(folder / link))
