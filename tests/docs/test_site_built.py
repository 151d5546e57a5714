"""The site as it is built: strictly, with every link, and without anything from elsewhere."""

import asyncio
import re
import sys
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytest.importorskip("mkdocs", reason="the site is built by mkdocs, which ./dev setup installs")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

FETCHING = {"img": "src", "script": "src", "iframe": "src", "link": "href"}
"""What a browser fetches without being asked."""


class Page(HTMLParser):
    """What a page fetches, and where it leads to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.fetched: set[str] = set()
        self.links: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in FETCHING and given.get("rel") != "canonical":
            self.fetched.add(given.get(FETCHING[tag]) or "")
        if tag == "a":
            self.links.add(given.get("href") or "")


async def build(folder: Path) -> Mapping[Path, Page]:
    # Not --quiet: what is not told is not counted by --strict, either.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-d", str(folder)]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    try:
        said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, said.decode()
    return pages_in(folder)


def pages_in(folder: Path) -> Mapping[Path, Page]:
    return {path: Page(path.read_text()) for path in folder.rglob("*.html")}


async def test_nothing_is_fetched_from_elsewhere_and_every_link_leads_somewhere(
    tmp_path: Path,
) -> None:
    site = await build(tmp_path / "site")

    outside = {url for page in site.values() for url in page.fetched if re.match(r"\w+:|//", url)}
    lost = {
        f"{path.name}: {link}"
        for path, page in site.items()
        if path.name != "404.html"
        for link in page.links | page.fetched
        if not re.match(r"\w+:|//|#|$", link)
        and not (path.parent / link.partition("#")[0].partition("?")[0]).exists()
    }
    assert (outside, lost) == (set(), set())
    assert (tmp_path / "site" / "source" / "k8s" / "device" / "setup.rsc.txt").exists()
    assert len(site) > 50
