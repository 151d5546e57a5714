"""What is committed in k8s/monitoring is current, and each alert has a test and a runbook."""

import json
import re
from pathlib import Path

import pytest
import yaml

from tests.monitoring.expressions import rules
from tests.monitoring.generate import FOLDER, ROOT, RULES, dashboards, files

RUNBOOKS = ROOT / "docs" / "runbooks.md"
TESTS = sorted((ROOT / "tests" / "monitoring" / "rules").glob("*.test.yaml"))


@pytest.mark.parametrize("path", files(), ids=lambda path: path.name)
def test_what_is_made_is_what_is_committed(path: Path) -> None:
    assert path.read_text() == files()[path], "run ./dev monitoring-generate"


def test_the_manifest_has_the_rules_and_nothing_else() -> None:
    manifest = yaml.safe_load((FOLDER / "prometheusrule.yaml").read_text())

    assert manifest["kind"] == "PrometheusRule"
    assert manifest["spec"] == yaml.safe_load(RULES.read_text())


def test_kustomize_has_every_file() -> None:
    kustomization = yaml.safe_load((FOLDER / "kustomization.yaml").read_text())

    maps = [name for maker in kustomization["configMapGenerator"] for name in maker["files"]]
    assert set(maps) == {f"dashboards/{name}" for name in dashboards()}
    assert all((FOLDER / name).is_file() for name in [*maps, *kustomization["resources"]])


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_has_a_section_in_the_runbooks(rule: dict[str, dict[str, str]]) -> None:
    headings = re.findall(r"^## (\w+)$", RUNBOOKS.read_text(), re.MULTILINE)

    assert rule["alert"] in headings
    assert rule["annotations"]["runbook_url"] == f"docs/runbooks.md#{rule['alert']}".lower()


def test_no_runbook_is_for_an_alert_that_is_gone() -> None:
    headings = re.findall(r"^## (RdsCsi\w+)$", RUNBOOKS.read_text(), re.MULTILINE)

    assert headings == [rule["alert"] for rule in rules()]


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_and_what_is_wrong(rule: dict[str, dict[str, str]]) -> None:
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}


def test_every_alert_is_tested_to_fire_and_to_keep_quiet() -> None:
    asked = [
        (check["alertname"], bool(check.get("exp_alerts")))
        for path in TESTS
        for test in yaml.safe_load(path.read_text())["tests"]
        for check in test["alert_rule_test"]
    ]

    wanted = {(rule["alert"], fires) for rule in rules() for fires in (True, False)}
    assert wanted - set(asked) == set()


@pytest.mark.parametrize("path", sorted(FOLDER.glob("dashboards/*.json")), ids=lambda p: p.stem)
def test_no_panel_overlaps_another(path: Path) -> None:
    taken: dict[tuple[int, int], str] = {}
    for panel in json.loads(path.read_text())["panels"]:
        grid = panel["gridPos"]
        assert grid["x"] + grid["w"] <= 24
        for x in range(grid["x"], grid["x"] + grid["w"]):
            for y in range(grid["y"], grid["y"] + grid["h"]):
                assert taken.setdefault((x, y), panel["title"]) == panel["title"]


@pytest.mark.parametrize("name", dashboards())
def test_every_dashboard_has_a_small_picture_in_the_docs(name: str) -> None:
    picture = Path("pictures") / f"{Path(name).stem}.png"

    content = (RUNBOOKS.parent / picture).read_bytes()

    assert content.startswith(b"\x89PNG")
    assert len(content) < 200_000
    assert f"]({picture})" in RUNBOOKS.read_text()


@pytest.mark.parametrize("name", dashboards())
def test_the_page_of_the_pictures_knows_every_unit(name: str) -> None:
    page = (ROOT / "tests" / "monitoring" / "pictures" / "page" / "page.js").read_text()
    units = page.partition("const UNITS = {")[2].partition("};")[0]

    panels = [panel for panel in dashboards()[name]["panels"] if panel["type"] != "row"]

    asked = {panel["fieldConfig"]["defaults"]["unit"] for panel in panels}
    assert asked - set(re.findall(r"^\s+(\w+):", units, re.MULTILINE)) == set()
