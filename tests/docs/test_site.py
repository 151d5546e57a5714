"""The site holds every page, and fetches nothing from anywhere."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from libs.core.version import __version__
from tests.docs.pages import DOCS, ROOT

CONFIG = yaml.safe_load((ROOT / "mkdocs.yml").read_text())


def leaves(nav: Any) -> Iterator[str]:
    if isinstance(nav, str):
        yield nav
    for inner in nav.values() if isinstance(nav, dict) else nav if isinstance(nav, list) else ():
        yield from leaves(inner)


def test_every_page_is_in_the_menu_once() -> None:
    there = {str(page.relative_to(DOCS)) for page in DOCS.rglob("*.md")}

    menu = list(leaves(CONFIG["nav"]))

    assert sorted(menu) == sorted(there | {"CONTRIBUTING.md", "CHANGELOG.md"})


def test_it_is_built_strictly_and_without_fonts_from_elsewhere() -> None:
    assert CONFIG["strict"] is True
    assert CONFIG["theme"]["font"] is False
    assert not any(
        "://" in text for text in [*CONFIG["extra_css"], *CONFIG.get("extra_javascript", [])]
    )


def test_pictures_fetch_nothing() -> None:
    texts = {path.name: path.read_text() for path in DOCS.glob("pictures/*.svg")}

    outside = {
        name: re.findall(r"(?:href|src|url\()\W*(\w+://\S+)", text) for name, text in texts.items()
    }

    assert {name for name, found in outside.items() if found} == set()
    assert len(texts) >= 3


def test_the_readme_has_two_commands_first() -> None:
    readme = (ROOT / "README.md").read_text()

    block = re.search(r"<!-- the two commands -->\n```\n(.*?)```", readme, re.DOTALL)

    assert block is not None
    assert block[1].splitlines() == ["./dev demo", "./dev test"]


def test_what_names_images_names_those_of_this_version() -> None:
    files = (
        "k8s/chart/Chart.yaml",
        "k8s/base/kustomization.yaml",
        "k8s/components/scheduled-snapshots/kustomization.yaml",
    )
    found = [
        (file, version)
        for file in files
        for version in re.findall(
            r"^ *(?:version|appVersion|newTag): (\S+)$", (ROOT / file).read_text(), re.MULTILINE
        )
    ]

    assert [(file, version) for file, version in found if version != __version__] == []
    assert {file for file, _ in found} == set(files)
