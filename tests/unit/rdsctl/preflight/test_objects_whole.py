"""All that is read of an object of the cluster, and what counts where it says nothing."""

from typing import Any

import pytest

from rdsctl.preflight.model import (
    Attachment,
    Cluster,
    CsiDriver,
    Finding,
    Level,
    NodeInfo,
    StorageClass,
    Volume,
    Workload,
)
from rdsctl.preflight.objects import (
    read_attachment,
    read_class,
    read_driver,
    read_driver_id,
    read_node,
    read_snapshot,
    read_volume,
    read_workloads,
)

DRIVER = "rds.csi.srvlab.io"
Object = dict[str, Any]


def named(**fields: Any) -> Object:
    return {"metadata": {"name": "a", "namespace": "ns"}, **fields}


@pytest.mark.parametrize(
    ("item", "driver"),
    [
        (
            {},
            CsiDriver(
                attach_required=True,
                pod_info=False,
                fs_group_policy="ReadWriteOnceWithFSType",
                modes=("Persistent",),
            ),
        ),
        (
            {
                "spec": {
                    "attachRequired": False,
                    "podInfoOnMount": True,
                    "fsGroupPolicy": "None",
                    "volumeLifecycleModes": ["Persistent", "Ephemeral"],
                }
            },
            CsiDriver(
                attach_required=False,
                pod_info=True,
                fs_group_policy="None",
                modes=("Persistent", "Ephemeral"),
            ),
        ),
    ],
)
def test_a_driver_is_as_it_says_or_as_the_api_defaults_it(item: Object, driver: CsiDriver) -> None:
    assert read_driver(item) == driver


@pytest.mark.parametrize(
    ("spec", "volume"),
    [
        ({"csi": {"driver": DRIVER}}, Volume("a", "", {}, "", access_modes=())),
        (
            {
                "csi": {
                    "driver": DRIVER,
                    "volumeHandle": "v",
                    "fsType": "xfs",
                    "volumeAttributes": {"nqn": "n"},
                },
                "volumeMode": "Filesystem",
                "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
                "mountOptions": ["noatime", "discard"],
                "capacity": {"storage": "2Gi"},
            },
            Volume(
                name="a",
                handle="v",
                context={"nqn": "n"},
                fs_type="xfs",
                is_block=False,
                access_modes=("ReadWriteOnce", "ReadOnlyMany"),
                mount_options=("noatime", "discard"),
                size=2 << 30,
            ),
        ),
    ],
)
def test_a_volume_is_read_with_all_that_it_says(spec: Object, volume: Volume) -> None:
    assert read_volume(named(spec=spec), DRIVER) == volume


@pytest.mark.parametrize("capacity", [None, {}, {"storage": None}, {"storage": "much"}])
def test_a_volume_whose_size_cannot_be_read_has_none(capacity: Object | None) -> None:
    volume = read_volume(named(spec={"csi": {"driver": DRIVER}, "capacity": capacity}), DRIVER)

    assert volume is not None
    assert volume.size is None


def test_an_attachment_that_says_next_to_nothing_is_of_nothing_and_not_there() -> None:
    assert read_attachment(named(spec={"attacher": DRIVER}), DRIVER) == Attachment(
        name="a", volume="", node="", attached=False, is_going=False
    )


def test_a_class_that_says_nothing_has_neither_parameters_nor_options() -> None:
    assert read_class(named(provisioner=DRIVER), DRIVER) == StorageClass("a", {}, ())


def test_a_snapshot_without_any_handle_is_none_even_where_one_is_empty() -> None:
    item = named(spec={"driver": DRIVER, "source": {"snapshotHandle": ""}})

    assert read_snapshot(item, DRIVER) is None


@pytest.mark.parametrize(
    ("status", "node"),
    [
        ({}, NodeInfo("a", kernel="", os="linux", driver_id="", is_ready=True)),
        (
            {
                "nodeInfo": {"kernelVersion": "10.0.20348", "operatingSystem": "windows"},
                "conditions": [{"type": "Ready", "status": "False"}],
            },
            NodeInfo("a", kernel="10.0.20348", os="windows", driver_id="", is_ready=False),
        ),
    ],
)
def test_a_node_is_as_it_says_or_linux_and_ready(status: Object, node: NodeInfo) -> None:
    assert read_node(named(status=status), {"b": "other"}) == node


def test_a_node_that_the_driver_gives_no_id_is_called_nothing() -> None:
    item = named(spec={"drivers": [{"name": DRIVER}]})

    assert read_driver_id(item, DRIVER) == ("a", "")


# Workloads


def containers(*several: Object, **pod: Any) -> Object:
    return {"template": {"spec": {"containers": list(several), **pod}}}


def test_a_workload_is_read_with_all_that_it_says() -> None:
    arguments = {"command": ["/driver", "-v"], "args": [f"--name={DRIVER}", 5]}
    ours = {"args": ["--csi-endpoint=unix:///csi/csi.sock"]}
    mine = named(spec={"replicas": 3, **containers(arguments, {}, ours, hostNetwork=True)})
    path = [{"name": "tmp"}, {"hostPath": {"path": f"/var/lib/kubelet/plugins/{DRIVER}"}}]
    nodes = named(spec=containers(volumes=path), status={"currentNumberScheduled": 4})

    assert read_workloads([mine], [nodes], DRIVER) == (
        Workload(
            kind="Deployment",
            namespace="ns",
            name="a",
            replicas=3,
            host_network=True,
            is_ours=True,
            arguments=(
                "/driver",
                "-v",
                f"--name={DRIVER}",
                "5",
                "--csi-endpoint=unix:///csi/csi.sock",
            ),
        ),
        Workload(
            kind="DaemonSet",
            namespace="ns",
            name="a",
            replicas=4,
            host_network=False,
            is_ours=False,
            arguments=(),
        ),
    )


def test_a_workload_that_does_not_say_how_many_has_one_and_a_daemon_set_none_yet() -> None:
    text = {"args": [DRIVER]}

    found = read_workloads([named(spec=containers(text))], [named(spec=containers(text))], DRIVER)

    assert [(one.kind, one.replicas) for one in found] == [("Deployment", 1), ("DaemonSet", 0)]


@pytest.mark.parametrize(
    "other",
    [
        named(),
        named(spec={}),
        named(spec={"template": {}}),
        named(spec={"template": {"spec": "odd"}}),
        named(spec=containers({"args": ["web"]}, volumes=[{"hostPath": {"path": None}}])),
    ],
)
def test_what_has_nothing_to_do_with_the_driver_is_passed_over(other: Object) -> None:
    nodes = named(spec=containers({"args": [DRIVER]}))

    found = read_workloads([other], [nodes, other], DRIVER)

    assert [one.kind for one in found] == ["DaemonSet"]


@pytest.mark.parametrize("argument", ["-rds-address=192.0.2.10", "--csi-endpoint=unix:///x"])
def test_a_controller_is_known_by_one_of_the_arguments_that_only_controllers_have(
    argument: str,
) -> None:
    nodes = named(spec=containers({"args": [DRIVER]}))
    mine = named(spec=containers({"command": ["/driver"]}, {"args": ["-v", argument]}))

    found = read_workloads([mine], [nodes], DRIVER)

    assert [one.shown for one in found] == ["Deployment ns/a", "DaemonSet ns/a"]


# What is not said at all


def test_what_is_not_said_of_an_object_is_what_is_usual() -> None:
    made = (
        CsiDriver(),
        Volume("a", "b"),
        Attachment("a", "v", "n"),
        StorageClass("a"),
        Workload("DaemonSet", "ns", "a"),
        NodeInfo("a"),
        Cluster(),
        Finding(Level.OK, "nodes", "text"),
    )

    assert made == (
        CsiDriver(
            attach_required=True,
            pod_info=False,
            fs_group_policy="ReadWriteOnceWithFSType",
            modes=("Persistent",),
        ),
        Volume("a", "b", {}, "", False, ("ReadWriteOnce",), (), None),  # noqa: FBT003 (whole)
        Attachment("a", "v", "n", attached=True, is_going=False),
        StorageClass("a", {}, ()),
        Workload("DaemonSet", "ns", "a", 1, host_network=True, is_ours=False, arguments=()),
        NodeInfo("a", "", "linux", "", is_ready=True),
        Cluster("", None, (), (), (), (), (), (), serves_attributes_classes=True, unread=()),
        Finding(Level.OK, "nodes", "text", remedy="", names=()),
    )


def test_a_volume_whose_handle_is_no_id_has_no_slot() -> None:
    assert [Volume("a", handle).slot for handle in ("a b", "", "pvc-1")] == ["", "", "pvc-1"]
