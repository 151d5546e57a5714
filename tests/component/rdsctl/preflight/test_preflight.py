"""Preflight on stand-ins of a cluster and a device, over HTTP and SSH."""

import re

from libs.mockrds.faults import Action, Fault
from tests.component.rdsctl.preflight.world import DRIVER, World, volume_name


async def test_what_the_existing_driver_made_is_taken_as_it_is(moved: World) -> None:
    ended = await moved.preflight("--exit-code")

    assert ended.bad == {}
    assert (ended.code, ended.err, ended.json["ready"]) == (0, "", True)


async def test_settings_are_named_that_fit_what_is_there(moved: World) -> None:
    ended = await moved.preflight()

    assert ended.json["settings"] == {
        "driver-name": DRIVER,
        "managed-nqn-prefixes": "nqn.2000-02.com.mikrotik",
        "nvme-address": "198.51.100.10",
        "rds-address": "127.0.0.1",
        "rds-user": "rds-csi",
        "volume-base-paths": "/raid10/volumes",
    }


async def test_nothing_is_changed_on_the_device_or_in_the_cluster(moved: World) -> None:
    await moved.add_workloads()
    disks = [dict(disk.properties) for disk in moved.device.state.disks]
    version, seen = moved.api.version, len(moved.api.requests)

    await moved.preflight()

    assert moved.device.history
    lines = [re.sub(r'"(\\.|[^"])*"', "", one.line) for one in moved.device.history]
    assert {verb for line in lines for verb in re.findall(r"/([a-z-]+)(?![a-z/-])", line)} == {
        "print"
    }
    assert {word for line in lines for word in re.findall(r":([a-z]+)", line)} <= {
        "put",
        "serialize",
    }
    assert [dict(disk.properties) for disk in moved.device.state.disks] == disks
    assert {request.split()[0] for request in moved.api.requests[seen:]} == {"GET"}
    assert moved.api.version == version


async def test_a_user_who_may_not_change_anything_can_look(moved: World) -> None:
    moved.device.state.read_only_user = True

    ended = await moved.preflight()

    assert (ended.code, ended.bad) == (0, {})


async def test_a_volume_whose_disk_is_gone_is_a_blocker_and_named(moved: World) -> None:
    name = volume_name(1)
    moved.device.state.disks[:] = [
        d for d in moved.device.state.disks if d.properties["slot"] != name
    ]
    moved.device.state.drop_file(f"raid10/volumes/{name}.img")

    ended = await moved.preflight()

    (found,) = (one for one in ended.findings("disks") if one["level"] == "blocker")
    assert (found["names"], ended.code) == ([name], 1)
    assert "no disk of it" in found["text"]


async def test_the_wrong_device_is_told_once_and_not_for_each_volume(moved: World) -> None:
    await moved.device.mock.reset()

    ended = await moved.preflight()

    (found,) = ended.findings("disks")
    assert "none of the 2 volumes is on 127.0.0.1" in found["text"]


async def test_disks_that_nothing_refers_to_are_named_as_orphans_to_be(moved: World) -> None:
    await moved.api.remove("/api/v1/persistentvolumes", volume_name(2))

    ended = await moved.preflight("--exit-code")

    (found,) = ended.findings("orphans")
    assert (found["level"], found["names"]) == ("warning", [volume_name(2)])
    assert ended.code == 1


async def test_a_file_that_is_in_no_base_path_is_a_blocker(moved: World) -> None:
    ended = await moved.preflight("--volume-base-paths", "/raid10/elsewhere")

    (found,) = (one for one in ended.findings("disks") if one["level"] == "blocker")
    assert found["names"] == [volume_name(1), volume_name(2)]
    assert "add /raid10/volumes to --volume-base-paths" in found["remedy"]


async def test_a_disk_that_the_device_may_mount_itself_is_warned_of(moved: World) -> None:
    moved.disk(volume_name(1))["mount-filesystem"] = True

    ended = await moved.preflight()

    (found,) = ended.findings("mount-filesystem")
    assert (found["level"], found["names"]) == ("warning", [volume_name(1)])


async def test_an_old_release_is_a_blocker_because_its_exports_have_no_nqn(moved: World) -> None:
    moved.device.state.version = "7.20.4 (stable)"

    ended = await moved.preflight()

    assert any("7.21" in one["remedy"] for one in ended.findings("device"))
    assert ended.code == 1


async def test_a_driver_that_is_attached_without_attachments_is_a_blocker(moved: World) -> None:
    await moved.put_driver(attachRequired=False)

    ended = await moved.preflight(device=False)

    assert "attachRequired: false" in ended.bad["csidriver"]
    assert ended.code == 1


async def test_the_existing_workloads_are_found_with_what_is_to_become_of_them(
    moved: World,
) -> None:
    await moved.add_workloads()

    ended = await moved.preflight(device=False)

    said = " ".join(f"{one['text']} {one['remedy']}" for one in ended.findings("workloads"))
    assert "kubectl -n rds-csi scale deployment rds-csi-controller --replicas=0" in said
    assert "kubectl -n rds-csi delete daemonset rds-csi-node --cascade=orphan" in said
    assert ended.code == 0


async def test_connections_that_would_end_with_the_old_pods_are_a_blocker(moved: World) -> None:
    await moved.add_workloads(host_network=False)

    ended = await moved.preflight(device=False)

    assert any(
        one["level"] == "blocker" and "hostNetwork" in one["text"]
        for one in ended.findings("workloads")
    )


async def test_what_the_account_may_not_list_is_said_and_the_rest_looked_at(moved: World) -> None:
    moved.api.refusals = {"GET /apis/apps/v1/daemonsets": 403}

    ended = await moved.preflight(device=False)

    assert "not read" in ended.bad["kubernetes"]
    assert ended.findings("volumes")[0]["level"] == "ok"
    assert ended.code == 0


async def test_a_cluster_without_snapshots_is_told_what_to_leave_out(world: World) -> None:
    ended = await world.preflight(device=False)

    assert "not served" in ended.bad["snapshots"]


async def test_snapshots_of_the_existing_driver_are_named(moved: World) -> None:
    path = await moved.serve("snapshot.storage.k8s.io", "VolumeSnapshotContent")
    handle = "snap-00000000-0000-4000-8000-000000000001-at-3a9f8c02d1"
    item = {
        "metadata": {"name": "content"},
        "spec": {"driver": DRIVER, "source": {}},
        "status": {"snapshotHandle": handle},
    }
    await moved.api.put(path, item)

    ended = await moved.preflight(device=False)

    assert ended.findings("snapshots")[0]["names"] == [handle]


async def test_a_device_alone_is_looked_at_without_a_cluster(world: World) -> None:
    ended = await world.preflight("--volume-base-paths", "/raid10/volumes", cluster=False)

    assert ended.code == 0
    assert [one["text"] for one in ended.findings("directories")] == [
        "/raid10/volumes on xfs raid10 holds no file and is not shown as a directory",
        "/raid10/volumes is on xfs raid10, 1 TiB of 1 TiB free",
    ]


async def test_a_pool_that_is_not_mounted_is_a_blocker(world: World) -> None:
    ended = await world.preflight("--volume-base-paths", "/other/volumes", cluster=False)

    assert "no pool is mounted as other (mounted: raid10)" in ended.bad["directories"]


async def test_what_the_user_may_do_is_looked_up_where_the_device_shows_it(moved: World) -> None:
    # The simulator has no users and services, so their listings are put in its mouth.
    for pattern, text in (
        ("/user/print", '[{"name": "rds-csi", "group": "volumes"}]'),
        ('/user/group/print .*name="volumes"', '[{"policy": ["ssh", "read", "test", "!write"]}]'),
        ("/ip/service/print", '[{"name": "ssh", "max-sessions": 6}]'),
    ):
        moved.device.faults.add(Fault(Action.GARBAGE, pattern, text=text))

    ended = await moved.preflight()

    assert ended.bad["device-user"] == "rds-csi lacks the policies write"
    assert "there may be 6 SSH sessions" in ended.bad["device-sessions"]
    assert ended.code == 1
