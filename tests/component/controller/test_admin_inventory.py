"""What the admin API lists: everything of a device, or nothing and why."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from libs.mockrds.faults import Action, Fault
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as admin
from services.controller.plan.attach import NOBODY
from tests.component.controller.admin_rig import (
    BASES,
    FENCED,
    HOSTS,
    OTHER,
    AdminRig,
    Kind,
    names,
    open_alone,
    where,
)
from tests.component.controller.rig import GIB, NAME

Half = admin.HalfState


@pytest.fixture
async def there(tmp_path: Path) -> AsyncIterator[AdminRig]:
    async with open_alone(tmp_path, fencing=True) as there:
        yield there


async def snapshot(there: AdminRig, volume: str = NAME) -> None:
    await there.rig.controller.create_snapshot(
        csi.CreateSnapshotRequest(name="nightly", source_volume_id=volume)
    )


async def test_a_volume_is_listed_with_all_that_the_device_says_of_it(there: AdminRig) -> None:
    await there.rig.create()

    volume = await there.volume()

    assert volume.fingerprint
    volume.fingerprint = ""
    assert volume == admin.Volume(
        volume_id=NAME,
        slot=NAME,
        size_bytes=GIB,
        path=f"/raid10/volumes/{NAME}.img",
        file_present=True,
        file_size_bytes=GIB,
        layout=admin.Layout.FILE,
        exported=True,
        nqn=f"nqn.2000-02.com.mikrotik:{NAME}",
        port=4420,
        half_state=Half.WHOLE,
    )


async def test_the_device_says_its_name_its_directories_and_its_pools(there: AdminRig) -> None:
    listing = await there.listing()

    assert (listing.device, listing.is_whole, listing.reachable) == ("rds", True, True)
    assert listing.begin.is_default
    assert listing.begin.base_paths == list(BASES.values())
    assert listing.begin.managed_prefixes == ["pvc-", "vol-", "snap-"]
    assert [pool.mount_point for pool in listing.pools] == ["raid10", "btr"]
    assert listing.taken_at is not None


@pytest.mark.parametrize("layout", ["file", "subvolume"])
async def test_snapshots_and_copies_are_listed_with_what_they_were_made_of(
    there: AdminRig, layout: str
) -> None:
    await there.rig.create(parameters=where(layout))
    await snapshot(there)
    source = csi.VolumeContentSource(
        snapshot=csi.VolumeContentSourceSnapshotSource(snapshot_id="snap-nightly")
    )
    await there.rig.create(OTHER, parameters=where(layout), source=source)

    listing = await there.listing()

    assert names(listing) == ([OTHER, NAME], ["snap-nightly"], [])
    (frozen,) = listing.snapshots
    assert (frozen.source_volume_id, frozen.size_bytes, frozen.ready) == (NAME, GIB, True)
    assert frozen.created_at is not None
    assert frozen.path.startswith(f"{BASES[layout]}/snap-nightly.")
    assert [v.created_from for v in listing.volumes] == ["snap-nightly", ""]
    assert {v.half_state for v in listing.volumes} == {Half.WHOLE}
    assert {v.layout.name for v in listing.volumes} == {layout.upper()}


async def test_a_fenced_volume_is_listed_with_whom_it_lets_in(there: AdminRig) -> None:
    await there.rig.create(parameters=FENCED)
    before = await there.volume()
    await there.rig.publish("a")

    after = await there.volume()

    assert (before.fenced, before.allowed_hosts) == (True, [])
    assert (after.fenced, after.allowed_hosts) == (True, [HOSTS["a"]])
    assert there.admitted != NOBODY
    assert before.fingerprint != after.fingerprint


async def test_half_states_are_told_apart(there: AdminRig) -> None:
    states = {}
    for i, half in enumerate((Half.WHOLE, Half.NO_FILE, Half.NOT_EXPORTED, Half.NO_DISK)):
        name = f"pvc-00000000-0000-0000-0000-00000000000{i}"
        await there.rig.create(name)
        states[name] = half
    device = there.rig.device.state
    device.forget_file(f"raid10/volumes/{names_of(states, Half.NO_FILE)}.img")
    for disk in list(device.disks):
        slot = disk.properties["slot"]
        if states[str(slot)] is Half.NOT_EXPORTED:
            disk.properties["nvme-tcp-export"] = False
        if states[str(slot)] is Half.NO_DISK:
            device.disks.remove(disk)

    listing = await there.listing()

    found = {volume.volume_id: volume.half_state for volume in listing.volumes}
    found |= {leftover.volume_id: leftover.half_state for leftover in listing.leftovers}
    assert found == states


def names_of(states: dict[str, Half], half: Half) -> str:
    return next(name for name, state in states.items() if state is half)


async def test_a_disk_item_whose_file_lies_elsewhere_is_listed_as_such(there: AdminRig) -> None:
    await there.rig.create()
    there.disk.properties["file-path"] = f"raid10/elsewhere/{NAME}.img"

    listing = await there.listing()

    assert [volume.half_state for volume in listing.volumes] == [Half.ELSEWHERE]
    assert [leftover.volume_id for leftover in listing.leftovers] == [NAME]


async def test_a_copy_under_way_is_no_snapshot_that_is_ready(there: AdminRig) -> None:
    await there.rig.create()
    there.rig.device.state.slow_copies = True
    await snapshot(there)

    listing = await there.listing()

    assert [frozen.ready for frozen in listing.snapshots] == [False]
    assert [volume.copying_to for volume in listing.volumes] == [["snap-nightly"]]


@pytest.mark.parametrize(
    ("path", "managed"),
    [
        (f"/raid10/volumes/{NAME}.img", True),
        ("/raid10/volumes/vol-mine.img", True),
        ("/raid10/volumes/backup.tar", False),
        ("/raid10/volumes/somebodys.img", False),
        (f"/raid10/volumes/deeper/{NAME}.img", False),
        ("/raid10/volumes/snap-nightly.img", False),
    ],
)
async def test_a_file_that_no_disk_uses_is_left_over_and_ours_only_by_its_name_and_place(
    there: AdminRig,
    path: str,
    managed: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    there.rig.device.state.files[path[1:]] = 4096

    leftover = await there.leftover()

    assert (leftover.kind, leftover.path, leftover.size_bytes) == (Kind.FILE, path, 4096)
    assert leftover.managed is managed
    assert bool(leftover.fingerprint) is managed


@pytest.mark.parametrize(("name", "managed"), [(NAME, True), ("theirs", False)])
async def test_a_subvolume_that_no_disk_uses_is_left_over(
    there: AdminRig,
    name: str,
    managed: bool,  # noqa: FBT001 (a parameter of the test)
) -> None:
    there.rig.device.state.add_subvolume("btr", f"volumes/{name}", "", read_only=False)

    leftover = await there.leftover()

    assert (leftover.kind, leftover.path) == (Kind.SUBVOLUME, f"/btr/volumes/{name}")
    assert leftover.managed is managed


async def test_what_lies_outside_the_directories_is_not_listed(there: AdminRig) -> None:
    state = there.rig.device.state
    state.files[f"raid10/other/{NAME}.img"] = 4096
    state.files[f"raid10/volumes2/{NAME}.img"] = 4096
    state.add_subvolume("btr", f"private/{NAME}", "", read_only=False)

    assert names(await there.listing()) == ([], [], [])


async def test_a_listing_whose_pool_is_not_mounted_is_none(there: AdminRig) -> None:
    await there.rig.create()
    there.rig.device.state.pools[1].mounted = False

    listing = await there.listing()

    assert (listing.error, listing.reachable) == ("not mounted on the device: btr", True)
    assert names(listing) == ([], [], [])


async def test_a_listing_that_is_cut_off_is_none(there: AdminRig) -> None:
    await there.rig.create()
    await there.listing()
    there.rig.device.faults.add(Fault(Action.TRUNCATE, "type=file"))

    listing = await there.listing()

    assert not listing.is_whole
    assert names(listing) == ([], [], [])


async def test_many_items_come_in_parts_and_all_of_them(there: AdminRig) -> None:
    for i in range(450):
        there.rig.device.state.files[f"raid10/volumes/vol-{i}.img"] = 4096

    parts = [part async for part in there.stub.get_inventory(admin.GetInventoryRequest())]

    sizes = [len(part.items.leftovers) for part in parts if part.items]
    assert sizes == [200, 200, 50]
