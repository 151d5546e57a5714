"""The pages name the rights that the shipped roles give, no fewer and no more."""

import re
from collections import defaultdict

import pytest
import yaml

from tests.docs.pages import DOCS, ROOT

ROLES = ROOT / "k8s" / "base" / "rbac-services.yaml"

Rights = dict[str, set[str]]


def shipped(service: str) -> Rights:
    rights: Rights = defaultdict(set)
    for role in yaml.safe_load_all(ROLES.read_text()):
        if role["kind"] in {"ClusterRole", "Role"} and role["metadata"]["name"] == service:
            for rule in role["rules"]:
                for resource in rule["resources"]:
                    rights[resource] |= set(rule["verbs"])
    return rights


def documented(page: str) -> Rights:
    text = (DOCS / page).read_text()
    table = re.split(r"^## (?:What it needs from Kubernetes|RBAC)$", text, flags=re.MULTILINE)[1]
    rights: Rights = defaultdict(set)
    for resources, verbs in re.findall(r"^\| (.+?) \| ([a-z, ]+) \|", table, re.MULTILINE):
        for resource in re.findall(r"`([a-z]+)`", re.sub(r"\([^)]*\)", "", resources)):
            rights[resource] |= set(verbs.split(", "))
    return rights


@pytest.mark.parametrize("service", ["controller", "node", "reconciler"])
def test_the_page_of_a_service_has_its_rights(service: str) -> None:
    assert documented(f"{service}.md") == shipped(f"rds-csi-{service}")
