"""Objects of the API and answers of the device, as values."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from rdsctl.preflight.device import parse_policies
from rdsctl.preflight.objects import (
    read_driver,
    read_snapshot,
    read_volume,
    read_workloads,
)

BASE_MANIFESTS = Path(__file__).parents[4] / "k8s" / "base"
DRIVER = "rds.csi.srvlab.io"


def test_what_a_driver_object_leaves_out_is_as_the_api_defaults_it() -> None:
    found = read_driver({"metadata": {"name": DRIVER}, "spec": {}})

    assert found is not None
    assert (found.attach_required, found.pod_info, found.modes) == (True, False, ("Persistent",))


def test_volumes_of_other_drivers_are_left_out() -> None:
    item = {"metadata": {"name": "a"}, "spec": {"csi": {"driver": "other", "volumeHandle": "a"}}}

    assert read_volume(item, DRIVER) is None


def test_a_snapshot_that_was_brought_has_the_handle_that_it_was_brought_with() -> None:
    item = {"spec": {"driver": DRIVER, "source": {"snapshotHandle": "snap-1"}}}

    assert read_snapshot(item, DRIVER) == "snap-1"


def workload(namespace: str, name: str, *arguments: str, path: str = "") -> dict[str, Any]:
    volumes = [{"hostPath": {"path": path}}] if path else []
    pod = {"containers": [{"args": list(arguments)}], "volumes": volumes}
    metadata = {"namespace": namespace, "name": name}
    return {"metadata": metadata, "spec": {"template": {"spec": pod}}}


def test_a_controller_is_found_beside_the_daemonset_that_has_the_drivers_directory() -> None:
    plugins = f"/var/lib/kubelet/plugins/{DRIVER}/"
    nodes = [workload("a", "node", path=plugins), workload("b", "other", path="/x")]
    controllers = [
        workload("a", "controller", "-rds-address=192.0.2.10"),
        workload("b", "controller", "-rds-address=192.0.2.10"),
        workload("a", "web"),
    ]

    found = read_workloads(controllers, nodes, DRIVER)

    assert [one.shown for one in found] == ["Deployment a/controller", "DaemonSet a/node"]
    assert not any(one.is_ours for one in found)


def test_what_is_shipped_is_told_from_the_existing_driver() -> None:
    items = [
        item
        for file in ("controller.yaml", "node.yaml", "reconciler.yaml")
        for item in yaml.safe_load_all((BASE_MANIFESTS / file).read_text())
        if item
    ]

    found = read_workloads(
        [item for item in items if item["kind"] == "Deployment"],
        [item for item in items if item["kind"] == "DaemonSet"],
        DRIVER,
    )

    assert [one.shown for one in found if one.is_ours] == [
        "Deployment rds-csi/rds-csi-controller",
        "DaemonSet rds-csi/rds-csi-node",
    ]


@pytest.mark.parametrize(
    ("value", "policies"),
    [
        ("ssh,read,write,test,!local,!telnet", ("ssh", "read", "write", "test")),
        ("read;write", ("read", "write")),
        (["ssh", "read"], ("ssh", "read")),
        (7, None),
        (None, None),
    ],
)
def test_policies_are_read_in_each_form(value: object, policies: tuple[str, ...] | None) -> None:
    assert parse_policies(value) == policies
