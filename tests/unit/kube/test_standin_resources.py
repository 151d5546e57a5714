"""The kinds that the stand-in for the API server serves, and how paths name them."""

from dataclasses import replace

import pytest

from libs.mockkube.resources import (
    BUILT_IN,
    CUSTOM_RESOURCES,
    NAMESPACES,
    Resource,
    Target,
    custom_resources,
    parse_path,
)
from tests.unit.kube.standin import OF_KIND, SET, target

STORAGE = "/apis/storage.k8s.io"
KINDS = {
    "/api/v1/namespaces/ns/configmaps": ("ConfigMap",),
    "/api/v1/namespaces/ns/events": ("Event", "is_upserted"),
    "/api/v1/namespaces": ("Namespace", "has_status"),
    "/api/v1/nodes": ("Node", "has_status"),
    "/api/v1/persistentvolumes": ("PersistentVolume", "has_status"),
    "/api/v1/namespaces/ns/persistentvolumeclaims": ("PersistentVolumeClaim", "has_status"),
    "/api/v1/namespaces/ns/pods": ("Pod", "has_status"),
    "/api/v1/namespaces/ns/secrets": ("Secret",),
    "/api/v1/namespaces/ns/serviceaccounts": ("ServiceAccount",),
    "/apis/events.k8s.io/v1/namespaces/ns/events": ("Event", "is_upserted"),
    "/apis/coordination.k8s.io/v1/namespaces/ns/leases": (
        *("Lease", "needs_version", "is_upserted"),
    ),
    f"{STORAGE}/v1/csidrivers": ("CSIDriver", "needs_version"),
    f"{STORAGE}/v1/csinodes": ("CSINode", "needs_version"),
    f"{STORAGE}/v1/storageclasses": ("StorageClass",),
    f"{STORAGE}/v1/volumeattachments": ("VolumeAttachment", "has_status", "needs_version"),
    f"{STORAGE}/v1beta1/volumeattributesclasses": ("VolumeAttributesClass",),
    f"{STORAGE}/v1/volumeattributesclasses": ("VolumeAttributesClass",),
    "/apis/apiextensions.k8s.io/v1/customresourcedefinitions": (
        *("CustomResourceDefinition", "has_status", "needs_version"),
    ),
}


def test_the_kinds_of_a_cluster_are_served_where_a_client_looks_for_them() -> None:
    flags = ("has_status", "needs_version", "is_upserted", "is_custom")

    assert {
        one.collection("ns" if one.namespaced else ""): (
            one.kind,
            *(flag for flag in flags if getattr(one, flag)),
        )
        for one in BUILT_IN
    } == KINDS
    assert OF_KIND["CustomResourceDefinition"].collection() == CUSTOM_RESOURCES
    assert OF_KIND["Namespace"].collection() == NAMESPACES


def test_a_kind_and_a_target_are_as_plain_as_they_can_be_where_nothing_is_said() -> None:
    plain = Resource("g", "v", "things", "Thing")

    assert plain == Resource("g", "v", "things", "Thing", False, False, False, False, False)  # noqa: FBT003
    assert Target(plain) == Target(plain, namespace="", name="", part="")


def test_messages_name_a_kind_with_its_group() -> None:
    lease, node = OF_KIND["Lease"], OF_KIND["Node"]

    assert (lease.full_name, node.full_name) == ("leases.coordination.k8s.io", "nodes")
    assert (lease.qualified_kind, node.qualified_kind) == ("Lease.coordination.k8s.io", "Node")


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1",
        "/api/v1/unknown",
        "/api/v1/namespaces/ns/nodes",
        "/api/v1/pods/a",
        "/api/v1/nodes/a/scale",
        "/api/v1/nodes/",
        "/api/v1/nodes/a/status/x",
        "/api/v1/namespaces//pods",
        "/api/v1/namespaces//status",
        "/api/v1/namespaces/ns/statuses",
        "/apis/example.org/v1/things",
    ],
)
def test_a_path_of_nothing_that_is_served_has_no_target(path: str) -> None:
    assert parse_path(path, BUILT_IN) is None


def test_a_path_names_a_part_of_an_object() -> None:
    pod = parse_path("/api/v1/namespaces/ns/pods/a/status", BUILT_IN)
    namespace = parse_path("/api/v1/namespaces/ns/finalize", BUILT_IN)
    whole = parse_path("/api/v1/namespaces/ns", BUILT_IN)

    assert pod == target("Pod", "ns", name="a", part="status")
    assert namespace == target("Namespace", name="ns", part="finalize")
    assert whole == target("Namespace", name="ns")


def test_definitions_that_are_served_bring_kinds() -> None:
    things = {
        "group": "example.org",
        "scope": "Namespaced",
        "names": {"plural": "things", "kind": "Thing"},
        "versions": [
            {"name": "v1", "served": True},
            {"name": "v0", "served": False},
            {"name": "v2", "subresources": {"status": {}}},
        ],
    }
    ones = {
        "group": "example.org",
        "scope": "Cluster",
        "names": {"plural": "ones", "kind": "One"},
        "versions": [{"name": "v1", "subresources": {"scale": {}}}],
    }

    assert custom_resources([{"spec": things}, {"spec": ones}]) == (
        SET,
        replace(SET, version="v2", has_status=True),
        replace(SET, plural="ones", kind="One", namespaced=False),
    )


@pytest.mark.parametrize(
    ("collection", "is_held"),
    [
        ("/api/v1/namespaces/ns/pods", True),
        ("/api/v1/namespaces/other/pods", True),
        ("/api/v1/namespaces/ns/secrets", False),
        ("/api/v1/nodes", False),
        ("/apis/example.org/v1/namespaces/ns/pods", False),
    ],
)
def test_all_namespaces_hold_what_is_in_each(
    collection: str,
    is_held: bool,  # noqa: FBT001 (an expectation)
) -> None:
    assert target("Pod").holds(collection) is is_held


def test_a_namespace_and_the_cluster_hold_what_is_in_them() -> None:
    pods = target("Pod", "ns")

    assert target("Node").holds("/api/v1/nodes")
    assert pods.holds("/api/v1/namespaces/ns/pods")
    assert not pods.holds("/api/v1/namespaces/other/pods")
