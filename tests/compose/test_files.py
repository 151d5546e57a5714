"""What can be seen of the images and the compose file without an engine."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.compose.stack import IMAGES, ROOT

LOCKS = sorted((ROOT / "images" / "locks").glob("*.txt"))
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: one for name, one in SERVICES.items() if "build" in one}
PUBLISHED = [(name, port) for name, one in SERVICES.items() for port in one.get("ports", [])]


def pins(text: str) -> dict[str, str]:
    found = re.findall(r"^([A-Za-z0-9_.-]+)==([^\s\\]+)", text, re.MULTILINE)
    return {re.sub(r"[-_.]+", "-", name).lower(): version for name, version in found}


def test_each_image_has_a_lock() -> None:
    names = {path.stem for path in LOCKS}

    assert names == {*IMAGES, "build"}


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_what_is_in_an_image_has_the_version_that_is_tested(path: Path) -> None:
    tested = pins((ROOT / "constraints.txt").read_text())

    locked = pins(path.read_text())

    # What only builds may be locked here alone.
    untested = {name for name in locked if name not in tested}
    assert untested <= ({"setuptools", "tomlkit"} if path.stem == "build" else set())
    assert {name: tested[name] for name in locked if name in tested} == {
        name: version for name, version in locked.items() if name in tested
    }


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_everything_that_is_locked_has_a_hash(path: Path) -> None:
    logical = path.read_text().replace("\\\n", "").splitlines()

    bare = [line for line in logical if line[0] != "#" and "--hash=sha256:" not in line]

    assert bare == []


@pytest.mark.parametrize("path", LOCKS, ids=lambda path: path.stem)
def test_a_lock_names_no_package_index(path: Path) -> None:
    text = path.read_text()

    assert "://" not in text


@pytest.mark.parametrize(("name", "port"), PUBLISHED)
def test_a_port_is_published_on_localhost_alone(name: str, port: str) -> None:
    assert port.startswith("127.0.0.1:"), name


def test_every_service_that_stays_has_a_health_check() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text()
    stage = re.compile(r"^FROM runtime AS (\S+)\n(.*?)(?=^FROM|\Z)", re.MULTILINE | re.DOTALL)
    stages = dict(stage.findall(dockerfile))
    staying = {name for name, one in SERVICES.items() if one.get("restart") != "no"}

    checked = {name for name in staying if "healthcheck" in SERVICES[name]}
    checked |= {
        name for name in OURS if "HEALTHCHECK --interval" in stages[OURS[name]["build"]["target"]]
    }

    assert checked >= staying


def test_every_service_of_ours_has_no_more_rights_than_it_needs() -> None:
    unbound = [
        name
        for name, one in OURS.items()
        if not one.get("privileged")
        and not (one["read_only"] and "no-new-privileges:true" in one["security_opt"])
    ]
    privileged = {name for name, one in OURS.items() if one.get("privileged")}
    with_rights = {name for name, one in OURS.items() if one.get("cap_drop") != ["ALL"]}

    assert unbound == []
    assert privileged == {"mock-rds-kernel", "node-kernel"}
    assert with_rights == {"mock-rds-kernel", "node", "node-kernel", "demo", "demo-kernel"}


def test_the_folders_that_monitoring_reads_are_there() -> None:
    monitoring = ROOT / "k8s" / "monitoring"

    assert list((monitoring / "rules").glob("*.yaml"))
    assert list((monitoring / "dashboards").glob("*.json"))
