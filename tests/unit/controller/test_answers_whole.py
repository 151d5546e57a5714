"""Whole answers to CSI's callers, field by field."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from libs.core.ids import SnapshotId, VolumeId
from libs.core.size import GIB
from libs.rdsclient.model import FileDisk, Pool
from protos.gen.csi import v1 as csi
from services.controller import answers
from services.controller.answers import Listed
from services.controller.plan.snapshots import Snapshot
from services.controller.requests.volumes import parse_create
from services.controller.sites import Site, Sites
from tests.unit.controller.values import (
    NAME,
    NOW,
    NQN,
    SETTINGS,
    claim,
    create_request,
    disk,
    publication,
)

NEAR = Site(replace(SETTINGS, topology=(("zone", "a"),)), "b")
PLAIN = Site(SETTINGS)
CLEAN = Pool("raid10", 100 * GIB, 10 * GIB, state="clean")
CONTEXT = {
    "rdsAddress": "192.0.2.1",
    "nvmeAddress": "192.0.2.2",
    "volumePath": f"/raid10/volumes/{NAME}.img",
    "nvmePort": "4420",
    "nqn": NQN,
}
VOLUME = csi.Volume(
    capacity_bytes=GIB,
    volume_id=NAME,
    volume_context=CONTEXT,
    accessible_topology=[csi.Topology(segments={"zone": "a"})],
)
SNAPSHOT = NAME.replace("pvc-", "snap-")


def listed(found: FileDisk) -> Listed:
    return Listed(VolumeId.parse(NAME), NAME, found, NEAR, (CLEAN,))


@pytest.mark.parametrize(
    ("site", "volume"), [(NEAR, VOLUME), (PLAIN, replace(VOLUME, accessible_topology=[]))]
)
def test_a_volume_is_told_with_its_size_its_place_and_how_it_is_reached(
    site: Site, volume: csi.Volume
) -> None:
    assert answers.render_volume(NAME, disk(), site, "192.0.2.2") == volume


def test_a_new_volumes_context_has_what_its_node_needs_to_reconnect() -> None:
    request = create_request(parameters={"ctrlLossTmo": "60", "migrationTimeoutSeconds": "90"})
    _, wanted = parse_create(request, Sites([PLAIN]))

    told = answers.render_new_volume(wanted, disk(), NEAR)

    times = {"ctrlLossTmo": "60", "reconnectDelay": "5", "keepAliveTmo": "0"}
    context = {**CONTEXT, **times, "migrationTimeoutSeconds": "90"}
    assert told == replace(VOLUME, volume_context=context)


@pytest.mark.parametrize(
    ("found", "message", "abnormal"),
    [
        (disk(), "the device exports it", False),
        (disk(exported=False), "the device does not export it", True),
    ],
)
def test_a_volume_is_found_and_listed_with_its_nodes_and_its_condition(
    found: FileDisk, message: str, *, abnormal: bool
) -> None:
    one = answers.render_found_volume(listed(found), [claim("a")])
    page = answers.render_page([(listed(found), [claim("a")])], "next")

    volume = answers.render_volume(NAME, found, NEAR, "192.0.2.2")
    condition = csi.VolumeCondition(abnormal=abnormal, message=message)
    assert one == csi.ControllerGetVolumeResponse(
        volume=volume,
        status=csi.ControllerGetVolumeResponseVolumeStatus(
            published_node_ids=["a"], volume_condition=condition
        ),
    )
    assert csi.ListVolumesResponse.parse(page.SerializeToString()) == csi.ListVolumesResponse(
        entries=[
            csi.ListVolumesResponseEntry(
                volume=volume,
                status=csi.ListVolumesResponseVolumeStatus(
                    published_node_ids=["a"], volume_condition=condition
                ),
            )
        ],
        next_token="next",
    )


def test_no_node_is_sent_to_a_volume_that_is_not_exported() -> None:
    with pytest.raises(AssertionError, match="exported disks only"):
        answers.render_publish_context(disk(exported=False), publication(), {})


@pytest.mark.parametrize("ready", [True, False])
def test_a_snapshot_is_told_with_its_volume(*, ready: bool) -> None:
    found = Snapshot(SNAPSHOT, NAME, GIB, NOW, ready)

    told = answers.render_snapshot(
        SnapshotId.parse(f"{SNAPSHOT}@b"), answers.volume_of(found, "b"), found
    )

    assert told == csi.Snapshot(
        size_bytes=GIB,
        snapshot_id=f"{SNAPSHOT}@b",
        source_volume_id=f"{NAME}@b",
        creation_time=datetime.fromtimestamp(NOW, UTC),
        ready_to_use=ready,
    )
