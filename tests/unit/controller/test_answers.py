"""What CSI's callers are told of volumes, pools and snapshots."""

from dataclasses import replace

import pytest

from libs.core.errors import InvalidRequest, NotFound, StaleToken
from libs.core.ids import VolumeId
from libs.core.size import GIB
from libs.rdsclient.model import FileDisk, Pool
from protos.gen.csi import v1 as csi
from services.controller import answers
from services.controller.answers import Listed
from services.controller.requests.volumes import (
    MAX_PAGE,
    parse_create,
    parse_expand,
    parse_modify,
    parse_page,
    parse_publish,
)
from services.controller.sites import Site, Sites
from tests.unit.controller.values import (
    NAME,
    NQN,
    SETTINGS,
    claim,
    create_request,
    disk,
    mount,
    publication,
)

FENCING = replace(SETTINGS, fencing=True)
NEAR = Site(replace(FENCING, topology=(("zone", "a"),)), "b")
PLAIN = Site(FENCING)
SITES = Sites([PLAIN, NEAR])
CLEAN = Pool("raid10", 100 * GIB, 10 * GIB, state="clean")
SNAPSHOT = NAME.replace("pvc-", "snap-")


def listed(found: FileDisk, *pools: Pool, site: Site = PLAIN) -> Listed:
    return Listed(VolumeId.parse(NAME), NAME, found, site, pools)


def condition(found: FileDisk, *pools: Pool) -> tuple[bool, str]:
    status = answers.render_found_volume(listed(found, *pools), ()).status
    assert status is not None
    assert status.volume_condition is not None
    return status.volume_condition.abnormal, status.volume_condition.message


@pytest.mark.parametrize(
    ("found", "pools", "wrong"),
    [
        (disk(), [CLEAN], ""),
        (disk(exported=False), [CLEAN], "the device does not export it"),
        (disk(), [], "pool raid10 is not mounted"),
        (disk(), [replace(CLEAN, mount_point="ssd")], "pool raid10 is not mounted"),
        (disk(), [replace(CLEAN, state="degraded")], "pool raid10 is degraded"),
        (disk(exported=False), [], "the device does not export it; pool raid10 is not mounted"),
    ],
)
def test_what_is_wrong_with_a_volume_is_its_condition(
    found: FileDisk, pools: list[Pool], wrong: str
) -> None:
    assert condition(found, *pools) == (bool(wrong), wrong or "the device exports it")


def test_a_volume_that_is_not_exported_has_no_nqn_to_connect_to() -> None:
    context = answers.render_volume(NAME, disk(exported=False), PLAIN, "192.0.2.2").volume_context

    assert set(context) == {"rdsAddress", "nvmeAddress", "volumePath"}


def test_only_nodes_that_were_given_a_volume_have_it() -> None:
    held = [claim("b"), claim("a"), claim("c", attached=False)]

    found = answers.render_found_volume(listed(disk(), CLEAN), held)

    assert found.status is not None
    assert found.status.published_node_ids == ["a", "b"]


@pytest.mark.parametrize(
    ("site", "topology"), [(NEAR, [csi.Topology(segments={"zone": "a"})]), (PLAIN, [])]
)
def test_a_listed_volume_says_which_nodes_reach_its_device(
    site: Site, topology: list[csi.Topology]
) -> None:
    page = answers.render_page([(listed(disk(), CLEAN, site=site), [claim("a")])], "next")

    read = csi.ListVolumesResponse.parse(page.SerializeToString())
    (entry,) = read.entries
    assert entry.volume is not None
    assert entry.volume.accessible_topology == topology
    assert read.next_token == "next"


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({}, {}),
        ({"mkfsOptions": "-m 0"}, {"mkfsOptions": "-m 0"}),
        ({"layout": "subvolume"}, {"layout": "subvolume"}),
        ({"auth": "dhchap"}, {"auth": "dhchap"}),
    ],
)
def test_a_node_is_told_what_the_class_says_where_it_says_something(
    parameters: dict[str, str], told: dict[str, str]
) -> None:
    request = create_request(parameters=parameters, secrets={"nvmePassword": "x" * 8})
    site, wanted = parse_create(request, SITES)

    volume = answers.render_new_volume(wanted, disk(), site)

    keys = {"mkfsOptions", "layout", "auth"}
    assert {k: v for k, v in volume.volume_context.items() if k in keys} == told
    assert volume.volume_context["migrationTimeoutSeconds"] == "300"


SOURCES = [
    csi.VolumeContentSource(
        snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id=f"{SNAPSHOT}@b")
    ),
    csi.VolumeContentSource(
        volume=csi.VolumeContentSourceVolumeSource(volume_id=f"{NAME.replace('0', '1')}@b")
    ),
]


@pytest.mark.parametrize("source", SOURCES)
def test_a_copy_says_what_it_is_of_as_it_was_asked_and_is_on_the_same_device(
    source: csi.VolumeContentSource,
) -> None:
    site, wanted = parse_create(create_request(source=source), SITES)

    volume = answers.render_new_volume(wanted, disk(), site)

    assert site is NEAR
    assert volume.content_source == source


@pytest.mark.parametrize(
    ("source", "error"),
    [
        (csi.VolumeContentSource(), InvalidRequest),
        (
            csi.VolumeContentSource(
                snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id="nightly")
            ),
            NotFound,
        ),
        (
            csi.VolumeContentSource(volume=csi.VolumeContentSourceVolumeSource(volume_id="vm-1")),
            NotFound,
        ),
    ],
)
def test_there_is_no_copy_of_nothing_or_of_what_is_not_ours(
    source: csi.VolumeContentSource, error: type[Exception]
) -> None:
    with pytest.raises(error):
        parse_create(create_request(source=source), SITES)


@pytest.mark.parametrize(
    ("pool", "promised", "overcommit", "room"),
    [
        (None, 0, 0.0, 0),
        (CLEAN, 0, 0.0, 10 * GIB),
        (CLEAN, 50 * GIB, 1.5, 100 * GIB),
        (CLEAN, 500 * GIB, 1.5, 0),
    ],
)
def test_the_room_of_a_pool_is_what_is_free_or_may_still_be_promised(
    pool: Pool | None, promised: int, overcommit: float, room: int
) -> None:
    site = Site(replace(SETTINGS, overcommit=overcommit))

    answer = answers.render_capacity(pool, promised, 16, site)

    assert (answer.available_capacity, answer.maximum_volume_size) == (room, room)
    assert answer.minimum_volume_size == 16


def test_a_node_connects_to_what_the_device_exports_with_what_was_changed_since() -> None:
    context = answers.render_publish_context(disk(), publication(), {"ctrlLossTmo": "60"})

    assert context == {
        "nvme_address": "192.0.2.2",
        "nvme_port": "4420",
        "nvme_nqn": NQN,
        "fs_type": "ext4",
        "size_bytes": str(GIB),
        "ctrl_loss_tmo": "60",
    }


# Requests


def test_a_volume_is_given_to_a_node_to_write_or_not_at_all() -> None:
    request = csi.ControllerPublishVolumeRequest(
        volume_id=NAME, node_id="a", volume_capability=mount(), readonly=True
    )

    with pytest.raises(InvalidRequest, match="readonly must be false"):
        parse_publish(request, SITES)


@pytest.mark.parametrize("asked", [None, csi.CapacityRange()])
def test_a_growth_says_how_far(asked: csi.CapacityRange | None) -> None:
    request = csi.ControllerExpandVolumeRequest(volume_id=NAME, capacity_range=asked)

    with pytest.raises(InvalidRequest, match="capacity_range must"):
        parse_expand(request)


def test_a_change_is_of_something_on_the_volumes_own_device() -> None:
    request = csi.ControllerModifyVolumeRequest(
        volume_id=f"{NAME}@b", mutable_parameters={"fencing": "host", "keepAliveTmo": "5"}
    )

    site, wanted = parse_modify(request, SITES)

    assert site is NEAR
    assert wanted.changes.fenced is True
    assert wanted.changes.reconnect == {"keepAliveTmo": "5"}
    assert wanted.changes.authenticated is None


def test_a_change_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="mutable_parameters must not be empty"):
        parse_modify(csi.ControllerModifyVolumeRequest(volume_id=NAME), SITES)


def test_hosts_that_are_to_authenticate_themselves_have_a_password() -> None:
    request = csi.ControllerModifyVolumeRequest(
        volume_id=NAME,
        mutable_parameters={"auth": "dhchap"},
        secrets={"nvmePassword": "secret-123"},
    )

    assert parse_modify(request, SITES)[1].password.reveal() == "secret-123"
    with pytest.raises(InvalidRequest, match="must be given for auth=dhchap"):
        parse_modify(replace(request, secrets={"nvmePassword": "short"}), SITES)


@pytest.mark.parametrize(
    ("entries", "token", "page"),
    [(0, "", (MAX_PAGE, "")), (7, NAME, (7, NAME)), (10_000, "", (MAX_PAGE, ""))],
)
def test_a_page_is_never_longer_than_the_most(
    entries: int, token: str, page: tuple[int, str]
) -> None:
    request = csi.ListVolumesRequest(max_entries=entries, starting_token=token)

    assert parse_page(request) == page


@pytest.mark.parametrize("token", ["vm-1", "a b"])
def test_a_token_that_was_never_given_is_stale(token: str) -> None:
    with pytest.raises(StaleToken):
        parse_page(csi.ListVolumesRequest(starting_token=token))


def test_a_page_has_no_negative_length() -> None:
    with pytest.raises(InvalidRequest, match="must not be negative"):
        parse_page(csi.ListVolumesRequest(max_entries=-1))


def test_volumes_with_bare_ids_are_on_the_default_device() -> None:
    assert SITES.default is PLAIN
    assert SITES.has("b")
    assert not SITES.has("c")
