"""Volumes that are made of volumes."""

from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import outcome_of, status_of
from tests.conformance.lab import Lab, fresh, from_snapshot, from_volume
from tests.conformance.needs import Given, Rpc, needs

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.CLONE_VOLUME)


async def source_of(lab: Lab, required: int | None = None) -> csi.VolumeContentSource:
    return from_volume((await lab.create_volume(required=required)).volume_id)


def origin(source: csi.VolumeContentSource) -> str:
    assert source.volume is not None
    return source.volume.volume_id


async def test_a_clone_without_a_volume_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.create_volume(source=from_volume("")))

    assert status is Status.INVALID_ARGUMENT


async def test_a_content_source_of_no_kind_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.create_volume(source=csi.VolumeContentSource()))

    assert status is Status.INVALID_ARGUMENT


async def test_a_clone_of_an_unknown_volume_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.create_volume(source=from_volume(fresh())))

    assert status is Status.NOT_FOUND


async def test_a_clone_of_a_deleted_volume_is_not_found(lab: Lab) -> None:
    source = await source_of(lab)
    await lab.delete_volume(origin(source))

    status = await status_of(lab.create_volume(source=source))

    assert status is Status.NOT_FOUND


async def test_a_clone_is_another_volume_than_its_origin(lab: Lab) -> None:
    source = await source_of(lab)

    clone = await lab.create_volume(source=source)

    assert clone.volume_id not in {"", origin(source)}


async def test_a_clone_names_its_origin(lab: Lab) -> None:
    source = await source_of(lab)

    clone = await lab.create_volume(source=source)

    # The field may be left out.
    assert clone.content_source is None or clone.content_source == source


async def test_a_clone_is_at_least_as_large_as_its_origin(lab: Lab) -> None:
    volume = await lab.create_volume()

    clone = await lab.create_volume(
        required=volume.capacity_bytes, source=from_volume(volume.volume_id)
    )

    assert clone.capacity_bytes == 0 or clone.capacity_bytes >= volume.capacity_bytes


async def test_a_clone_without_a_capacity_range_holds_its_origin(lab: Lab) -> None:
    source = await source_of(lab, 2 * lab.size)

    clone = await lab.create_volume(without_range=True, source=source)

    assert clone.capacity_bytes == 0 or clone.capacity_bytes >= 2 * lab.size


async def test_a_clone_that_is_larger_than_its_origin_is_made_or_out_of_range(lab: Lab) -> None:
    source = await source_of(lab)

    status, clone = await outcome_of(lab.create_volume(required=2 * lab.size, source=source))

    # Whether a volume can be larger than what it is made of is the plugin's affair.
    assert status in {Status.OK, Status.OUT_OF_RANGE}
    assert clone is None or clone.capacity_bytes == 0 or clone.capacity_bytes >= 2 * lab.size


async def test_a_limit_below_the_size_of_the_origin_is_out_of_range(lab: Lab) -> None:
    source = await source_of(lab, 2 * lab.size)

    status = await status_of(lab.create_volume(required=lab.size, limit=lab.size, source=source))

    assert status is Status.OUT_OF_RANGE


async def test_a_clone_made_twice_is_one_volume(lab: Lab) -> None:
    source = await source_of(lab)
    name = fresh()
    first = await lab.create_volume(name, source=source)

    second = await lab.create_volume(name, source=source)

    assert second.volume_id == first.volume_id


async def test_one_volume_has_two_clones(lab: Lab) -> None:
    source = await source_of(lab)
    first = await lab.create_volume(source=source)

    second = await lab.create_volume(source=source)

    assert second.volume_id != first.volume_id


async def test_a_clone_under_the_name_of_an_empty_volume_already_exists(lab: Lab) -> None:
    source = await source_of(lab)
    name = fresh()
    await lab.create_volume(name)

    status = await status_of(lab.create_volume(name, source=source))

    assert status is Status.ALREADY_EXISTS


async def test_an_empty_volume_under_the_name_of_a_clone_already_exists(lab: Lab) -> None:
    source = await source_of(lab)
    name = fresh()
    await lab.create_volume(name, source=source)

    status = await status_of(lab.create_volume(name))

    assert status is Status.ALREADY_EXISTS


async def test_a_clone_of_another_volume_under_the_same_name_already_exists(lab: Lab) -> None:
    source, other = await source_of(lab), await source_of(lab)
    name = fresh()
    await lab.create_volume(name, source=source)

    status = await status_of(lab.create_volume(name, source=other))

    assert status is Status.ALREADY_EXISTS


@needs(Rpc.CREATE_DELETE_SNAPSHOT)
async def test_a_restore_under_the_name_of_a_clone_of_the_same_volume_already_exists(
    lab: Lab,
) -> None:
    source = await source_of(lab)
    snapshot = await lab.ready_snapshot(origin(source))
    name = fresh()
    await lab.create_volume(name, source=source)

    status = await status_of(lab.create_volume(name, source=from_snapshot(snapshot.snapshot_id)))

    assert status is Status.ALREADY_EXISTS


async def test_a_volume_with_clones_is_deleted_or_said_to_be_in_use(lab: Lab) -> None:
    source = await source_of(lab)
    await lab.create_volume(source=source)

    status = await status_of(lab.delete_volume(origin(source)))

    # Whether the clone still leans on its origin is the plugin's affair.
    assert status in {Status.OK, Status.FAILED_PRECONDITION}


async def test_a_clone_made_twice_is_found_whatever_became_of_the_deletion_of_its_origin(
    lab: Lab,
) -> None:
    source = await source_of(lab)
    name = fresh()
    first = await lab.create_volume(name, source=source)
    deleted = await status_of(lab.delete_volume(origin(source)))

    status, second = await outcome_of(lab.create_volume(name, source=source))

    # The volume is there and fits the request; or its origin, which is gone, is looked for first.
    assert status is Status.OK or (deleted, status) == (Status.OK, Status.NOT_FOUND)
    assert second is None or second.volume_id == first.volume_id


async def test_a_clone_can_be_cloned(lab: Lab) -> None:
    clone = await lab.create_volume(source=await source_of(lab))

    second = await lab.create_volume(source=from_volume(clone.volume_id))

    assert second.volume_id != clone.volume_id


async def test_deleting_a_clone_leaves_its_origin(lab: Lab) -> None:
    source = await source_of(lab)
    clone = await lab.create_volume(source=source)

    await lab.delete_volume(clone.volume_id)

    again = await lab.create_volume(source=source)
    assert again.volume_id


@needs(Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_a_published_volume_is_cloned_or_said_to_be_in_use(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    status = await status_of(lab.create_volume(source=from_volume(volume.volume_id)))

    # Whether a volume must be at rest is the plugin's affair.
    assert status in {Status.OK, Status.FAILED_PRECONDITION}
