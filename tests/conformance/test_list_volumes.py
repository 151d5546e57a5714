import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import outcome_of, status_of
from tests.conformance.lab import RUN, Lab
from tests.conformance.limits import NODE_ID_BYTES, text_bytes
from tests.conformance.needs import Given, Rpc, needs
from tests.conformance.paging import listed_volumes, volume_pages, walk, walk_once

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.LIST_VOLUMES)

# A page is cut so that there are several, and few even on a system with thousands of volumes.
PAGES = 3


async def page_size(lab: Lab) -> int:
    return max(1, len(await listed_volumes(lab)) // PAGES)


async def test_a_negative_number_of_entries_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.list_volumes(-1))

    assert status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("token", ["no-such-token", "\N{FLOPPY DISK}", "{}", " ", "x" * 100])
async def test_a_token_that_was_never_given_out_is_aborted(lab: Lab, token: str) -> None:
    status = await status_of(lab.list_volumes(token=token + RUN))

    assert status is Status.ABORTED


async def test_a_new_volume_is_listed(lab: Lab) -> None:
    volume = await lab.create_volume()

    listed = await listed_volumes(lab)

    assert volume.volume_id in listed


async def test_a_listed_volume_has_the_size_that_it_was_made_with(lab: Lab) -> None:
    volume = await lab.create_volume()

    listed = await listed_volumes(lab)

    # 0 means that the size is not known.
    seen = listed[volume.volume_id].volume
    assert seen is not None
    assert seen.capacity_bytes in {0, volume.capacity_bytes} or not volume.capacity_bytes


async def test_every_entry_has_a_volume_with_an_id(lab: Lab) -> None:
    await lab.create_volume()

    pages = await walk(volume_pages(lab))

    entries = [entry for page in pages for entry in page.entries]
    assert all(entry.volume is not None and entry.volume.volume_id for entry in entries)


async def test_a_page_has_at_most_as_many_entries_as_asked_for(lab: Lab) -> None:
    for _ in range(PAGES):
        await lab.create_volume()

    page = await lab.list_volumes(2)

    assert len(page.entries) <= 2


async def test_a_page_that_is_not_the_last_has_a_token_for_the_next(lab: Lab) -> None:
    for _ in range(PAGES):
        await lab.create_volume()

    page = await lab.list_volumes(1)

    assert page.next_token


async def test_the_pages_together_have_every_volume(lab: Lab) -> None:
    made = {(await lab.create_volume()).volume_id for _ in range(PAGES)}
    size = await page_size(lab)

    listed = await listed_volumes(lab, size)

    assert made <= set(listed)


async def test_the_pages_of_a_system_at_rest_have_every_volume_once(lab: Lab) -> None:
    made = {(await lab.create_volume()).volume_id for _ in range(PAGES)}
    size = await page_size(lab)

    pages = await walk(volume_pages(lab, size))

    ids = [entry.volume.volume_id for page in pages for entry in page.entries if entry.volume]
    assert sorted(volume_id for volume_id in ids if volume_id in made) == sorted(made)


async def test_a_walk_goes_on_or_is_aborted_when_a_volume_is_made_between_the_pages(
    lab: Lab,
) -> None:
    for _ in range(PAGES):
        await lab.create_volume()
    size = await page_size(lab)
    first = await lab.list_volumes(size)

    added = await lab.create_volume()
    status, second = await outcome_of(lab.list_volumes(size, first.next_token))

    # A plugin that cannot go on asks for a new start; volumes may be missed, but only once.
    assert status in {Status.OK, Status.ABORTED}
    assert second is None or len(second.entries) <= size
    assert added.volume_id in await listed_volumes(lab, size)


async def test_a_walk_goes_on_or_is_aborted_when_the_volume_it_stood_at_is_deleted(
    lab: Lab,
) -> None:
    made = [(await lab.create_volume()).volume_id for _ in range(PAGES)]
    size = await page_size(lab)
    first = await lab.list_volumes(size)
    here = {entry.volume.volume_id for entry in first.entries if entry.volume}

    for volume_id in [*(here & set(made)), made[0]]:
        await lab.delete_volume(volume_id)
    status = await status_of(lab.list_volumes(size, first.next_token))

    assert status in {Status.OK, Status.ABORTED}


async def test_a_walk_ends_although_volumes_come_and_go_on_every_page(lab: Lab) -> None:
    for _ in range(PAGES):
        await lab.create_volume()
    size = await page_size(lab)
    turn = volume_pages(lab, size)

    async def turn_and_disturb(token: str) -> csi.ListVolumesResponse:
        page = await turn(token)
        passing = await lab.create_volume()
        await lab.delete_volume(passing.volume_id)
        return page

    status = await status_of(walk_once(turn_and_disturb))

    assert status in {Status.OK, Status.ABORTED}


@needs(Rpc.LIST_VOLUMES_PUBLISHED_NODES, Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_a_listing_shows_where_a_volume_is_published(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)

    listed = await listed_volumes(lab)

    status = listed[volume.volume_id].status
    assert status is not None
    assert status.published_node_ids == [lab.plugin.node_id]


@needs(Rpc.LIST_VOLUMES_PUBLISHED_NODES, Rpc.PUBLISH_UNPUBLISH_VOLUME, Given.NODE_ID)
async def test_a_listing_shows_no_node_after_the_volume_was_unpublished(lab: Lab) -> None:
    volume = await lab.create_volume()
    await lab.publish(volume)
    await lab.unpublish(volume.volume_id)

    listed = await listed_volumes(lab)

    status = listed[volume.volume_id].status
    assert status is not None
    assert status.published_node_ids == []


@needs(Rpc.LIST_VOLUMES_PUBLISHED_NODES)
async def test_every_entry_has_a_status_with_legal_node_ids(lab: Lab) -> None:
    await lab.create_volume()

    entries = (await listed_volumes(lab)).values()

    for entry in entries:
        assert entry.status is not None
        assert all(0 < text_bytes(n) <= NODE_ID_BYTES for n in entry.status.published_node_ids)


@needs(Rpc.VOLUME_CONDITION)
async def test_a_listing_shows_the_condition_of_every_volume(lab: Lab) -> None:
    await lab.create_volume()

    entries = (await listed_volumes(lab)).values()

    assert all(entry.status and entry.status.volume_condition for entry in entries)
