"""What is shipped holds to the schemas of Kubernetes and to the house's own rules."""

import copy
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.k8s.policy import pod_problems, role_problems
from tests.k8s.render import (
    K8S,
    OVERLAYS,
    Object,
    check_schemas,
    everything,
    kustomize_text,
    overlay,
    pods,
    write_everything,
)

OLDEST, NEWEST = "1.34", "1.37"
WITHOUT_SCHEMA = {"Certificate", "Issuer", "VolumeSnapshotClass"}


def controller() -> Object:
    template = pods(overlay("ha").values())["Deployment", "rds-csi-controller"]
    return copy.deepcopy(template)


@pytest.mark.parametrize("release", [OLDEST, NEWEST])
@pytest.mark.parametrize("name", OVERLAYS)
def test_an_overlay_holds_to_the_schemas_of_kubernetes(name: str, release: str) -> None:
    text = kustomize_text(K8S / "overlays" / name)

    found = check_schemas(text, release)

    assert [item for item in found if item[2]] == []
    assert {kind for kind, _, _ in found} <= WITHOUT_SCHEMA


def test_the_components_hold_to_the_schemas_of_kubernetes(tmp_path: Path) -> None:
    text = kustomize_text(write_everything(tmp_path))

    found = check_schemas(text, NEWEST)

    assert [item for item in found if item[2]] == []


def test_a_field_that_kubernetes_does_not_have_is_found() -> None:
    text = kustomize_text(K8S / "overlays" / "ha").replace("podInfoOnMount:", "podInfoOnMounts:")

    found = check_schemas(text, NEWEST)

    assert [(kind, name) for kind, name, problem in found if problem] == [
        ("CSIDriver", "rds.csi.srvlab.io")
    ]


def test_pods_and_roles_hold_to_the_rules(tmp_path: Path) -> None:
    found = everything(tmp_path)

    problems = [
        problem
        for (_, name), template in pods(found.values()).items()
        for problem in pod_problems(name, template)
    ]
    roles = [item for item in found.values() if item["kind"] in {"Role", "ClusterRole"}]
    problems += [problem for role in roles for problem in role_problems(role)]

    assert problems == []
    assert len(pods(found.values())) == 4


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda spec, _: spec["securityContext"].pop("seccompProfile"), "seccomp"),
        (lambda spec, _: spec["securityContext"].update(runAsUser=0), "root"),
        (lambda spec, _: spec.update(hostNetwork=True), "hostNetwork"),
        (lambda spec, _: spec.pop("automountServiceAccountToken"), "token"),
        (lambda spec, _: spec["volumes"].pop(), "volume"),
        (lambda _, own: own.update(image="a/b:latest"), "pinned"),
        (lambda _, own: own.update(image="a:5000/b"), "pinned"),
        (lambda _, own: own["securityContext"].update(readOnlyRootFilesystem=False), "written"),
        (lambda _, own: own["securityContext"].update(privileged=True), "privileged"),
        (lambda _, own: own["securityContext"].pop("capabilities"), "capabilities"),
        (lambda _, own: own["securityContext"].pop("allowPrivilegeEscalation"), "gain"),
        (lambda _, own: own["resources"].pop("limits"), "limit"),
        (lambda _, own: own["resources"].pop("requests"), "needs"),
        (lambda _, own: own.pop("livenessProbe"), "lives"),
        (lambda _, own: own["ports"][1].update(name="another"), "port"),
        (lambda _, own: own["ports"][1].update(name="much-too-long-a-name"), "too long"),
    ],
)
def test_a_pod_that_breaks_a_rule_is_found(
    spoil: Callable[[Object, Object], object], word: str
) -> None:
    template = controller()

    spoil(template["spec"], template["spec"]["containers"][0])

    assert any(word in problem for problem in pod_problems("rds-csi-controller", template))


@pytest.mark.parametrize(
    "rule",
    [
        {"apiGroups": [""], "resources": ["*"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["*"]},
        {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]},
    ],
)
def test_a_role_that_breaks_a_rule_is_found(rule: Object) -> None:
    role = {"kind": "Role", "metadata": {"name": "one"}, "rules": [rule]}

    assert list(role_problems(role))


def test_the_machine_config_of_openshift_loads_the_module() -> None:
    item = yaml.safe_load((K8S / "overlays/openshift/machineconfig.yaml").read_text())

    (file,) = item["spec"]["config"]["storage"]["files"]
    assert file["path"].startswith("/etc/modules-load.d/")
    assert file["contents"]["source"] == "data:,nvme-tcp%0A"


def test_services_policies_and_budgets_choose_pods_that_there_are(tmp_path: Path) -> None:
    found = everything(tmp_path)
    labels = [template["metadata"]["labels"] for template in pods(found.values()).values()]
    selectors = {
        "Service": lambda spec: spec["selector"],
        "NetworkPolicy": lambda spec: spec["podSelector"]["matchLabels"],
        "PodDisruptionBudget": lambda spec: spec["selector"]["matchLabels"],
    }

    lost = [
        key
        for key, item in found.items()
        if key[0] in selectors
        and not any(selectors[key[0]](item["spec"]).items() <= own.items() for own in labels)
    ]

    assert lost == []


def test_every_binding_is_of_a_role_and_an_account_that_there_are(tmp_path: Path) -> None:
    found = everything(tmp_path)
    bindings = [item for item in found.values() if item["kind"].endswith("RoleBinding")]

    lost = [
        item["metadata"]["name"]
        for item in bindings
        if (item["roleRef"]["kind"], item["roleRef"]["name"]) not in found
        or any((who["kind"], who["name"]) not in found for who in item["subjects"])
    ]

    assert lost == []
    assert len(bindings) == 12
