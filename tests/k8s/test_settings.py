"""Every flag, variable and value in a manifest is one that the services know."""

import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml

from libs.core.version import __version__
from libs.csikit.endpoint import TcpAddress
from libs.ops.settings import Program, SettingsError, load, variable
from tests.k8s import schema
from tests.k8s.render import (
    K8S,
    OVERLAYS,
    Failed,
    Key,
    Object,
    chart_text,
    everything,
    kustomize_text,
    objects,
    overlay,
    pods,
)
from tests.k8s.services import SETTINGS, arguments, container_of, environment, fixed, settings_of

SERVICES = tuple(SETTINGS)


@pytest.mark.parametrize("name", OVERLAYS)
@pytest.mark.parametrize("service", SERVICES)
def test_a_service_starts_with_what_the_manifests_give_it(name: str, service: str) -> None:
    found = overlay(name)

    settings = settings_of(found, service)

    assert settings.metrics_address == ":9809"
    assert settings.driver_name == found["CSIDriver", "rds.csi.srvlab.io"]["metadata"]["name"]


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_that_a_service_is_given_is_one_of_its_settings(service: str) -> None:
    found = overlay("ha")
    known = {variable(name) for name in SETTINGS[service].__dataclass_fields__}

    given = environment(found, container_of(found, service))

    assert set(given) - {"NODE_NAME"} <= known


def live_settings(found: Mapping[Key, Object]) -> set[str]:
    return set(tomllib.loads(found["ConfigMap", "rds-csi-live"]["data"]["settings.toml"]))


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_understands_the_file_of_settings_that_can_change(
    service: str, tmp_path: Path
) -> None:
    found = overlay("ha")
    path = tmp_path / "settings.toml"
    path.write_text(found["ConfigMap", "rds-csi-live"]["data"]["settings.toml"])
    container = container_of(found, service)
    environ = environment(found, container)

    words = [*arguments(container, environ), f"--config-file={path}"]
    settings, _ = load(SETTINGS[service], words, environ, Program(service, "", ""))

    assert settings.log_level == "info"
    assert "--config-file=/etc/rds-csi/live/settings.toml" in container["args"]


@pytest.mark.parametrize("service", ["controller", "node"])
def test_that_file_has_just_what_changes_without_a_restart(service: str) -> None:
    fields = SETTINGS[service].__dataclass_fields__

    known = {name.replace("_", "-") for name, field in fields.items() if field.metadata["live"]}

    assert live_settings(overlay("ha")) == known == schema.ELSEWHERE


def test_the_base_alone_says_which_addresses_are_missing() -> None:
    found = objects(kustomize_text(K8S / "base"))

    with pytest.raises(SettingsError) as refused:
        settings_of(found, "controller")

    named = [problem.split(" ", 1)[0] for problem in refused.value.problems]
    assert named == ["--rds-address", "--nvme-address", "--volume-base-paths"]


def test_the_node_plugin_takes_the_volumes_that_the_controller_makes_for_its_own() -> None:
    found = overlay("ha")

    prefixes = settings_of(found, "node").managed_nqn_prefixes

    assert settings_of(found, "controller").nqn_prefix in prefixes


def test_the_reconciler_calls_the_controllers_service() -> None:
    found = overlay("ha")

    endpoint = settings_of(found, "reconciler").controller_endpoint

    service = found["Service", "rds-csi-controller"]
    assert endpoint == TcpAddress(service["metadata"]["name"], service["spec"]["ports"][0]["port"])
    assert settings_of(found, "controller").admin_endpoint == TcpAddress("", endpoint.port)


@pytest.mark.parametrize("service", SERVICES)
def test_the_schema_of_the_chart_leaves_out_what_the_manifests_give_as_flags(service: str) -> None:
    found = overlay("ha")

    given = fixed(container_of(found, service))

    assert given - {"config-file"} == schema.FIXED[service]


def test_the_schema_of_the_chart_has_the_settings_of_the_services() -> None:
    written = schema.FILE.read_text()

    assert written == schema.render(), "run python -m tests.k8s.schema"


@pytest.mark.parametrize(
    "values",
    [
        {"controller": {"settings": {"rds-adress": "192.0.2.1"}}},
        {"controller": {"settings": {"kubeconfig": "/k"}}},
        {"node": {"replicas": 2}},
        {"spread": "wide"},
        {"storageClasses": [{"parameters": {}}]},
        {"snapshots": {"schedules": [{"name": "daily"}]}},
        {"nodes": {}},
    ],
    ids=str,
)
def test_values_that_nothing_knows_are_refused(tmp_path: Path, values: Object) -> None:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))

    with pytest.raises(Failed, match="don't meet the specifications"):
        chart_text(K8S / "chart" / "examples" / "ha.yaml", path)


def test_a_chart_without_a_device_is_refused() -> None:
    with pytest.raises(Failed, match="rds-address"):
        chart_text()


def test_the_images_and_the_chart_have_the_version_of_the_code(tmp_path: Path) -> None:
    chart = yaml.safe_load((K8S / "chart" / "Chart.yaml").read_text())

    templates = pods(everything(tmp_path).values())

    images = {
        container["image"]
        for template in templates.values()
        for container in template["spec"]["containers"]
        if container["image"].startswith("rds-csi-")
    }
    assert images == {f"rds-csi-{service}:{__version__}" for service in SERVICES}
    assert chart["version"] == chart["appVersion"] == __version__
