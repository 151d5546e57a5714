import asyncio
from datetime import UTC, datetime, timedelta

from grpclib.const import Status

from tests.conformance.calls import outcome_of, status_of
from tests.conformance.lab import Lab, fresh
from tests.conformance.limits import TEXT_BYTES, text_bytes
from tests.conformance.needs import Given, Rpc, needs

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.CREATE_DELETE_SNAPSHOT)

CLOCK_SKEW = timedelta(days=1)
"""The device's clock need not agree with ours, but a creation time is not long ago."""


async def test_create_snapshot_without_a_name_is_an_invalid_argument(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.create_snapshot(volume.volume_id, ""))

    assert status is Status.INVALID_ARGUMENT


async def test_create_snapshot_without_a_source_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.create_snapshot(""))

    assert status is Status.INVALID_ARGUMENT


async def test_a_snapshot_of_an_unknown_volume_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.create_snapshot(fresh()))

    assert status is Status.NOT_FOUND


async def test_a_snapshot_of_a_deleted_volume_is_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.delete_volume(volume.volume_id)

    status = await status_of(lab.create_snapshot(volume.volume_id))

    assert status is Status.NOT_FOUND


async def test_a_new_snapshot_has_an_id_of_at_most_128_bytes(lab: Lab) -> None:
    volume = await lab.create_volume()

    snapshot = await lab.create_snapshot(volume.volume_id)

    assert 0 < text_bytes(snapshot.snapshot_id) <= TEXT_BYTES


async def test_a_new_snapshot_names_its_source(lab: Lab) -> None:
    volume = await lab.create_volume()

    snapshot = await lab.create_snapshot(volume.volume_id)

    assert snapshot.source_volume_id == volume.volume_id


async def test_a_new_snapshot_says_when_it_was_taken(lab: Lab) -> None:
    volume = await lab.create_volume()

    snapshot = await lab.create_snapshot(volume.volume_id)

    assert snapshot.creation_time is not None
    assert abs(snapshot.creation_time - datetime.now(UTC)) < CLOCK_SKEW


async def test_a_new_snapshot_is_no_larger_than_what_it_was_taken_of(lab: Lab) -> None:
    volume = await lab.create_volume()

    snapshot = await lab.create_snapshot(volume.volume_id)

    # 0 means that the size is not known, of the snapshot or of the volume.
    assert 0 <= snapshot.size_bytes <= (volume.capacity_bytes or snapshot.size_bytes)


async def test_a_snapshot_of_its_own_belongs_to_no_group(lab: Lab) -> None:
    volume = await lab.create_volume()

    snapshot = await lab.create_snapshot(volume.volume_id)

    assert snapshot.group_snapshot_id == ""


async def test_a_snapshot_becomes_ready_to_use(lab: Lab) -> None:
    volume = await lab.create_volume()

    snapshot = await lab.ready_snapshot(volume.volume_id)

    assert snapshot.ready_to_use


async def test_create_snapshot_twice_makes_one_snapshot(lab: Lab) -> None:
    volume = await lab.create_volume()
    name = fresh("snapshot")
    first = await lab.create_snapshot(volume.volume_id, name)

    second = await lab.create_snapshot(volume.volume_id, name)

    assert second.snapshot_id == first.snapshot_id


async def test_create_snapshot_twice_answers_the_same(lab: Lab) -> None:
    volume = await lab.create_volume()
    name = fresh("snapshot")
    first = await lab.ready_snapshot(volume.volume_id, name)

    second = await lab.create_snapshot(volume.volume_id, name)

    assert second == first


async def test_two_names_are_two_snapshots_of_one_volume(lab: Lab) -> None:
    volume = await lab.create_volume()
    first = await lab.create_snapshot(volume.volume_id)

    second = await lab.create_snapshot(volume.volume_id)

    assert second.snapshot_id != first.snapshot_id


async def test_a_snapshot_of_another_volume_under_the_same_name_already_exists(lab: Lab) -> None:
    volume, other = await lab.create_volume(), await lab.create_volume()
    name = fresh("snapshot")
    await lab.create_snapshot(volume.volume_id, name)

    status = await status_of(lab.create_snapshot(other.volume_id, name))

    assert status is Status.ALREADY_EXISTS


async def test_a_volume_and_a_snapshot_may_have_the_same_name(lab: Lab) -> None:
    name = fresh()
    volume = await lab.create_volume(name)

    snapshot = await lab.create_snapshot(volume.volume_id, name)

    assert snapshot.source_volume_id == volume.volume_id


async def test_five_creations_of_one_snapshot_at_once_make_one(lab: Lab) -> None:
    volume = await lab.create_volume()
    name = fresh("snapshot")

    outcomes = await asyncio.gather(
        *(outcome_of(lab.create_snapshot(volume.volume_id, name)) for _ in range(5))
    )

    # A plugin that is busy with the snapshot already may send the caller away for a moment.
    assert {status for status, _ in outcomes} <= {Status.OK, Status.ABORTED}
    assert len({snapshot.snapshot_id for _, snapshot in outcomes if snapshot is not None}) == 1


@needs(Rpc.EXPAND_VOLUME)
async def test_a_snapshot_keeps_its_size_when_the_volume_grows(lab: Lab) -> None:
    volume = await lab.create_volume()
    name = fresh("snapshot")
    first = await lab.ready_snapshot(volume.volume_id, name)
    await lab.expand(volume.volume_id, 2 * lab.size)

    second = await lab.create_snapshot(volume.volume_id, name)

    assert second.size_bytes == first.size_bytes


@needs(Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_a_published_volume_has_its_snapshot_taken_or_is_said_to_be_in_use(
    lab: Lab,
) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    status = await status_of(lab.create_snapshot(volume.volume_id))

    # Whether a volume must be at rest is the plugin's affair.
    assert status in {Status.OK, Status.FAILED_PRECONDITION}
