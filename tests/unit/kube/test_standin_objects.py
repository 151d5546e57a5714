"""What the stand-in for the API server makes of objects that are created and updated."""

from dataclasses import replace
from typing import Any

import pytest

from libs.mockkube.errors import Failure
from libs.mockkube.objects import prepare, renew
from libs.mockkube.resources import Target
from tests.unit.kube.standin import (
    ATTACHMENT,
    CSI,
    NOW,
    SET,
    VOLUME,
    Object,
    made,
    named,
    stored,
    target,
)

OWN = {"uid": "uid-12345", "creationTimestamp": NOW}
"""What the server sets, of a new object."""


def test_what_the_server_sets_is_not_taken_from_others() -> None:
    sent = {
        "metadata": {
            "name": "a",
            "generateName": "b-",
            "labels": {"x": "1"},
            "uid": "theirs",
            "creationTimestamp": "never",
            "deletionTimestamp": "never",
            "deletionGracePeriodSeconds": 1,
        },
        "spec": {"nodeName": "n"},
        "status": {"phase": "Running"},
    }

    assert made("Pod", sent, "ns") == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "generateName": "b-",
            "labels": {"x": "1"},
            "namespace": "ns",
            **OWN,
        },
        "spec": {"nodeName": "n"},
        "status": {"phase": "Pending"},
    }


@pytest.mark.parametrize(
    ("kind", "item", "status"),
    [
        ("PersistentVolume", named(spec=VOLUME), {"phase": "Pending"}),
        ("PersistentVolumeClaim", named(), {"phase": "Pending"}),
        ("VolumeAttachment", named(spec=ATTACHMENT, status={"x": 1}), {"attached": False}),
        ("Namespace", named(status={"x": 1}), {"phase": "Active", "x": 1}),
        ("Namespace", named(status=None), {"phase": "Active"}),
        ("Node", named(status={"x": 1}), {"x": 1}),
        ("ConfigMap", named(status={"x": 1}), {"x": 1}),
        ("ConfigMap", named(), None),
    ],
)
def test_an_object_begins_with_the_status_of_its_kind(
    kind: str, item: Object, status: Object | None
) -> None:
    place = "" if kind in {"Node", "Namespace", "PersistentVolume", "VolumeAttachment"} else "ns"

    assert made(kind, item, place).get("status") == status


def test_a_name_is_made_for_what_has_only_the_beginning_of_one() -> None:
    item = made("Node", {"metadata": {"generateName": "pv-"}})

    assert item == {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": "pv-12345", "generateName": "pv-", **OWN},
    }


@pytest.mark.parametrize("kind", ["Thing", "Node", "Pod"])
def test_a_custom_object_has_a_generation_and_no_status_whatever_its_kind_is_called(
    kind: str,
) -> None:
    resource = replace(SET, kind=kind, has_status=True)
    both = {"apiVersion": "example.org/v1", "kind": kind}

    item = prepare(Target(resource, "ns"), named(**both, status={"x": 1}), "u", "now")

    metadata = {"name": "a", "namespace": "ns", "uid": "u", "creationTimestamp": "now"}
    assert item == {**both, "metadata": {**metadata, "generation": 1}}


@pytest.mark.parametrize("both", [{}, {"kind": "Thing"}, {"apiVersion": "example.org/v1"}])
def test_a_custom_object_has_to_say_its_kind(both: dict[str, str]) -> None:
    with pytest.raises(Failure, match="apiVersion and kind must be set"):
        prepare(Target(SET, "ns"), named(**both), "u", "now")


@pytest.mark.parametrize(
    ("metadata", "spec", "says"),
    [
        ([], VOLUME, "metadata must be an object"),
        ({"name": "b"}, VOLUME, "the name of the object is not"),
        ({"name": "a", "uid": "another"}, VOLUME, "it has another UID"),
        ({"name": "a", "resourceVersion": "6"}, VOLUME, "has been modified"),
        ({"name": "a"}, VOLUME | {"csi": CSI | {"driver": "e"}}, "spec.csi: Invalid value: field"),
        ({"name": "a", "labels": {"a b": ""}}, VOLUME, "metadata.labels: Invalid value"),
        ({"name": "a"}, VOLUME | {"capacity": {}}, "spec.capacity: Required value"),
    ],
)
def test_another_objects_version_or_past_does_not_replace_this_one(
    metadata: Any, spec: Object, says: str
) -> None:
    with pytest.raises(Failure) as caught:
        renew(target("PersistentVolume"), stored(), {"metadata": metadata, "spec": spec})

    assert says in caught.value.message


def test_the_claim_to_a_volume_stays_what_it_was() -> None:
    old = stored() | {"spec": ATTACHMENT}
    new = {"metadata": {"name": "a", "resourceVersion": "7"}, "spec": VOLUME}

    with pytest.raises(Failure, match="spec: Invalid value: field is immutable"):
        renew(target("VolumeAttachment"), old, new)


def test_a_volume_of_no_driver_can_be_changed() -> None:
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["x"]}
    old = stored() | {"spec": spec}

    assert renew(target("PersistentVolume"), old, named(spec=spec))["spec"] == spec


def test_a_kind_that_wants_a_version_is_not_updated_without_one() -> None:
    old = stored("CSINode")

    new = renew(target("CSINode"), old, {"metadata": {"name": "a", "resourceVersion": "7"}})

    assert new["metadata"] == {"name": "a", **OWN}
    with pytest.raises(Failure, match="must be specified for an update"):
        renew(target("CSINode"), old, named())


def test_what_is_being_deleted_gets_no_new_finalizer() -> None:
    old = stored(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x/a"])
    more = {"metadata": {"name": "a", "finalizers": ["x/a", "x/b"]}, "spec": VOLUME}

    less = renew(target("PersistentVolume"), old, named(spec=VOLUME))
    young = renew(target("PersistentVolume"), stored(finalizers=["x/a"]), more)

    assert "finalizers" not in less["metadata"]
    assert young["metadata"]["finalizers"] == ["x/a", "x/b"]
    with pytest.raises(Failure, match="no new finalizers"):
        renew(target("PersistentVolume"), old, more)


def test_an_update_keeps_what_only_the_server_sets_and_the_status() -> None:
    old = made("Pod", named(), "ns")
    old["metadata"] |= {"resourceVersion": "7", "deletionTimestamp": "then"}
    sent = {
        "metadata": {
            "name": "a",
            "labels": {"x": "1"},
            "uid": "",
            "resourceVersion": "7",
            "creationTimestamp": "never",
            "deletionGracePeriodSeconds": 1,
        },
        "spec": {"nodeName": "n"},
        "status": {"phase": "Running"},
    }

    assert renew(target("Pod", "ns"), old, sent) == {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "a",
            "labels": {"x": "1"},
            "namespace": "ns",
            "deletionTimestamp": "then",
            **OWN,
        },
        "spec": {"nodeName": "n"},
        "status": {"phase": "Pending"},
    }


def test_an_update_of_the_status_changes_nothing_else() -> None:
    new = named(spec={"capacity": {}}, status={"phase": "Bound"})

    item = renew(target("PersistentVolume", part="status"), stored(), new)

    assert item["spec"] == VOLUME
    assert item["status"] == {"phase": "Bound"}


def test_an_update_brings_no_status_to_what_has_none() -> None:
    old = stored("Node")

    assert "status" not in renew(target("Node"), old, named(status={"x": 1}))
