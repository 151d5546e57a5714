import asyncio

import pytest
from grpclib.const import Status

from tests.conformance.calls import status_of
from tests.conformance.lab import Lab, fresh
from tests.conformance.needs import Expansion, Given, Rpc, label, needs
from tests.conformance.paging import listed_volumes

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.EXPAND_VOLUME)

# A size that cannot be had is out of range; a range in which nothing lies is an invalid value too.
IMPOSSIBLE_RANGE = {Status.OUT_OF_RANGE, Status.INVALID_ARGUMENT}


async def test_expand_without_a_volume_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.expand("", lab.size))

    assert status is Status.INVALID_ARGUMENT


async def test_expand_without_a_capacity_range_is_an_invalid_argument(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.expand(volume.volume_id, without_range=True))

    assert status is Status.INVALID_ARGUMENT


async def test_expand_with_an_empty_capacity_range_is_refused(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.expand(volume.volume_id))

    # One of the two ends must be given.
    assert status in IMPOSSIBLE_RANGE


async def test_expanding_an_unknown_volume_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.expand(fresh(), lab.size))

    assert status is Status.NOT_FOUND


async def test_expanding_a_deleted_volume_is_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.delete_volume(volume.volume_id)

    status = await status_of(lab.expand(volume.volume_id, 2 * lab.size))

    assert status is Status.NOT_FOUND


async def test_a_volume_grows_to_at_least_the_required_size(lab: Lab) -> None:
    volume = await lab.create_volume()

    grown = await lab.expand(volume.volume_id, 2 * lab.size)

    assert grown.capacity_bytes >= 2 * lab.size


async def test_a_volume_does_not_grow_beyond_the_limit(lab: Lab) -> None:
    volume = await lab.create_volume()

    grown = await lab.expand(volume.volume_id, 2 * lab.size, 3 * lab.size)

    assert 2 * lab.size <= grown.capacity_bytes <= 3 * lab.size


async def test_expanding_twice_answers_the_same_size(lab: Lab) -> None:
    volume = await lab.create_volume()
    first = await lab.expand(volume.volume_id, 2 * lab.size)

    second = await lab.expand(volume.volume_id, 2 * lab.size)

    assert second.capacity_bytes == first.capacity_bytes


async def test_expanding_to_the_size_that_is_there_is_done_already(lab: Lab) -> None:
    volume = await lab.create_volume()

    kept = await lab.expand(volume.volume_id, lab.size)

    assert kept.capacity_bytes == (volume.capacity_bytes or kept.capacity_bytes) >= lab.size


async def test_expanding_to_less_than_is_there_keeps_what_is_there(lab: Lab) -> None:
    volume = await lab.create_volume(required=2 * lab.size)

    kept = await lab.expand(volume.volume_id, lab.size)

    assert kept.capacity_bytes == (volume.capacity_bytes or kept.capacity_bytes) >= 2 * lab.size


async def test_five_expansions_of_one_volume_at_once_all_end_well(lab: Lab) -> None:
    volume = await lab.create_volume()

    statuses = await asyncio.gather(
        *(status_of(lab.expand(volume.volume_id, 2 * lab.size)) for _ in range(5))
    )

    # A plugin that is busy with the volume already may send the caller away for a moment.
    assert set(statuses) <= {Status.OK, Status.ABORTED}
    assert Status.OK in statuses


@pytest.mark.parametrize(
    ("required", "limit"), [(2**40, 2**30), (-1, 0), (0, -1), (-2, -1), (-(2**63), 0)]
)
async def test_a_range_that_nothing_lies_in_is_refused(lab: Lab, required: int, limit: int) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.expand(volume.volume_id, required, limit))

    assert status in IMPOSSIBLE_RANGE


async def test_a_size_that_no_device_could_hold_is_refused(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.expand(volume.volume_id, 2**63 - 1))

    # Too large for the plugin, or for the room there is.
    assert status in {Status.OUT_OF_RANGE, Status.RESOURCE_EXHAUSTED}


async def test_a_refused_expansion_leaves_the_size_as_it_is(lab: Lab) -> None:
    volume = await lab.create_volume()
    await status_of(lab.expand(volume.volume_id, 2**63 - 1))

    kept = await lab.expand(volume.volume_id, lab.size)

    assert kept.capacity_bytes == (volume.capacity_bytes or kept.capacity_bytes)


@needs(Rpc.LIST_VOLUMES)
async def test_a_volume_that_grew_is_listed_with_its_new_size(lab: Lab) -> None:
    volume = await lab.create_volume()
    grown = await lab.expand(volume.volume_id, 2 * lab.size)

    seen = (await listed_volumes(lab))[volume.volume_id].volume

    assert seen is not None
    assert seen.capacity_bytes in {0, grown.capacity_bytes}


async def test_a_repeated_creation_finds_the_volume_that_grew_since(lab: Lab) -> None:
    name = fresh()
    volume = await lab.create_volume(name)
    await lab.expand(volume.volume_id, 2 * lab.size)

    again = await lab.create_volume(name)

    assert again.volume_id == volume.volume_id


@needs(Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID, Expansion.ONLINE)
async def test_a_volume_grows_while_it_is_published(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    grown = await lab.expand(volume.volume_id, 2 * lab.size)

    assert grown.capacity_bytes >= 2 * lab.size


@needs(Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID, Expansion.OFFLINE)
async def test_a_volume_that_grows_offline_is_in_use_while_it_is_published(lab: Lab) -> None:
    if lab.plugin.has(Expansion.ONLINE):
        pytest.skip(f"{label(Expansion.ONLINE)} is advertised")
    volume = await lab.create_volume()
    await lab.publish(volume)

    status = await status_of(lab.expand(volume.volume_id, 2 * lab.size))

    assert status is Status.FAILED_PRECONDITION
