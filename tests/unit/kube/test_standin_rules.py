"""What the stand-in for the API server refuses, as the real one does."""

from typing import Any

import pytest

from libs.mockkube import errors
from libs.mockkube.errors import Failure
from libs.mockkube.objects import prepare, refuse_terminating, renew
from libs.mockkube.resources import BUILT_IN, Resource, Target

Object = dict[str, Any]
OF_KIND = {resource.kind: resource for resource in BUILT_IN if resource.group != "events.k8s.io"}
SET = Resource(
    "example.org", "v1", "things", "Thing", namespaced=True, needs_version=True, is_custom=True
)


def target(kind: str, namespace: str = "", **fields: str) -> Target:
    return Target(OF_KIND[kind], namespace, **fields)


def named(name: str = "a", **fields: Any) -> Object:
    return {"metadata": {"name": name}, **fields}


def made(kind: str, item: Object, namespace: str = "") -> Object:
    return prepare(target(kind, namespace), item, "uid-12345", "2026-01-01T00:00:00Z")


def why(kind: str, item: Object, namespace: str = "") -> Failure:
    with pytest.raises(Failure) as caught:
        made(kind, item, namespace)
    return caught.value


CSI = {"driver": "d", "volumeHandle": "h"}
VOLUME = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": CSI}
ATTACHMENT = {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "pv"}}


@pytest.mark.parametrize(
    ("kind", "item", "code", "says"),
    [
        ("Node", named(kind="Pod"), 400, "is not Node"),
        ("Node", {"metadata": []}, 400, "metadata must be an object"),
        ("Node", {"metadata": {"name": "a", "namespace": "x"}}, 400, "the namespace of the object"),
        ("Node", {"metadata": {"name": "a", "resourceVersion": "1"}}, 400, "should not be set"),
        ("Node", {"metadata": {}}, 422, "a name or generateName"),
        ("Node", named("A_b"), 422, "not a DNS subdomain"),
        ("Node", {"metadata": {"name": "a", "labels": {"x": 1}}}, 400, "must be a string"),
        ("Node", {"metadata": {"name": "a", "labels": {"a b": ""}}}, 422, "metadata.labels"),
        ("Node", {"metadata": {"name": "a", "finalizers": ["a b"]}}, 422, "metadata.finalizers"),
        ("PersistentVolume", named(), 422, "spec.capacity"),
        ("PersistentVolume", named(spec=VOLUME | {"accessModes": []}), 422, "spec.accessModes"),
        ("PersistentVolume", named(spec=VOLUME | {"csi": {"driver": "d"}}), 422, "spec.csi"),
        ("StorageClass", named(), 422, "provisioner"),
        ("VolumeAttachment", named(spec={"attacher": "d"}), 422, "spec.nodeName"),
        ("VolumeAttachment", named(spec=ATTACHMENT | {"source": {}}), 422, "exactly one"),
    ],
)
def test_what_does_not_make_sense_is_not_made(
    kind: str, item: Object, code: int, says: str
) -> None:
    refused = why(kind, item)

    assert refused.code == code
    assert says in refused.message


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ({"renewTime": "2026-01-01T00:00:00Z"}, "no time with microseconds"),
        ({"leaseDurationSeconds": "15"}, "is no number"),
        ({"leaseDurationSeconds": True}, "is no number"),
        ({"leaseDurationSeconds": 0}, "Invalid value: 0"),
        ({"leaseTransitions": -1}, "Invalid value: -1"),
    ],
)
def test_a_lease_has_times_with_microseconds_and_numbers(spec: Object, says: str) -> None:
    assert says in why("Lease", named(spec=spec), "ns").message


def test_an_event_is_in_the_namespace_of_what_it_is_about() -> None:
    about: Object = {"involvedObject": {"kind": "Pod", "namespace": "other"}}

    assert "does not match event.namespace" in why("Event", named(**about), "ns").message
    assert made("Event", named(), "default")["kind"] == "Event"


def test_what_is_right_is_made_with_what_the_server_sets() -> None:
    item = made("PersistentVolume", {"metadata": {"generateName": "pv-"}, "spec": VOLUME})

    assert item["metadata"]["name"] == "pv-12345"
    assert item["metadata"]["uid"] == "uid-12345"
    assert item["status"] == {"phase": "Pending"}
    assert made("VolumeAttachment", named(spec=ATTACHMENT))["status"] == {"attached": False}
    assert made("StorageClass", named(provisioner="d"))["provisioner"] == "d"


def test_what_is_well_formed_is_kept_as_it_was_sent() -> None:
    metadata = {"name": "a", "labels": {"x/y": "1", "z": ""}, "finalizers": ["x/a", "x/b"]}
    spec = {"leaseDurationSeconds": 15, "renewTime": "2026-01-01T00:00:00.000000Z"}

    lease = made("Lease", {"metadata": metadata, "spec": spec}, "ns")

    assert lease["spec"] == spec
    assert lease["metadata"]["labels"] == metadata["labels"]
    assert lease["metadata"]["finalizers"] == metadata["finalizers"]


def test_a_custom_object_says_its_kind_and_has_a_generation() -> None:
    kind = {"apiVersion": "example.org/v1", "kind": "Thing"}

    item = prepare(Target(SET, "ns"), named(**kind), "u", "now")

    assert item["metadata"]["generation"] == 1
    with pytest.raises(Failure, match="apiVersion and kind must be set"):
        prepare(Target(SET, "ns"), named(), "u", "now")


def stored(kind: str = "PersistentVolume", **metadata: Any) -> Object:
    item = made(kind, named(spec=VOLUME))
    return item | {"metadata": item["metadata"] | {"resourceVersion": "7"} | metadata}


@pytest.mark.parametrize(
    ("metadata", "spec", "says"),
    [
        ({"name": "b"}, VOLUME, "the name of the object is not"),
        ({"name": "a", "uid": "another"}, VOLUME, "it has another UID"),
        ({"name": "a", "resourceVersion": "6"}, VOLUME, "has been modified"),
        ({"name": "a"}, VOLUME | {"csi": CSI | {"driver": "e"}}, "field is immutable"),
    ],
)
def test_another_objects_version_or_past_does_not_replace_this_one(
    metadata: Object, spec: Object, says: str
) -> None:
    with pytest.raises(Failure) as caught:
        renew(target("PersistentVolume"), stored(), {"metadata": metadata, "spec": spec})

    assert says in caught.value.message


def test_a_kind_that_wants_a_version_is_not_updated_without_one() -> None:
    with pytest.raises(Failure, match="must be specified for an update"):
        renew(target("CSINode"), stored("CSINode"), named())


def test_what_is_being_deleted_gets_no_new_finalizer() -> None:
    old = stored(deletionTimestamp="2026-01-01T00:00:00Z", finalizers=["x/a"])
    new = {"metadata": {"name": "a", "finalizers": ["x/a", "x/b"]}, "spec": VOLUME}

    with pytest.raises(Failure, match="no new finalizers"):
        renew(target("PersistentVolume"), old, new)


def test_an_update_of_the_status_changes_nothing_else() -> None:
    new = named(spec={"capacity": {}}, status={"phase": "Bound"})

    item = renew(target("PersistentVolume", part="status"), stored(), new)

    assert item["spec"] == VOLUME
    assert item["status"] == {"phase": "Bound"}


def test_nothing_is_made_in_a_namespace_that_goes_away() -> None:
    refuse_terminating(target("Pod", "ns"), named("ns"))

    with pytest.raises(Failure, match="is being terminated"):
        refuse_terminating(target("Pod", "ns"), {"metadata": {"deletionTimestamp": "now"}})


@pytest.mark.parametrize(
    ("failure", "code", "reason"),
    [
        (errors.unauthorized(), 401, "Unauthorized"),
        (errors.not_found(SET, "a"), 404, "NotFound"),
        (errors.already_exists(SET, "a"), 409, "AlreadyExists"),
        (errors.expired("too old"), 410, "Expired"),
        (errors.unsupported("text/plain"), 415, "UnsupportedMediaType"),
    ],
)
def test_a_refusal_is_a_status_with_its_code_and_reason(
    failure: Failure, code: int, reason: str
) -> None:
    body = failure.body

    assert (body["kind"], body["code"], body["reason"]) == ("Status", code, reason)
    assert body.get("details", {}).get("name") == ("a" if code in {404, 409} else None)
