"""What the node plugin may change of Nodes and PersistentVolumes, by the shipped policies."""

import copy
import json
import sys
from collections.abc import Iterable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from libs.core.ids import Nqn, VolumeId
from libs.kube.client import open_kube
from libs.mockkube.testing import NODES, VOLUMES, ApiServer, running_api
from services.node.adapters.cluster import open_kube_cluster
from tests.k8s import fetch
from tests.k8s.render import (
    K8S,
    NAMESPACE,
    Key,
    Object,
    call,
    chart_text,
    objects,
    overlay,
)

DRIVER = "rds.csi.srvlab.io"
VOLUME = VolumeId.parse("pvc-00000000-0000-0000-0000-000000000001")
POLICIES = {"nodes": "rds-csi-node-nodes", "persistentvolumes": "rds-csi-node-volumes"}
POLICY, BINDING = "ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"
NODE_NAME = "authentication.kubernetes.io/node-name"

TAINT = {"key": f"{DRIVER}/agent-not-ready", "effect": "NoSchedule"}
OTHER_TAINT = {"key": "example.com/special", "effect": "NoExecute", "value": "yes"}

NODE: Object = {
    "metadata": {
        "name": "worker-1",
        "labels": {"kubernetes.io/os": "linux"},
        "annotations": {"example.com/rack": "7", f"{DRIVER}/host-nqn": "nqn.2014-08.org:old"},
        "finalizers": ["example.com/keep"],
        "ownerReferences": [{"kind": "Machine", "name": "worker-1"}],
    },
    "spec": {
        "taints": [OTHER_TAINT, TAINT],
        "providerID": "metal://1",
        "podCIDR": "10.1.0.0/24",
        "podCIDRs": ["10.1.0.0/24"],
    },
}
PERSISTENT_VOLUME: Object = {
    "metadata": {
        "name": VOLUME.text,
        "labels": {"tier": "gold"},
        "annotations": {"example.com/owner": "shop", f"{DRIVER}/formatted": "ext4"},
        "finalizers": ["kubernetes.io/pv-protection"],
    },
    "spec": {
        "persistentVolumeReclaimPolicy": "Retain",
        "csi": {"driver": DRIVER, "volumeHandle": VOLUME.text},
    },
}
EXAMPLES = {"nodes": NODE, "persistentvolumes": PERSISTENT_VOLUME}


def request(
    user: str = f"system:serviceaccount:{NAMESPACE}:rds-csi-node", node: str = "worker-1"
) -> Object:
    extra = {NODE_NAME: [node]} if node else {}
    return {"userInfo": {"username": user, "extra": extra}}


def judge(
    policy: Object, changes: Iterable[tuple[Object, Object]], by: Object
) -> list[list[str] | None]:
    """Return what the policy says of each change, from the first object to the second."""
    asked = [{"request": by, "oldObject": old, "object": new} for old, new in changes]
    runner = Path(__file__).with_name("admit.py")
    own = {"PYTHONPATH": str(fetch.cache() / "python")}
    text = json.dumps({"policy": policy["spec"], "changes": asked})
    said: list[list[str] | None] = json.loads(call(sys.executable, runner, text=text, environ=own))
    return said


def refusals(resource: str, new: Object, by: Object | None = None) -> list[str] | None:
    policy = overlay("ha")[POLICY, POLICIES[resource]]
    (said,) = judge(policy, [(EXAMPLES[resource], new)], by or request())
    return said


def changed(resource: str, *path: str, to: object) -> Object:
    """Return the example with something else there; None takes it away."""
    new = copy.deepcopy(EXAMPLES[resource])
    place: dict[str, Any] = new
    for word in path[:-1]:
        place = place.setdefault(word, {})
    if to is None:
        del place[path[-1]]
    else:
        place[path[-1]] = to
    return new


ANNOTATIONS = ("metadata", "annotations")


@pytest.mark.parametrize(
    ("resource", "path", "to"),
    [
        ("nodes", (*ANNOTATIONS, f"{DRIVER}/host-nqn"), "nqn.2014-08.org:new"),
        ("nodes", (*ANNOTATIONS, f"{DRIVER}/host-nqn"), None),
        ("nodes", ("spec", "taints"), [OTHER_TAINT]),
        ("nodes", ("metadata", "managedFields"), [{"manager": "rds-csi"}]),
        ("persistentvolumes", (*ANNOTATIONS, f"{DRIVER}/formatted"), "xfs"),
    ],
)
def test_what_is_the_drivers_may_be_changed(
    resource: str, path: tuple[str, ...], to: object
) -> None:
    assert refusals(resource, changed(resource, *path, to=to)) == []


ONE_ANNOTATION = f"of a Node's annotations the node plugin changes {DRIVER}/host-nqn alone"
ONE_TAINT = f"of a Node's taints the node plugin takes {DRIVER}/agent-not-ready away, and adds none"
REST = "the node plugin changes one annotation and one taint of its Node, and nothing else"
OWN_NODE = "the node plugin of a node changes the Node of that name, and no other"
ONE_MARK = (
    f"of a PersistentVolume's annotations the node plugin writes {DRIVER}/formatted alone, and "
    "takes none away"
)
REST_OF_VOLUME = "the node plugin changes one annotation of a PersistentVolume, and nothing else"
OWN_VOLUMES = "the node plugin changes PersistentVolumes of its driver, and no others"

REFUSED: list[tuple[str, tuple[str, ...], object, str]] = [
    ("nodes", (*ANNOTATIONS, "example.com/rack"), "8", ONE_ANNOTATION),
    ("nodes", (*ANNOTATIONS, "example.com/rack"), None, ONE_ANNOTATION),
    ("nodes", (*ANNOTATIONS, "example.com/new"), "1", ONE_ANNOTATION),
    ("nodes", (*ANNOTATIONS, f"{DRIVER}/host-nqn2"), "1", ONE_ANNOTATION),
    ("nodes", ANNOTATIONS, None, ONE_ANNOTATION),
    ("nodes", ("spec", "taints"), [TAINT], ONE_TAINT),
    ("nodes", ("spec", "taints"), None, ONE_TAINT),
    ("nodes", ("spec", "taints"), [{**OTHER_TAINT, "value": "no"}, TAINT], ONE_TAINT),
    ("nodes", ("spec", "taints"), [OTHER_TAINT, TAINT, {"key": "new"}], ONE_TAINT),
    ("nodes", ("metadata", "labels", "zone"), "b", REST),
    ("nodes", ("metadata", "labels"), None, REST),
    ("nodes", ("metadata", "finalizers"), None, REST),
    ("nodes", ("metadata", "ownerReferences"), [], REST),
    ("nodes", ("spec", "unschedulable"), True, REST),
    ("nodes", ("spec", "providerID"), "metal://2", REST),
    ("nodes", ("spec", "podCIDRs"), ["10.0.0.0/8"], REST),
    ("persistentvolumes", (*ANNOTATIONS, "example.com/owner"), "me", ONE_MARK),
    ("persistentvolumes", (*ANNOTATIONS, "example.com/owner"), None, ONE_MARK),
    ("persistentvolumes", (*ANNOTATIONS, f"{DRIVER}/formatted"), None, ONE_MARK),
    ("persistentvolumes", (*ANNOTATIONS, f"{DRIVER}/reset-breaker"), "now", ONE_MARK),
    ("persistentvolumes", ANNOTATIONS, None, ONE_MARK),
    ("persistentvolumes", ("metadata", "labels", "tier"), "iron", REST_OF_VOLUME),
    ("persistentvolumes", ("metadata", "finalizers"), None, REST_OF_VOLUME),
    ("persistentvolumes", ("metadata", "ownerReferences"), [{"name": "x"}], REST_OF_VOLUME),
    ("persistentvolumes", ("spec", "persistentVolumeReclaimPolicy"), "Delete", REST_OF_VOLUME),
    ("persistentvolumes", ("spec", "csi", "driver"), "other", REST_OF_VOLUME),
]


@pytest.mark.parametrize(("resource", "path", "to", "message"), REFUSED)
def test_nothing_else_may_be_and_one_rule_says_so(
    resource: str, path: tuple[str, ...], to: object, message: str
) -> None:
    assert refusals(resource, changed(resource, *path, to=to)) == [message]


@pytest.mark.parametrize("node", ["worker-2", ""])
def test_another_node_s_plugin_and_a_token_of_no_node_change_no_node(node: str) -> None:
    new = changed("nodes", *ANNOTATIONS, f"{DRIVER}/host-nqn", to="nqn.2014-08.org:attacker")

    assert refusals("nodes", new, by=request(node=node)) == [OWN_NODE]


@pytest.mark.parametrize("spec", [{"nfs": {"server": "a"}}, {"csi": {"driver": "other"}}])
def test_volumes_of_others_are_left_alone(spec: Object) -> None:
    old = {"metadata": {"name": "other"}, "spec": spec}
    new = {**old, "metadata": {"name": "other", "annotations": {f"{DRIVER}/formatted": "xfs"}}}

    policy = overlay("ha")[POLICY, POLICIES["persistentvolumes"]]

    assert judge(policy, [(old, new)], request()) == [[OWN_VOLUMES]]


def test_objects_without_anything_may_get_what_is_the_drivers() -> None:
    bare = {"metadata": {"name": "worker-1"}, "spec": {}}
    told = {"metadata": {"name": "worker-1", "annotations": {f"{DRIVER}/host-nqn": "n"}}}

    policy = overlay("ha")[POLICY, POLICIES["nodes"]]

    assert judge(policy, [(bare, {**told, "spec": {}})], request()) == [[]]


@pytest.mark.parametrize("resource", list(POLICIES))
@pytest.mark.parametrize(
    "user", ["system:node:worker-2", f"system:serviceaccount:{NAMESPACE}:rds-csi-controller"]
)
def test_others_are_none_of_its_business(resource: str, user: str) -> None:
    new = changed(resource, "metadata", "labels", to={"any": "thing"})

    assert refusals(resource, new, by=request(user)) is None


def users(found: Mapping[Key, Object]) -> set[str]:
    return {
        rule["expression"]
        for name in POLICIES.values()
        for rule in found[POLICY, name]["spec"]["matchConditions"]
    }


def test_the_user_is_the_node_plugin_wherever_the_chart_is_installed() -> None:
    text = call(
        fetch.tool("helm"), "template", "rds-csi", K8S / "chart", "--namespace=storage",
        f"--values={K8S / 'chart' / 'examples' / 'ha.yaml'}",
    )  # fmt: skip

    found = objects(text)
    pod = found["DaemonSet", "rds-csi-node"]["spec"]["template"]["spec"]

    account = f"system:serviceaccount:storage:{pod['serviceAccountName']}"
    assert users(found) == {f"request.userInfo.username == '{account}'"}


@pytest.mark.parametrize("resource", list(POLICIES))
def test_the_policies_are_in_force_and_fail_closed(resource: str) -> None:
    found = objects(chart_text(K8S / "chart" / "examples" / "ha.yaml"))

    name = POLICIES[resource]
    policy, binding = found[POLICY, name]["spec"], found[BINDING, name]["spec"]

    assert policy["failurePolicy"] == "Fail"
    assert policy["matchConstraints"]["resourceRules"] == [
        {
            "apiGroups": [""],
            "apiVersions": ["v1"],
            "operations": ["UPDATE"],
            "resources": [resource],
        }
    ]
    assert binding == {"policyName": name, "validationActions": ["Deny"]}


def in_store(api: ApiServer, path: str, name: str) -> Object:
    return copy.deepcopy(api.objects[path][name])


async def test_all_that_the_node_plugin_does_is_allowed(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api:
        await api.put(NODES, copy.deepcopy(NODE))
        await api.put(VOLUMES, changed("persistentvolumes", *ANNOTATIONS, to=None))
        own = {"metadata": {"name": "worker-1"}, "spec": {"drivers": [{"name": DRIVER}]}}
        await api.put("/apis/storage.k8s.io/v1/csinodes", own)
        nodes = [in_store(api, NODES, "worker-1")]
        volumes = [in_store(api, VOLUMES, VOLUME.text)]
        async with (
            open_kube(api.kubeconfig) as kube,
            open_kube_cluster(kube, DRIVER, "worker-1") as cluster,
        ):
            for nqn in ("nqn.2014-08.org.nvmexpress:a", "nqn.2014-08.org.nvmexpress:b"):
                await cluster.announce(Nqn(nqn))
                nodes.append(in_store(api, NODES, "worker-1"))
            await cluster.clear_startup_taint()
            nodes.append(in_store(api, NODES, "worker-1"))
            for text in ("ext4", "xfs"):
                await cluster.mark_formatted(VOLUME, text)
                volumes.append(in_store(api, VOLUMES, VOLUME.text))
    node_changes, volume_changes = list(pairwise(nodes)), list(pairwise(volumes))
    assert all(old != new for old, new in (*node_changes, *volume_changes))

    found = overlay("ha")

    assert judge(found[POLICY, POLICIES["nodes"]], node_changes, request()) == [[], [], []]
    volume_policy = found[POLICY, POLICIES["persistentvolumes"]]
    assert judge(volume_policy, volume_changes, request()) == [[], []]
