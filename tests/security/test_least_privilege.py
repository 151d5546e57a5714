"""Nobody but root and the services reaches a socket, and every right on a node has its reason."""

import stat
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.component.controller.admin_rig import open_alone
from tests.component.reconciler.rig import open_world

ROOT = Path(__file__).parents[2]
SECURITY = (ROOT / "docs" / "security.md").read_text()
REASONS = SECURITY.partition("## What the node plugin may do, and why")[2].partition("\n## ")[0]


def sockets_below(directory: Path) -> dict[str, int]:
    return {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in directory.rglob("*")
        if path.is_socket()
    }


def node_pod() -> dict[str, Any]:
    items = yaml.safe_load_all((ROOT / "k8s" / "base" / "node.yaml").read_text())
    (daemon,) = [item for item in items if item["kind"] == "DaemonSet"]
    return dict(daemon["spec"]["template"]["spec"])


async def test_only_its_own_user_reaches_a_socket_of_the_controller(tmp_path: Path) -> None:
    async with open_alone(tmp_path):
        modes = sockets_below(tmp_path)

    assert modes == {"csi.sock": 0o600, "admin.sock": 0o600}


async def test_only_its_own_user_reaches_the_socket_of_the_reconciler(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world, world.replica(leads=False):
        modes = sockets_below(tmp_path)

    assert modes["reconciler-1.sock"] == 0o600


def test_every_directory_of_the_host_that_the_node_has_is_listed_with_a_reason() -> None:
    pod = node_pod()

    paths = {volume["hostPath"]["path"] for volume in pod["volumes"] if "hostPath" in volume}

    assert paths
    assert {path for path in paths if f"`{path}`" not in REASONS} == set()


@pytest.mark.parametrize("right", ["hostNetwork", "hostPID", "privileged", "Bidirectional"])
def test_every_right_of_the_node_is_listed_with_a_reason(right: str) -> None:
    assert right in yaml.safe_dump(node_pod())
    assert f"`{right}" in REASONS


def test_the_node_has_no_other_way_out_of_its_container() -> None:
    pod = node_pod()
    (own,) = [one for one in pod["containers"] if one["name"] == "rds-csi-node"]

    ways = {key for key, value in pod.items() if key.startswith("host") and value}

    assert ways == {"hostNetwork", "hostPID"}
    assert own["securityContext"] == {
        "privileged": True,
        "readOnlyRootFilesystem": True,
        "runAsUser": 0,
    }


def test_the_threat_model_fits_on_a_page() -> None:
    assert len(SECURITY.splitlines()) <= 110
