"""Writes the pages of docs/ that are made from the code: `./dev docs`; `--check` only compares."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from tools import (
    admin_reference,
    errors_reference,
    events_reference,
    metrics_reference,
    rdsctl_reference,
    routeros_reference,
    settings_reference,
    storageclass_reference,
)

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

PAGES: Mapping[Path, Callable[[], str]] = {
    DOCS / "settings.md": settings_reference.render,
    DOCS / "reference/storageclass.md": storageclass_reference.render,
    DOCS / "reference/metrics.md": metrics_reference.render,
    DOCS / "reference/events.md": events_reference.render,
    DOCS / "reference/errors.md": errors_reference.render,
    DOCS / "reference/admin-api.md": admin_reference.render,
    DOCS / "reference/rdsctl.md": rdsctl_reference.render,
    DOCS / "reference/routeros.md": routeros_reference.render,
}
"""The pages, and what makes them."""


def main() -> None:
    """Write the pages, or with `--check` say which are out of date."""
    old = [page for page, render in PAGES.items() if not _is_current(page, render)]
    if "--check" not in sys.argv[1:]:
        for page in old:
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(PAGES[page]())
    elif old:
        names = ", ".join(str(page.relative_to(ROOT)) for page in old)
        sys.exit(f"out of date: {names}; run ./dev docs")


def _is_current(page: Path, render: Callable[[], str]) -> bool:
    return page.exists() and page.read_text() == render()


if __name__ == "__main__":
    main()
