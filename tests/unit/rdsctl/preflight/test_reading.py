"""Objects of the cluster that preflight looks at, and those that it passes over."""

from typing import Any

import pytest

from rdsctl.preflight.model import Attachment, NodeInfo, StorageClass
from rdsctl.preflight.objects import (
    read_attachment,
    read_class,
    read_driver,
    read_driver_id,
    read_node,
    read_snapshot,
    read_volume,
)

DRIVER = "rds.csi.srvlab.io"


def named(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **fields}


def test_a_driver_that_is_not_there_is_none() -> None:
    assert read_driver(None) is None


def test_a_volume_is_read_with_what_a_pod_sees_of_it() -> None:
    csi = {"driver": DRIVER, "volumeHandle": "v", "volumeAttributes": {"nvmePort": 4420}}
    spec = {"csi": csi, "volumeMode": "Block", "capacity": {"storage": "1Gi"}}

    volume = read_volume(named(spec=spec), DRIVER)

    assert volume is not None
    assert (volume.handle, volume.context, volume.size) == ("v", {"nvmePort": "4420"}, 1 << 30)
    assert volume.is_block


def test_an_attachment_says_who_has_what_and_whether_it_goes() -> None:
    spec = {"attacher": DRIVER, "nodeName": "n", "source": {"persistentVolumeName": "pv"}}
    item = named(spec=spec, status={"attached": True})
    item["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert read_attachment(item, DRIVER) == Attachment("a", "pv", "n", attached=True, is_going=True)


def test_a_class_has_its_parameters_as_text() -> None:
    item = named(provisioner=DRIVER, parameters={"nvmePort": 4420}, mountOptions=["noatime"])

    assert read_class(item, DRIVER) == StorageClass("a", {"nvmePort": "4420"}, ("noatime",))


@pytest.mark.parametrize("read", [read_volume, read_attachment, read_class, read_snapshot])
def test_what_belongs_to_another_driver_is_passed_over(read: Any) -> None:
    assert read(named(), DRIVER) is None


def test_a_snapshot_has_the_handle_that_it_was_given_or_none_yet() -> None:
    taken = named(spec={"driver": DRIVER}, status={"snapshotHandle": "snap-1"})

    assert read_snapshot(taken, DRIVER) == "snap-1"
    assert read_snapshot(named(spec={"driver": DRIVER}), DRIVER) is None


@pytest.mark.parametrize(("word", "is_ready"), [("True", True), ("Unknown", False)])
def test_a_node_is_ready_where_it_says_so(
    word: str,
    is_ready: bool,  # noqa: FBT001 (an expectation)
) -> None:
    status = {
        "nodeInfo": {"kernelVersion": "6.1", "operatingSystem": "linux"},
        "conditions": [{"type": "Ready", "status": word}],
    }

    assert read_node(named(status=status), {"a": "id"}) == NodeInfo(
        name="a", kernel="6.1", os="linux", driver_id="id", is_ready=is_ready
    )


def test_a_node_that_says_nothing_yet_is_no_reason_to_wait() -> None:
    assert read_node(named(), {}).is_ready


def test_a_node_is_known_by_what_its_driver_calls_it() -> None:
    drivers = [{"name": "other", "nodeID": "x"}, {"name": DRIVER, "nodeID": "id"}]

    assert read_driver_id(named(spec={"drivers": drivers}), DRIVER) == ("a", "id")
    assert read_driver_id(named(spec={"drivers": drivers[:1]}), DRIVER) is None
    assert read_driver_id(named(), DRIVER) is None
