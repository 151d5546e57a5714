"""Removing orphans: what goes, and all that does not."""

from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from libs.mockrds.faults import Action, Fault
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as admin
from tests.component.controller.admin_rig import (
    OTHER,
    InCluster,
    Kind,
    open_clustered,
    request_of,
    where,
)
from tests.component.controller.rig import GIB, NAME, error_of

FINGERPRINT = "0" * 32
PRECONDITION = Status.FAILED_PRECONDITION


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[InCluster]:
    async with open_clustered(tmp_path, fencing=True) as there:
        yield there


# What goes


@pytest.mark.parametrize("layout", ["file", "subvolume"])
async def test_a_volume_that_nothing_refers_to_is_removed_with_its_file(
    there: InCluster, layout: str
) -> None:
    await there.rig.create(parameters=where(layout))

    done = await there.delete(await there.volume())

    state = there.rig.device.state
    assert (done.removed, done.freed_bytes) == (True, GIB)
    assert done.summary == f"volume {NAME} was removed"
    assert (state.disks, state.files, state.subvolumes) == ([], {}, [])


@pytest.mark.parametrize("layout", ["file", "subvolume"])
async def test_a_snapshot_goes_and_its_volume_stays(there: InCluster, layout: str) -> None:
    await there.rig.create(parameters=where(layout))
    frozen = await there.snapshot()

    done = await there.delete(frozen)

    listing = await there.listing()
    assert done.removed
    assert (len(listing.volumes), listing.snapshots, listing.leftovers) == (1, [], [])


async def test_a_file_that_was_left_over_goes(there: InCluster) -> None:
    there.rig.device.state.files[f"raid10/volumes/{NAME}.img"] = 4096

    done = await there.delete(await there.leftover())

    assert (done.removed, done.freed_bytes) == (True, 4096)
    assert there.rig.device.state.files == {}


async def test_a_subvolume_that_was_left_over_goes(there: InCluster) -> None:
    there.rig.device.state.add_subvolume("btr", f"volumes/{NAME}", "", read_only=False)

    done = await there.delete(await there.leftover())

    assert done.removed
    assert there.rig.device.state.subvolumes == []


async def test_a_second_file_of_a_volume_goes_and_the_volume_stays(there: InCluster) -> None:
    await there.rig.create(parameters=where("subvolume"))
    there.rig.device.state.files[f"raid10/volumes/{NAME}.img"] = 4096

    await there.delete(await there.leftover())

    listing = await there.listing()
    assert [volume.file_present for volume in listing.volumes] == [True]
    assert listing.leftovers == []


@pytest.mark.parametrize("layout", ["file", "subvolume"])
async def test_what_copies_were_made_of_goes_and_the_copies_stay(
    there: InCluster, layout: str
) -> None:
    await there.rig.create(parameters=where(layout))
    frozen = await there.snapshot()
    source = csi.VolumeContentSource(
        snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id=frozen.snapshot_id)
    )
    await there.rig.create(OTHER, parameters=where(layout), source=source)
    frozen = (await there.listing()).snapshots[0]

    done = [await there.delete(await there.volume()), await there.delete(frozen)]
    left = await there.volume(OTHER)
    last = await there.delete(left)

    state = there.rig.device.state
    assert [one.removed for one in (*done, last)] == [True, True, True]
    assert left.half_state is admin.HalfState.WHOLE
    assert (state.disks, state.files, state.subvolumes) == ([], {}, [])


async def test_what_is_gone_already_was_removed_by_somebody(there: InCluster) -> None:
    await there.rig.create()
    request = request_of(await there.volume())
    first = await there.stub.delete_orphan(request)

    second = await there.stub.delete_orphan(request)

    assert (first.removed, second.removed) == (True, False)


async def test_a_removal_whose_answer_is_lost_is_found_by_the_next_try(there: InCluster) -> None:
    await there.rig.create()
    request = request_of(await there.volume())
    there.rig.device.faults.add(Fault(Action.DROP_AFTER, "/disk/remove"))

    lost, _ = await error_of(there.stub.delete_orphan(request))
    again = await there.stub.delete_orphan(request)

    assert lost is Status.UNAVAILABLE
    assert not again.removed
    assert there.rig.device.slots == []


# What is no request


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"fingerprint": ""}, "fingerprint must be"),
        ({"reason": " "}, "reason must say why"),
        ({"reason": "x" * 501}, "reason must say why"),
        ({"kind": Kind.UNSPECIFIED}, "kind must be"),
        ({"kind": Kind.VOLUME, "id": ""}, "id must not be empty"),
        ({"kind": Kind.VOLUME, "id": "backup"}, "not one that this driver makes"),
        ({"kind": Kind.VOLUME, "id": "snap-nightly"}, "not one that this driver makes"),
        ({"kind": Kind.VOLUME, "id": NAME, "device": "another"}, "the ID names rds"),
        ({"kind": Kind.SNAPSHOT, "id": NAME}, "not one that this driver makes"),
        ({"device": "another"}, "device must be one of rds"),
        ({"id": "/raid10/volumes/backup.tar"}, "it is never removed"),
        ({"id": "/raid10/volumes/theirs.img"}, "it is never removed"),
        ({"id": "/raid10/volumes/snap-nightly.img"}, "it is never removed"),
        ({"id": f"/raid10/elsewhere/{NAME}.img"}, "it is never removed"),
        ({"id": f"/raid10/volumes/deeper/{NAME}.img"}, "it is never removed"),
        ({"id": f"/raid10/volumes/../{NAME}.img"}, "must be made of components"),
        ({"id": f"raid10/volumes/{NAME}.img"}, "must be an absolute path"),
        ({"kind": Kind.SUBVOLUME, "id": "/btr/volumes/theirs"}, "it is never removed"),
        ({"kind": Kind.SUBVOLUME, "id": f"/btr/private/{NAME}"}, "it is never removed"),
    ],
)
async def test_what_is_not_the_drivers_own_is_never_removed_whatever_is_asked(
    there: InCluster, fields: dict[str, Any], words: str
) -> None:
    state = there.rig.device.state
    request = admin.DeleteOrphanRequest(
        kind=Kind.FILE,
        id=f"/raid10/volumes/{NAME}.img",
        device="rds",
        fingerprint=FINGERPRINT,
        reason="a test",
    )
    for field, value in fields.items():
        setattr(request, field, value)
    if request.id.endswith((".img", ".tar")) and not request.id.startswith("/raid10/volumes/.."):
        state.files[request.id.removeprefix("/")] = 4096
    before = dict(state.files)

    status, message = await error_of(there.stub.delete_orphan(request))

    assert status is Status.INVALID_ARGUMENT
    assert words in message
    assert state.files == before


async def test_an_orphan_of_a_device_that_there_is_not_is_not_found(there: InCluster) -> None:
    request = admin.DeleteOrphanRequest(
        kind=Kind.VOLUME, id=f"{NAME}@rack9", fingerprint=FINGERPRINT, reason="a test"
    )

    status, _ = await error_of(there.stub.delete_orphan(request))

    assert status is Status.NOT_FOUND


# What has changed


async def grow(there: InCluster) -> None:
    await there.rig.expand(2 * GIB)


async def snapshot(there: InCluster) -> None:
    await there.snapshot()


async def stop_exporting(there: InCluster) -> None:
    there.disk.properties["nvme-tcp-export"] = False


async def restrict(there: InCluster) -> None:
    there.disk.properties["nvme-tcp-server-allow-host-name"] = "nqn.2020-01.org.example:stranger"


async def lose_the_file(there: InCluster) -> None:
    there.rig.device.state.forget_file(f"raid10/volumes/{NAME}.img")


async def make_anew(there: InCluster) -> None:
    await there.rig.delete()
    await there.rig.create(required=3 * GIB)


@pytest.mark.parametrize(
    "change", [grow, snapshot, stop_exporting, restrict, lose_the_file, make_anew]
)
async def test_a_volume_that_is_not_any_more_what_was_listed_stays(
    there: InCluster, change: Callable[[InCluster], Awaitable[None]]
) -> None:
    await there.rig.create()
    volume = await there.volume()
    await change(there)

    status, message = await error_of(there.delete(volume))

    assert status is PRECONDITION
    assert "not any more what was listed" in message
    assert there.rig.device.slots == [NAME]


async def test_a_fingerprint_holds_for_one_item_only(there: InCluster) -> None:
    await there.rig.create()
    await there.rig.create(OTHER)
    volume = await there.volume()

    status, _ = await error_of(there.delete(volume, id=OTHER))

    assert status is PRECONDITION
    assert there.rig.device.slots == [OTHER, NAME]
