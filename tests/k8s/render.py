"""What kustomize and Helm make of what is shipped, as objects."""

import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.k8s import fetch

ROOT = Path(__file__).parents[2]
K8S = ROOT / "k8s"
OVERLAYS = ("single-node", "ha", "openshift")
NAMESPACE = "rds-csi"
REQUIRED = "RDS_CSI_REQUIRE_K8S"

Object = dict[str, Any]
Key = tuple[str, str]
"""Kind and name."""

_HASH = re.compile(
    r"\b(rds-csi-(?:controller|node|reconciler|snapshots))-[a-z0-9]{10}$", re.MULTILINE
)
"""What kustomize adds to the names of generated ConfigMaps."""


def need_tools() -> None:
    """Skip the test where Helm and kubectl are missing; fail where they are asked for."""
    if fetch.is_fetched():
        return
    if os.environ.get(REQUIRED):
        pytest.fail("Helm and kubectl are missing; run python -m tests.k8s.fetch")
    pytest.skip("this takes Helm and kubectl: ./dev k8s-check fetches them")


def call(*command: str | Path, text: str = "", environ: Mapping[str, str] | None = None) -> str:
    """Run a program; return what it prints."""
    need_tools()
    done = subprocess.run(  # noqa: S603 (our own words)
        command,
        input=text,
        capture_output=True,
        text=True,
        timeout=50,
        check=False,
        env={**os.environ, **(environ or {})},
    )
    if done.returncode:
        raise Failed(done.stderr)
    return done.stdout


class Failed(Exception):
    """A program said no; what it said is the message."""


@cache
def kustomize_text(directory: Path) -> str:
    return _HASH.sub(r"\1", call(fetch.tool("kubectl"), "kustomize", directory))


@cache
def chart_text(*values: Path) -> str:
    files = [f"--values={path}" for path in values]
    return call(
        fetch.tool("helm"), "template", "rds-csi", K8S / "chart", f"--namespace={NAMESPACE}", *files
    )


def objects(text: str) -> dict[Key, Object]:
    """Return objects by kind and name; the same one twice is an error."""
    found: dict[Key, Object] = {}
    for item in yaml.safe_load_all(text):
        if item is None:
            continue
        key = item["kind"], item["metadata"]["name"]
        if key in found:
            raise ValueError(f"{key} is there twice")
        found[key] = item
    return found


def overlay(name: str) -> dict[Key, Object]:
    return objects(kustomize_text(K8S / "overlays" / name))


def everything(directory: Path) -> dict[Key, Object]:
    """Return the base with all components."""
    return objects(kustomize_text(write_everything(directory)))


def write_everything(directory: Path) -> Path:
    """Write a kustomization with the base and all components; return its directory."""
    parts = {
        "resources": [K8S / "overlays" / "ha"],
        "components": [K8S / "components" / part for part in ("dhchap", "scheduled-snapshots")],
    }
    own = directory / "everything"
    own.mkdir()
    text = {
        key: [os.path.relpath(path, own.resolve()) for path in paths]
        for key, paths in parts.items()
    }
    (own / "kustomization.yaml").write_text(yaml.safe_dump(text))
    return own


def pods(found: Iterable[Object]) -> dict[Key, Object]:
    """Return the pod templates, by what makes pods of them."""
    result: dict[Key, Object] = {}
    for item in found:
        template = item.get("spec", {}).get("jobTemplate", item).get("spec", {}).get("template")
        if template and item["kind"] in {"Deployment", "DaemonSet", "CronJob"}:
            result[item["kind"], item["metadata"]["name"]] = template
    return result


def check_schemas(text: str, release: str) -> list[list[str]]:
    """Return kind, name and what is wrong by the schemas of a release; nothing: no schema."""
    runner = Path(__file__).with_name("validate.py")
    own = {"PYTHONPATH": str(fetch.cache() / "python")}
    output = call(sys.executable, runner, release, text=text, environ=own)
    return list(yaml.safe_load(output))
