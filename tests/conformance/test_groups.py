from collections.abc import AsyncIterator, Sequence

import pytest_asyncio
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import status_of, wait_until
from tests.conformance.lab import Lab, fresh
from tests.conformance.limits import TEXT_BYTES, text_bytes
from tests.conformance.needs import GroupRpc, Rpc, Service, needs
from tests.conformance.paging import listed_snapshots

pytestmark = needs(
    Service.GROUP_CONTROLLER_SERVICE,
    GroupRpc.CREATE_DELETE_GET_VOLUME_GROUP_SNAPSHOT,
    Rpc.CREATE_DELETE_VOLUME,
)


class Groups:
    """Calls on group snapshots that are undone when the test ends."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.stub = lab.plugin.groups
        self.members: dict[str, list[csi.Snapshot]] = {}

    async def create(
        self, volumes: Sequence[csi.Volume], name: str | None = None
    ) -> csi.VolumeGroupSnapshot:
        answer = await self.stub.create_volume_group_snapshot(
            csi.CreateVolumeGroupSnapshotRequest(
                name=fresh("group") if name is None else name,
                source_volume_ids=[volume.volume_id for volume in volumes],
                secrets=self.lab.options.secrets_of("CreateVolumeGroupSnapshot"),
                parameters=self.lab.options.snapshot_parameters,
            )
        )
        assert answer.group_snapshot is not None
        group = answer.group_snapshot
        group_id = group.group_snapshot_id
        self.members[group_id] = list(group.snapshots)
        self.lab.undo.push(
            f"group snapshot {group_id}", lambda: self.delete(group_id, self.members[group_id])
        )
        return group

    async def ready(self, volumes: Sequence[csi.Volume]) -> csi.VolumeGroupSnapshot:
        name = fresh("group")
        return await wait_until(
            lambda: self.create(volumes, name),
            lambda group: group.ready_to_use,
            self.lab.options.ready_seconds,
            "the group snapshot is ready to use",
        )

    async def delete(self, group_id: str, snapshots: Sequence[csi.Snapshot] = ()) -> None:
        await self.stub.delete_volume_group_snapshot(
            csi.DeleteVolumeGroupSnapshotRequest(
                group_snapshot_id=group_id,
                snapshot_ids=[snapshot.snapshot_id for snapshot in snapshots],
                secrets=self.lab.options.secrets_of("DeleteVolumeGroupSnapshot"),
            )
        )

    async def delete_first_member(self, group: csi.VolumeGroupSnapshot) -> None:
        await self.lab.delete_snapshot(group.snapshots[0].snapshot_id)
        self.members[group.group_snapshot_id] = list(group.snapshots[1:])

    async def get(
        self, group_id: str, snapshots: Sequence[csi.Snapshot] = ()
    ) -> csi.VolumeGroupSnapshot:
        answer = await self.stub.get_volume_group_snapshot(
            csi.GetVolumeGroupSnapshotRequest(
                group_snapshot_id=group_id,
                snapshot_ids=[snapshot.snapshot_id for snapshot in snapshots],
                secrets=self.lab.options.secrets_of("GetVolumeGroupSnapshot"),
            )
        )
        assert answer.group_snapshot is not None
        return answer.group_snapshot

    async def volumes(self, count: int = 2) -> list[csi.Volume]:
        return [await self.lab.create_volume() for _ in range(count)]


@pytest_asyncio.fixture(loop_scope="session")
async def groups(lab: Lab) -> AsyncIterator[Groups]:
    yield Groups(lab)


async def test_every_group_capability_says_what_it_is(groups: Groups) -> None:
    answer = await groups.stub.group_controller_get_capabilities(
        csi.GroupControllerGetCapabilitiesRequest()
    )

    assert all(
        c.rpc is not None and c.rpc.type is not GroupRpc.UNKNOWN for c in answer.capabilities
    )


async def test_a_group_snapshot_without_a_name_is_an_invalid_argument(groups: Groups) -> None:
    status = await status_of(groups.create(await groups.volumes(), ""))

    assert status is Status.INVALID_ARGUMENT


async def test_a_group_snapshot_of_no_volumes_is_an_invalid_argument(groups: Groups) -> None:
    status = await status_of(groups.create([]))

    assert status is Status.INVALID_ARGUMENT


async def test_a_group_snapshot_of_an_unknown_volume_is_not_found(groups: Groups) -> None:
    volumes = [*await groups.volumes(1), csi.Volume(volume_id=fresh())]

    status = await status_of(groups.create(volumes))

    assert status is Status.NOT_FOUND


async def test_a_group_snapshot_has_one_snapshot_of_each_volume(groups: Groups) -> None:
    volumes = await groups.volumes()

    group = await groups.create(volumes)

    sources = [snapshot.source_volume_id for snapshot in group.snapshots]
    assert sorted(sources) == sorted(volume.volume_id for volume in volumes)


async def test_a_group_snapshot_has_an_id_and_a_time(groups: Groups) -> None:
    group = await groups.create(await groups.volumes())

    assert 0 < text_bytes(group.group_snapshot_id) <= TEXT_BYTES
    assert group.creation_time is not None


async def test_every_member_names_its_group(groups: Groups) -> None:
    group = await groups.create(await groups.volumes())

    assert {snapshot.group_snapshot_id for snapshot in group.snapshots} == {group.group_snapshot_id}


async def test_a_group_that_is_ready_has_members_that_are_ready(groups: Groups) -> None:
    group = await groups.ready(await groups.volumes())

    assert all(snapshot.ready_to_use for snapshot in group.snapshots)


async def test_creating_a_group_snapshot_twice_makes_one(groups: Groups) -> None:
    volumes, name = await groups.volumes(), fresh("group")
    first = await groups.create(volumes, name)

    second = await groups.create(volumes, name)

    assert second.group_snapshot_id == first.group_snapshot_id


async def test_other_volumes_under_the_same_name_already_exist(groups: Groups) -> None:
    name = fresh("group")
    await groups.create(await groups.volumes(), name)

    status = await status_of(groups.create(await groups.volumes(), name))

    assert status is Status.ALREADY_EXISTS


async def test_deleting_a_group_snapshot_without_an_id_is_an_invalid_argument(
    groups: Groups,
) -> None:
    status = await status_of(groups.delete(""))

    assert status is Status.INVALID_ARGUMENT


async def test_deleting_a_group_snapshot_that_never_was_is_done_already(groups: Groups) -> None:
    status = await status_of(groups.delete(fresh("group")))

    assert status is Status.OK


async def test_a_group_snapshot_can_be_deleted_twice(groups: Groups) -> None:
    group = await groups.create(await groups.volumes())
    await groups.delete(group.group_snapshot_id, group.snapshots)

    status = await status_of(groups.delete(group.group_snapshot_id, group.snapshots))

    assert status is Status.OK


@needs(Rpc.LIST_SNAPSHOTS)
async def test_the_members_go_with_their_group(groups: Groups) -> None:
    group = await groups.create(await groups.volumes())

    await groups.delete(group.group_snapshot_id, group.snapshots)

    members = {snapshot.snapshot_id for snapshot in group.snapshots}
    assert members.isdisjoint(await listed_snapshots(groups.lab))


async def test_deleting_a_group_by_the_wrong_members_is_an_invalid_argument(
    groups: Groups,
) -> None:
    group, other = [await groups.create(await groups.volumes()) for _ in range(2)]

    status = await status_of(groups.delete(group.group_snapshot_id, other.snapshots))

    assert status is Status.INVALID_ARGUMENT


async def test_getting_a_group_snapshot_without_an_id_is_an_invalid_argument(
    groups: Groups,
) -> None:
    status = await status_of(groups.get(""))

    assert status is Status.INVALID_ARGUMENT


async def test_an_unknown_group_snapshot_is_not_found(groups: Groups) -> None:
    status = await status_of(groups.get(fresh("group")))

    assert status is Status.NOT_FOUND


async def test_a_group_snapshot_is_found_with_its_members(groups: Groups) -> None:
    group = await groups.ready(await groups.volumes())

    found = await groups.get(group.group_snapshot_id, group.snapshots)

    assert found.group_snapshot_id == group.group_snapshot_id
    assert {s.snapshot_id for s in found.snapshots} == {s.snapshot_id for s in group.snapshots}


async def test_getting_a_group_by_the_wrong_members_is_an_invalid_argument(
    groups: Groups,
) -> None:
    group, other = [await groups.create(await groups.volumes()) for _ in range(2)]

    status = await status_of(groups.get(group.group_snapshot_id, other.snapshots))

    assert status is Status.INVALID_ARGUMENT


@needs(Rpc.CREATE_DELETE_SNAPSHOT)
async def test_a_member_on_its_own_is_deleted_or_said_to_belong_to_its_group(
    groups: Groups,
) -> None:
    group = await groups.create(await groups.volumes())

    status = await status_of(groups.delete_first_member(group))

    # Whether members can leave their group is the plugin's affair, and either code says that not.
    assert status in {Status.OK, Status.INVALID_ARGUMENT, Status.FAILED_PRECONDITION}
