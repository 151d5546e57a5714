"""What the admin API does not remove: whatever something needs, or may need."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as admin
from tests.component.controller.admin_rig import (
    DRIVER,
    FENCED,
    HOSTS,
    OTHER,
    InCluster,
    open_clustered,
)
from tests.component.controller.rig import NAME, error_of

PRECONDITION = Status.FAILED_PRECONDITION


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    async with open_clustered(tmp_path, fencing=True) as there:
        yield there


# What is needed


@pytest.mark.parametrize("attached", [True, False])
@pytest.mark.parametrize("node", ["a", "gone"])
async def test_a_volume_with_an_attachment_stays_whatever_its_node_is(
    there: InCluster,
    node: str,
    attached: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    await there.rig.create()
    await there.claim(node, attached=attached)

    status, message = await error_of(there.delete(await there.volume()))

    assert status is PRECONDITION
    assert f"attached, or open, to {node}" in message
    assert there.rig.device.slots == [NAME]


async def test_a_volume_that_lets_in_a_node_stays(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)
    there.disk.properties["nvme-tcp-server-allow-host-name"] = HOSTS["b"]

    status, message = await error_of(there.delete(await there.volume()))

    assert status is PRECONDITION
    assert "attached, or open, to b" in message
    assert there.rig.device.slots == [NAME]


async def test_a_fenced_volume_that_lets_in_nobody_goes(there: InCluster) -> None:
    await there.rig.create(parameters=FENCED)

    done = await there.delete(await there.volume())

    assert done.removed


@pytest.mark.parametrize(
    ("name", "handle", "driver"),
    [
        (NAME, NAME, DRIVER),
        ("by-hand", NAME, DRIVER),
        ("by-hand", NAME, "another.driver"),
        (NAME, "something else", "another.driver"),
    ],
)
async def test_a_volume_that_a_persistent_volume_refers_to_stays(
    there: InCluster, name: str, handle: str, driver: str
) -> None:
    await there.rig.create()
    there.api.frozen.add("/api/v1/persistentvolumes")  # what is known may lag behind
    await there.refer(handle, name, driver)

    status, message = await error_of(there.delete(await there.volume()))

    assert status is PRECONDITION
    assert f"PersistentVolume {name} refers to it" in message
    assert there.rig.device.slots == [NAME]


async def test_a_persistent_volume_of_another_volume_is_no_reason(there: InCluster) -> None:
    await there.rig.create()
    await there.refer(OTHER)

    done = await there.delete(await there.volume())

    assert done.removed


async def test_the_file_of_a_volume_whose_disk_item_is_gone_stays_while_it_is_referred_to(
    there: InCluster,
) -> None:
    await there.rig.create()
    await there.refer()
    there.rig.device.state.disks.clear()

    status, message = await error_of(there.delete(await there.leftover()))

    assert status is PRECONDITION
    assert f"PersistentVolume {NAME} refers to it" in message
    assert len(there.rig.device.state.files) == 1


@pytest.mark.parametrize(
    "content",
    [
        {"spec": {"source": {"snapshotHandle": "snap-nightly"}}},
        {
            "spec": {"source": {"volumeHandle": NAME}},
            "status": {"snapshotHandle": "snap-nightly", "readyToUse": True},
        },
    ],
)
async def test_a_snapshot_that_a_content_refers_to_stays(
    there: InCluster, content: dict[str, Any]
) -> None:
    await there.rig.create()
    frozen = await there.snapshot()
    await there.know_snapshots(content)

    status, message = await error_of(there.delete(frozen))

    assert status is PRECONDITION
    assert "VolumeSnapshotContent content-0 refers to it" in message
    assert len((await there.listing()).snapshots) == 1


async def test_a_volume_stays_while_a_snapshot_of_it_is_wanted_and_goes_when_that_is_ready(
    there: InCluster,
) -> None:
    await there.rig.create()
    source = {"source": {"volumeHandle": NAME}}
    await there.know_snapshots({"spec": source})

    status, _ = await error_of(there.delete(await there.volume()))
    ready = {"snapshotHandle": "snap-x", "readyToUse": True}
    await there.know_snapshots({"spec": source, "status": ready})
    done = await there.delete(await there.volume())

    assert (status, done.removed) == (PRECONDITION, True)


async def test_a_volume_that_is_being_copied_stays(there: InCluster) -> None:
    await there.rig.create()
    there.rig.device.state.slow_copies = True
    await there.snapshot()

    status, message = await error_of(there.delete(await there.volume()))

    assert status is PRECONDITION
    assert "is being copied to" in message
    assert there.rig.device.slots == [NAME]


async def test_a_copy_that_is_being_made_stays(there: InCluster) -> None:
    await there.rig.create()
    there.rig.device.state.slow_copies = True
    source = csi.VolumeContentSource(volume=csi.VolumeContentSourceVolumeSource(volume_id=NAME))
    await error_of(there.rig.create(OTHER, source=source))
    leftover = await there.leftover()

    status, message = await error_of(there.delete(leftover))

    assert leftover.half_state is admin.HalfState.COPYING
    assert status is PRECONDITION
    assert "is being made" in message


async def test_a_file_that_a_disk_has_come_to_use_stays(there: InCluster) -> None:
    name = f"raid10/volumes/{NAME}.img"
    there.rig.device.state.files[name] = 4096
    leftover = await there.leftover()
    there.rig.device.state.add_disk(
        {"type": "file", "slot": "theirs", "file-path": f"/{name}", "file-size": 4096}
    )

    status, _ = await error_of(there.delete(leftover))

    assert status is PRECONDITION
    assert name in there.rig.device.state.files


# What cannot be known


@pytest.mark.parametrize(
    "refused",
    [
        "GET /api/v1/persistentvolumes",
        "GET /apis/storage.k8s.io/v1/volumeattachments",
        "GET /apis/snapshot.storage.k8s.io/v1/volumesnapshotcontents",
    ],
)
async def test_nothing_goes_while_the_cluster_cannot_say_who_needs_it(
    there: InCluster, refused: str
) -> None:
    await there.rig.create()
    volume = await there.volume()
    there.api.refusals[refused] = 403

    status, _ = await error_of(there.delete(volume))

    assert status is Status.UNAVAILABLE
    assert there.rig.device.slots == [NAME]


async def test_nothing_goes_while_the_device_is_away(there: InCluster) -> None:
    await there.rig.create()
    volume = await there.volume()

    async with there.rig.device.mock.restarting():
        status, _ = await error_of(there.delete(volume))

    assert status is Status.UNAVAILABLE
    assert there.rig.device.slots == [NAME]
