"""What follows from the cluster as it was read: nodes, classes, objects, other controllers."""

from pathlib import Path

import pytest
import yaml

from rdsctl.preflight.cluster_checks import OUR_NAMES, OURS
from rdsctl.preflight.model import (
    Attachment,
    Cluster,
    CsiDriver,
    NodeInfo,
    Plan,
    StorageClass,
    Workload,
)
from rdsctl.preflight.objects import read_driver
from tests.unit.rdsctl.preflight.values import BASE, NAME, PLAN, said, volume

BASE_MANIFESTS = Path(__file__).parents[4] / "k8s" / "base"


def held(*nodes: str, going: bool = False) -> tuple[Attachment, ...]:
    return tuple(Attachment(f"csi-{node}", NAME, node, is_going=going) for node in nodes)


@pytest.mark.parametrize(
    ("modes", "level"),
    [
        (("ReadWriteOnce",), {"attachments: blocker"}),
        (("ReadWriteMany",), {"attachments: warning"}),
        (("ReadOnlyMany",), set()),
    ],
)
def test_a_volume_on_two_nodes_is_told_unless_it_is_read_only(
    modes: tuple[str, ...], level: set[str]
) -> None:
    cluster = Cluster(
        volumes=(volume(is_block=True, access_modes=modes),),
        attachments=held("alpha", "beta"),
        nodes=(NodeInfo("alpha", driver_id="alpha"), NodeInfo("beta", driver_id="beta")),
    )

    assert said(cluster) == level


@pytest.mark.parametrize(
    ("node", "level"),
    [
        (NodeInfo("alpha", "6.1.0", driver_id="alpha"), set()),
        (NodeInfo("alpha", "6.1.0", driver_id="other"), {"nodes: warning"}),
        (NodeInfo("alpha", "6.1.0"), {"nodes: warning"}),
        (NodeInfo("alpha", "4.19.0", driver_id="alpha"), {"nodes: blocker"}),
        (NodeInfo("alpha", driver_id="alpha", is_ready=False), {"nodes: warning"}),
    ],
)
def test_a_node_on_which_the_plugin_cannot_be_replaced_well_is_told(
    node: NodeInfo, level: set[str]
) -> None:
    cluster = Cluster(volumes=(volume(),), attachments=held("alpha"), nodes=(node,))

    assert said(cluster) == level


def test_an_attachment_that_is_between_two_states_is_told() -> None:
    cluster = Cluster(volumes=(volume(),), attachments=held("alpha", going=True))

    assert "attachments: warning" in said(cluster)


@pytest.mark.parametrize(
    ("driver", "expected"),
    [
        (None, set()),
        (OURS, set()),
        (CsiDriver(pod_info=True), set()),
        (CsiDriver(attach_required=False), {"csidriver: blocker"}),
        (CsiDriver(modes=("Persistent", "Ephemeral")), {"csidriver: blocker"}),
    ],
)
def test_a_driver_object_is_compared_in_what_cannot_be_changed(
    driver: CsiDriver | None, expected: set[str]
) -> None:
    assert said(Cluster(driver=driver)) == expected


def test_a_cluster_that_the_sidecars_do_not_run_on_is_a_blocker() -> None:
    assert said(Cluster(serves_attributes_classes=False)) == {"kubernetes: blocker"}


def test_two_controllers_of_one_name_at_once_are_a_blocker() -> None:
    old = Workload("Deployment", "storage", "old")
    new = Workload("Deployment", "rds-csi", "rds-csi-controller", is_ours=True)

    assert said(Cluster(workloads=(old, new))) == {"workloads: blocker"}


def test_an_old_controller_that_is_scaled_to_nothing_is_in_nobodys_way() -> None:
    old = Workload("Deployment", "storage", "old", replicas=0)
    new = Workload("Deployment", "rds-csi", "rds-csi-controller", is_ours=True)

    assert said(Cluster(workloads=(old, new))) == set()


def test_an_old_controller_that_removes_orphans_is_warned_of() -> None:
    arguments = ("-enable-orphan-reconciler", "-orphan-dry-run=false")
    old = Workload("Deployment", "storage", "old", arguments=arguments)

    assert said(Cluster(workloads=(old,))) == {"workloads: warning"}


@pytest.mark.parametrize(
    "parameters",
    [{"unknown": "1"}, {"nvmePort": "0"}, {"fsType": "ntfs"}, {"volumePath": "relative"}],
)
def test_a_class_that_the_controller_would_refuse_is_told(parameters: dict[str, str]) -> None:
    cluster = Cluster(classes=(StorageClass("rds", parameters),))

    assert said(cluster) == {"storage-classes: warning"}


def test_a_class_whose_directory_may_not_be_used_is_told() -> None:
    plan = Plan(PLAN.driver, PLAN.prefixes, (BASE,))
    cluster = Cluster(classes=(StorageClass("rds", {"volumePath": "/raid10/other"}),))

    assert said(cluster, plan=plan) == {"storage-classes: warning"}


def test_the_driver_object_that_is_compared_with_is_the_one_that_is_shipped() -> None:
    shipped = yaml.safe_load((BASE_MANIFESTS / "csidriver.yaml").read_text())

    assert read_driver(shipped) == OURS


def test_the_names_that_are_looked_for_are_those_that_are_shipped() -> None:
    shipped = {
        (item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
        for file in ("controller.yaml", "node.yaml")
        for item in yaml.safe_load_all((BASE_MANIFESTS / file).read_text())
        if item and item["kind"] in {"Deployment", "DaemonSet"}
    }

    assert shipped >= OUR_NAMES
