"""What people read: the pages, their links, their headings, and what stands in fences."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *DOCS.rglob("*.md"),
        *(ROOT / ".github").rglob("*.md"),
        *(ROOT / "tests").rglob("*.md"),
    ]
)

_FENCE = re.compile(r"^( *)```(\w*)[^\n]*\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\((?!https?:|mailto:)([^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """What stands between two lines of backticks.

    Attributes:
        page: where.
        language: what it says that it is.
        text: without the indentation that it has in a list.
    """

    page: Path
    language: str
    text: str


def fences(page: Path) -> Iterator[Fence]:
    """Return the fenced blocks of a page."""
    for indent, language, text in _FENCE.findall(page.read_text()):
        lines = [line.removeprefix(indent) for line in text.splitlines()]
        yield Fence(page, language, "\n".join(lines) + "\n")


def shell_lines(page: Path) -> Iterator[str]:
    """Return what is to be typed at a shell, with lines that go on put together."""
    for fence in fences(page):
        if fence.language in {"", "sh"}:
            joined = re.sub(r"\\\n\s*", " ", fence.text)
            yield from (line.strip() for line in joined.splitlines() if line.strip())


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    return _FENCE.sub("", page.read_text())


def links(page: Path) -> Iterator[str]:
    """Return where a page leads to, in this repository."""
    yield from _LINK.findall(_CODE.sub("`", prose(page)))


def anchors(page: Path) -> set[str]:
    """Return the anchors of a page's headings, as the site and code hosts make them."""
    found = set()
    for heading in _HEADING.findall(prose(page)):
        text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "")
        found.add(re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower()))
    return found


def name_of(page: Path) -> str:
    """Return what a page is called in a test."""
    return str(page.relative_to(ROOT))
