"""Kubernetes objects, read whole: with all that they can say, and with next to nothing."""

from typing import Any

import pytest

from services.reconciler.adapters.objects import (
    OUT_OF_SERVICE,
    read_attachment,
    read_content,
    read_node,
    read_volume,
)
from services.reconciler.model import (
    Node,
    PersistentVolume,
    Ready,
    SnapshotContent,
    VolumeAttachment,
)
from tests.unit.reconciler.values import DRIVER, V1, V2

METADATA = {
    "name": "x",
    "uid": "uid-x",
    "resourceVersion": "7",
    "creationTimestamp": "2023-11-14T22:13:20Z",
    "deletionTimestamp": "2023-11-14T22:13:21Z",
    "finalizers": ["a/b", "c/d"],
}
CREATED, DELETING = 1_700_000_000.0, 1_700_000_001.0
BARE = {"metadata": {"name": "x"}}
NULLS = {"metadata": {"name": "x", "finalizers": None}, "spec": None, "status": None}


def with_parts(spec: dict[str, Any], status: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"metadata": METADATA, "spec": spec, "status": status or {}}


def node(*conditions: dict[str, Any], taints: tuple[str, ...] = ()) -> dict[str, Any]:
    spec = {"taints": [{"key": key} for key in taints]}
    return with_parts(spec, {"conditions": list(conditions)})


MOMENT = "2023-11-14T22:13:20Z"
YES = {"type": "Ready", "status": "True", "lastTransitionTime": MOMENT}
PRESSURE = {"type": "DiskPressure", "status": "False"}


@pytest.mark.parametrize("item", [BARE, NULLS])
def test_an_object_that_says_nothing_is_read_as_nothing(item: dict[str, Any]) -> None:
    assert read_node(item, DRIVER) == Node("x", "", Ready.UNKNOWN)
    assert read_attachment(item, DRIVER) is None
    assert read_volume(item, DRIVER) == PersistentVolume(
        *("x", "", "", ""), phase="", reclaim_policy=""
    )
    assert read_content(item) == SnapshotContent("x", "", "")


def test_a_node_is_read_whole() -> None:
    item = {
        "metadata": {**METADATA, "annotations": {f"{DRIVER}/host-nqn": "nqn.h", "a/b": "c"}},
        "spec": {"taints": [{"key": "other"}, {"key": OUT_OF_SERVICE, "value": "nodeshutdown"}]},
        "status": {
            "conditions": [PRESSURE, YES],
            "volumesInUse": [
                f"kubernetes.io/csi/{DRIVER}^{V1}",
                f"kubernetes.io/csi/{DRIVER}^{V2}@b",
                f"kubernetes.io/csi/x{DRIVER}^y",
                "kubernetes.io/csi/other^z",
            ],
        },
    }

    assert read_node(item, DRIVER) == Node(
        name="x",
        uid="uid-x",
        ready=Ready.YES,
        ready_since=CREATED,
        out_of_service=True,
        volumes_in_use=frozenset({V1, f"{V2}@b"}),
        host_nqn="nqn.h",
    )


@pytest.mark.parametrize(
    ("item", "ready", "since"),
    [
        (node(YES), Ready.YES, CREATED),
        (node({**YES, "status": "False"}), Ready.NO, CREATED),
        (node({**YES, "status": "Unknown"}), Ready.UNKNOWN, CREATED),
        (node({**YES, "status": "Maybe"}), Ready.UNKNOWN, CREATED),
        (node({"type": "Ready"}), Ready.UNKNOWN, 0.0),
        (node(PRESSURE), Ready.UNKNOWN, 0.0),
        (node({**YES, "lastTransitionTime": None}), Ready.YES, 0.0),
    ],
)
def test_only_a_node_that_says_so_is_ready(
    item: dict[str, Any], ready: Ready, since: float
) -> None:
    found = read_node(item, DRIVER)

    assert (found.ready, found.ready_since) == (ready, since)


def test_only_one_taint_puts_a_node_out_of_service() -> None:
    found = [
        read_node(node(taints=taints), DRIVER).out_of_service
        for taints in ((), ("node.kubernetes.io/unreachable",), (OUT_OF_SERVICE,))
    ]

    assert found == [False, False, True]
    assert OUT_OF_SERVICE == "node.kubernetes.io/out-of-service"


def test_an_attachment_is_read_whole() -> None:
    spec = {"attacher": DRIVER, "nodeName": "a", "source": {"persistentVolumeName": "pv"}}
    status = {
        "attached": True,
        "attachError": {"message": "not yet", "time": MOMENT},
        "detachError": {"message": "not ever", "time": MOMENT},
    }

    assert read_attachment(with_parts(spec, status), DRIVER) == VolumeAttachment(
        name="x",
        uid="uid-x",
        resource_version="7",
        attacher=DRIVER,
        node="a",
        volume="pv",
        handle="",
        attached=True,
        created=CREATED,
        deleting_since=DELETING,
        finalizers=("a/b", "c/d"),
        attach_error="not yet",
        detach_error="not ever",
    )


INLINE = {"inlineVolumeSpec": {"csi": {"volumeHandle": V1, "driver": DRIVER}}}


@pytest.mark.parametrize(
    ("source", "handle"),
    [
        ({}, ""),
        (None, ""),
        (INLINE, V1),
        ({"inlineVolumeSpec": {"nfs": {}}}, ""),
        ({"inlineVolumeSpec": None}, ""),
    ],
)
def test_an_attachment_that_says_only_whose_it_is_is_read(source: Any, handle: str) -> None:
    item = {**BARE, "spec": {"attacher": DRIVER, "source": source}}

    assert read_attachment(item, DRIVER) == VolumeAttachment(*("x", "", "", DRIVER, "", "", handle))


CSI = {
    "driver": DRIVER,
    "volumeHandle": V1,
    "volumeAttributes": {"migrationTimeoutSeconds": "60"},
}
SPEC = {
    "csi": CSI,
    "claimRef": {"namespace": "ns", "name": "data"},
    "persistentVolumeReclaimPolicy": "Retain",
    "storageClassName": "fast",
    "capacity": {"storage": "1Gi"},
    "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
}


def test_a_volume_is_read_whole() -> None:
    found = read_volume(with_parts(SPEC, {"phase": "Released"}), DRIVER)

    assert found == PersistentVolume(
        name="x",
        uid="uid-x",
        driver=DRIVER,
        handle=V1,
        phase="Released",
        claim="ns/data",
        reclaim_policy="Retain",
        storage_class="fast",
        deleting_since=DELETING,
        read_only=False,
        migration_timeout=60.0,
        created=CREATED,
        capacity=1 << 30,
        access_modes=("ReadWriteOnce", "ReadOnlyMany"),
        finalizers=("a/b", "c/d"),
    )


@pytest.mark.parametrize(
    ("modes", "is_read_only"),
    [
        (["ReadOnlyMany"], True),
        (["ReadWriteMany"], False),
        (["ReadWriteMany", "ReadOnlyMany"], False),
        ([], False),
        (None, False),
    ],
)
def test_a_volume_is_only_read_where_nothing_else_is_allowed(
    modes: list[str] | None,
    is_read_only: bool,  # noqa: FBT001 (an expectation)
) -> None:
    found = read_volume(with_parts({"accessModes": modes}), DRIVER)

    assert (found.read_only, found.access_modes) == (is_read_only, tuple(modes or ()))


@pytest.mark.parametrize(
    ("spec", "timeout"),
    [
        (SPEC, 60.0),
        ({"csi": {**CSI, "driver": "other.csi"}}, 0.0),
        ({"csi": {**CSI, "volumeAttributes": None}}, 0.0),
        ({"csi": {**CSI, "volumeAttributes": {"migrationTimeoutSeconds": "soon"}}}, 0.0),
        ({"csi": {**CSI, "volumeAttributes": {"migrationTimeoutSeconds": None}}}, 0.0),
        ({"csi": {**CSI, "volumeAttributes": {"migrationTimeoutSeconds": 7.5}}}, 7.5),
    ],
)
def test_only_our_own_volumes_say_how_long_a_migration_may_take(
    spec: dict[str, Any], timeout: float
) -> None:
    assert read_volume(with_parts(spec), DRIVER).migration_timeout == timeout


@pytest.mark.parametrize(
    ("claim", "expected"),
    [(None, ""), ({}, ""), ({"namespace": "ns"}, ""), ({"namespace": "n", "name": "d"}, "n/d")],
)
def test_a_volume_without_a_claims_name_has_none(claim: Any, expected: str) -> None:
    assert read_volume(with_parts({"claimRef": claim}), DRIVER).claim == expected


def test_a_volume_of_another_driver_keeps_its_handle() -> None:
    found = read_volume({**BARE, "spec": {"csi": {**CSI, "driver": "other.csi"}}}, DRIVER)

    assert (found.driver, found.handle) == ("other.csi", V1)


def test_a_content_is_read_whole() -> None:
    spec = {
        "driver": DRIVER,
        "source": {"snapshotHandle": "s1", "volumeHandle": V1},
        "deletionPolicy": "Retain",
    }

    assert read_content(with_parts(spec, {"snapshotHandle": "s2"})) == SnapshotContent(
        name="x",
        uid="uid-x",
        driver=DRIVER,
        handles=("s1", "s2"),
        source=V1,
        deletion_policy="Retain",
        deleting_since=DELETING,
    )


def test_what_cannot_be_read_is_refused_and_not_left_out() -> None:
    with pytest.raises(ValueError, match="soon"):
        read_content({"metadata": {"name": "x", "deletionTimestamp": "soon"}})
    with pytest.raises(KeyError, match="name"):
        read_node({"metadata": {}}, DRIVER)
