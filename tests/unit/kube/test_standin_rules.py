"""What the stand-in for the API server refuses, as the real one does."""

from typing import Any

import pytest

from libs.mockkube.errors import Failure
from libs.mockkube.objects import refuse_terminating
from tests.unit.kube.standin import (
    ATTACHMENT,
    OF_KIND,
    VOLUME,
    Object,
    made,
    named,
    target,
)

BOTH = {"persistentVolumeName": "pv", "inlineVolumeSpec": {"x": 1}}
ONE_SOURCE = "Required value: exactly one"
ELSEWHERE = "Invalid value: does not match event.namespace"


def metadata(**fields: Any) -> Object:
    return {"metadata": {"name": "a", **fields}}


def spec(base: Object | None = None, **fields: Any) -> Object:
    return named(spec={**(base or {}), **fields})


def about(field: str, namespace: str) -> Object:
    return named() | {field: {"kind": "Pod", "namespace": namespace}}


def why(kind: str, item: Object, namespace: str = "") -> Failure:
    with pytest.raises(Failure) as caught:
        made(kind, item, namespace)
    return caught.value


@pytest.mark.parametrize(
    ("kind", "item", "says"),
    [
        ("Node", named(kind="Pod"), "is not Node"),
        ("Node", named(apiVersion="v2"), "is not Node"),
        ("Node", {"metadata": []}, "metadata must be an object"),
        ("Node", {"metadata": {"name": "a", "namespace": "x"}}, "the namespace of the object"),
        ("Node", {"metadata": {"name": "a", "resourceVersion": "1"}}, "should not be set"),
        ("Node", {"metadata": {"name": "a", "labels": {"x": 1}}}, "must be a string"),
    ],
)
def test_what_does_not_make_sense_is_not_made(kind: str, item: Object, says: str) -> None:
    refused = why(kind, item)

    assert refused.code == 400
    assert says in refused.message


REQUIRED = "Required value"


@pytest.mark.parametrize(
    ("kind", "item", "field", "says"),
    [
        ("Node", {"metadata": {}}, "metadata.name", f"{REQUIRED}: a name or generateName"),
        ("Node", {"metadata": {"name": 7}}, "metadata.name", "Invalid value: not a DNS subdomain"),
        ("Node", named("a b"), "metadata.name", "Invalid value: not a DNS subdomain"),
        ("Node", named("a" * 254), "metadata.name", "Invalid value: not a DNS subdomain"),
        ("Node", metadata(labels={"a b": ""}), "metadata.labels", "Invalid value: a b"),
        ("Node", metadata(labels={"/b": ""}), "metadata.labels", "Invalid value: /b"),
        ("Node", metadata(annotations={"a b": ""}), "metadata.annotations", "Invalid value: a b"),
        ("Node", metadata(finalizers=["a b"]), "metadata.finalizers", "Invalid value: a b"),
        ("PersistentVolume", named(), "spec.capacity", REQUIRED),
        ("PersistentVolume", spec(VOLUME, accessModes=[]), "spec.accessModes", REQUIRED),
        ("PersistentVolume", spec(VOLUME, csi={"driver": "d"}), "spec.csi", REQUIRED),
        ("PersistentVolume", spec(VOLUME, csi={"volumeHandle": "h"}), "spec.csi", REQUIRED),
        ("StorageClass", named(), "provisioner", REQUIRED),
        ("VolumeAttachment", named(), "spec.attacher", REQUIRED),
        ("VolumeAttachment", named(spec={"attacher": "d"}), "spec.nodeName", REQUIRED),
        ("VolumeAttachment", spec(ATTACHMENT, source=None), "spec.source", ONE_SOURCE),
        ("VolumeAttachment", spec(ATTACHMENT, source=BOTH), "spec.source", ONE_SOURCE),
        ("Lease", spec(leaseDurationSeconds=0), "spec.leaseDurationSeconds", "Invalid value: 0"),
        ("Lease", spec(leaseTransitions=-1), "spec.leaseTransitions", "Invalid value: -1"),
        ("Event", about("involvedObject", "other"), "involvedObject.namespace", ELSEWHERE),
        ("Event", about("regarding", "other"), "involvedObject.namespace", ELSEWHERE),
        ("Event", named(), "involvedObject.namespace", ELSEWHERE),
    ],
)
def test_a_field_that_does_not_make_sense_is_named(
    kind: str, item: Object, field: str, says: str
) -> None:
    refused = why(kind, item, "ns" if OF_KIND[kind].namespaced else "")

    cause = {"reason": "FieldValueInvalid", "message": says, "field": field}
    assert (refused.code, refused.details["causes"]) == (422, [cause])


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"renewTime": "2026-01-01T00:00:00Z"}, "spec.renewTime is no time"),
        ({"renewTime": "2026-01-01T00:00:00.000000Zx"}, "spec.renewTime is no time"),
        ({"acquireTime": "2026-01-01T00:00:00Z"}, "spec.acquireTime is no time"),
        ({"leaseDurationSeconds": "15"}, "spec.leaseDurationSeconds is no number"),
        ({"leaseTransitions": True}, "spec.leaseTransitions is no number"),
    ],
)
def test_a_lease_has_times_with_microseconds_and_numbers(fields: Object, says: str) -> None:
    assert why("Lease", named(spec=fields), "ns").message.startswith(says)


def test_what_is_well_formed_is_kept_as_it_was_sent() -> None:
    meta = {"name": "a", "labels": {"x/y": "1", "zz": ""}, "finalizers": ["x/a", "x/b"]}
    spec = {
        "leaseDurationSeconds": 1,
        "leaseTransitions": 0,
        "renewTime": "2026-01-01T00:00:00.000000Z",
        "acquireTime": "2026-01-01T00:00:00.000000+00:00",
    }

    lease = made("Lease", {"metadata": meta, "spec": spec}, "ns")

    assert lease["spec"] == spec
    assert {key: lease["metadata"][key] for key in meta} == meta


@pytest.mark.parametrize(
    ("kind", "item"),
    [
        ("Node", named("a" * 253)),
        ("Node", named("ab")),
        ("Node", named(apiVersion="", kind="")),
        ("Lease", named()),
        ("Event", about("involvedObject", "ns")),
        ("Event", about("regarding", "ns")),
        ("PersistentVolume", named(spec={"capacity": {"storage": "1"}, "accessModes": ["x"]})),
        ("StorageClass", named(provisioner="d")),
        ("VolumeAttachment", spec(ATTACHMENT, source={"inlineVolumeSpec": {"x": 1}})),
    ],
)
def test_what_is_just_right_is_made(kind: str, item: Object) -> None:
    namespace = "ns" if OF_KIND[kind].namespaced else ""

    assert made(kind, item, namespace)["metadata"]["name"] == item["metadata"]["name"]


def test_an_event_about_what_is_in_no_namespace_is_in_the_default_one() -> None:
    event = made("Event", about("involvedObject", ""), "default")

    assert event["metadata"]["namespace"] == "default"


def test_nothing_is_made_in_a_namespace_that_goes_away() -> None:
    refuse_terminating(target("Pod", "ns"), named("ns"))

    with pytest.raises(Failure, match="is being terminated"):
        refuse_terminating(target("Pod", "ns"), {"metadata": {"deletionTimestamp": "now"}})
