"""kustomize and Helm make the same of what is shipped, object by object."""

from pathlib import Path

import pytest
import yaml

from tests.k8s import fetch
from tests.k8s.render import (
    K8S,
    OVERLAYS,
    Key,
    Object,
    call,
    chart_text,
    everything,
    objects,
    overlay,
)
from tests.k8s.services import settings_of

EXAMPLES = K8S / "chart" / "examples"
CHECKSUM = "checksum/settings"


def from_chart(*values: Path) -> dict[Key, Object]:
    """Render the chart, without what stands in for kustomize's names with hashes."""
    found = objects(chart_text(*values))
    for item in found.values():
        template = item.get("spec", {}).get("template", {})
        template.get("metadata", {}).get("annotations", {}).pop(CHECKSUM, None)
    return found


def differing(left: dict[Key, Object], right: dict[Key, Object]) -> list[Key]:
    return sorted(key for key in left if key in right and left[key] != right[key])


@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_and_the_chart_with_its_example_are_the_same(name: str) -> None:
    chart = from_chart(EXAMPLES / f"{name}.yaml")

    kustomized = overlay(name)

    assert sorted(chart) == sorted(kustomized)
    assert differing(chart, kustomized) == []


def test_the_components_are_in_the_chart_too(tmp_path: Path) -> None:
    schedule = {"name": "daily", "schedule": "17 2 * * *", "keep": 7, "snapshotClass": "rds"}
    values = tmp_path / "values.yaml"
    values.write_text(
        yaml.safe_dump(
            {"dhchap": {"secrets": ["rds-csi-dhchap"]}, "snapshots": {"schedules": [schedule]}}
        )
    )

    chart = from_chart(EXAMPLES / "ha.yaml", values)
    kustomized = everything(tmp_path)

    assert sorted(chart) == sorted(kustomized)
    assert differing(chart, kustomized) == []


def containers(found: dict[Key, Object]) -> set[str]:
    pod = found["Deployment", "rds-csi-controller"]["spec"]["template"]["spec"]
    return {container["name"] for container in pod["containers"]}


def test_who_wants_no_snapshots_needs_no_definitions_of_them(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("snapshots: {enabled: false}")
    example = EXAMPLES / "ha.yaml"

    before, after = objects(chart_text(example)), objects(chart_text(example, values))

    assert before.keys() - after.keys() == {
        ("VolumeSnapshotClass", "rds"),
        ("ClusterRole", "rds-csi-snapshotter"),
        ("ClusterRoleBinding", "rds-csi-snapshotter"),
    }
    assert containers(before) - containers(after) == {"csi-snapshotter"}


def test_another_setting_is_another_pod(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("node: {settings: {max-volumes: 7}}")
    example = EXAMPLES / "ha.yaml"

    before, after = objects(chart_text(example)), objects(chart_text(example, values))

    changed = {name for kind, name in differing(before, after) if kind != "ConfigMap"}
    assert changed == {"rds-csi-node"}


def test_large_numbers_stay_whole_numbers(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text(
        "controller: {settings: {default-volume-bytes: 10737418240, overcommit: 1.5}}"
    )

    found = objects(chart_text(EXAMPLES / "ha.yaml", values))

    settings = found["ConfigMap", "rds-csi-controller"]["data"]
    assert settings["RDS_CSI_DEFAULT_VOLUME_BYTES"] == "10737418240"
    assert settings["RDS_CSI_OVERCOMMIT"] == "1.5"


def test_another_directory_of_the_kubelet_is_named_wherever_it_is_used(tmp_path: Path) -> None:
    values = tmp_path / "values.yaml"
    values.write_text("node: {kubeletDirectory: /var/lib/k0s/kubelet}")

    found = objects(chart_text(EXAMPLES / "ha.yaml", values))

    settings = settings_of(found, "node")
    assert settings.kubelet_directory == "/var/lib/k0s/kubelet"
    assert settings.state_directory.is_relative_to("/var/lib/k0s/kubelet")
    assert "/var/lib/kubelet" not in yaml.safe_dump(found["DaemonSet", "rds-csi-node"])


def test_the_chart_has_no_fault_that_helm_knows() -> None:
    values = EXAMPLES / "ha.yaml"

    said = call(fetch.tool("helm"), "lint", "--strict", K8S / "chart", f"--values={values}")

    assert "0 chart(s) failed" in said
