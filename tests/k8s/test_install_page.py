"""The page on installing says what is shipped."""

import re

from libs.ops.settings import variable
from tests.k8s.render import K8S, OVERLAYS, overlay, pods
from tests.k8s.services import SETTINGS

FOLDER = K8S.parent / "docs"
PAGE = (FOLDER / "install.md").read_text()


def test_every_file_that_it_leads_to_is_there() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", PAGE)
    named = re.findall(r"(?<![\w/])k8s/[\w./-]*[\w]", PAGE)

    lost = [link for link in links if not (FOLDER / link).exists()]
    lost += [path for path in named if not (K8S.parent / path).exists()]

    assert lost == []
    assert len(links) >= 10


def test_every_variable_in_it_is_a_setting() -> None:
    known = {variable(name) for kind in SETTINGS.values() for name in kind.__dataclass_fields__}

    assert set(re.findall(r"RDS_CSI_\w+", PAGE)) <= known


def test_every_overlay_is_in_it() -> None:
    rows = re.findall(r"^\| \[([a-z-]+)\]\(\.\./k8s/overlays/", PAGE, re.MULTILINE)

    assert tuple(rows) == OVERLAYS


def test_the_containers_and_ports_in_it_are_those_of_the_manifests() -> None:
    templates = pods(overlay("ha").values()).values()
    containers = [one for template in templates for one in template["spec"]["containers"]]

    names = {one["name"] for one in containers if one["name"].startswith("csi-")}
    ports = {port["containerPort"] for one in containers for port in one.get("ports", ())}

    assert names <= set(re.findall(r"csi-[a-z-]+", PAGE))
    assert {9443, 9809, *range(8081, 8086), 9808} == ports
    assert all(str(port) in PAGE for port in (9443, 9809, 8081, 8085, 9810, 9811))


def test_every_class_that_the_overlays_make_is_in_it() -> None:
    found = {name for kind, name in overlay("ha") if kind == "StorageClass"}

    rows = re.findall(r"^\| `(rds[a-z-]*)` \|", PAGE, re.MULTILINE)

    assert found == {"rds", "rds-kubevirt"}
    assert found <= set(rows)
