import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.conformance.calls import outcome_of, status_of, wait_until
from tests.conformance.lab import RUN, Lab, fresh
from tests.conformance.needs import Rpc, needs
from tests.conformance.paging import listed_snapshots, snapshot_pages, walk, walk_once
from tests.conformance.texts import ODD_IDS

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.CREATE_DELETE_SNAPSHOT, Rpc.LIST_SNAPSHOTS)

# A page is cut so that there are several, and few even on a system with thousands of snapshots.
PAGES = 3


async def snapshots(lab: Lab, count: int = PAGES) -> tuple[csi.Volume, list[str]]:
    """Return a volume, and the IDs of as many snapshots of it."""
    volume = await lab.create_volume()
    made = [await lab.ready_snapshot(volume.volume_id) for _ in range(count)]
    return volume, [snapshot.snapshot_id for snapshot in made]


async def page_size(lab: Lab) -> int:
    return max(1, len(await listed_snapshots(lab)) // PAGES)


async def test_a_negative_number_of_entries_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.list_snapshots(size=-1))

    assert status is Status.INVALID_ARGUMENT


@pytest.mark.parametrize("token", ["no-such-token", "\N{FLOPPY DISK}", "{}", " ", "x" * 100])
async def test_a_token_that_was_never_given_out_is_aborted(lab: Lab, token: str) -> None:
    status = await status_of(lab.list_snapshots(token=token + RUN))

    assert status is Status.ABORTED


async def test_a_new_snapshot_is_listed(lab: Lab) -> None:
    _, made = await snapshots(lab, 1)

    listed = await listed_snapshots(lab)

    assert set(made) <= set(listed)


async def test_a_listed_snapshot_is_the_one_that_was_made(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.ready_snapshot(volume.volume_id)

    listed = await listed_snapshots(lab)

    assert listed[snapshot.snapshot_id] == snapshot


async def test_a_snapshot_is_listed_as_ready_in_time(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.create_snapshot(volume.volume_id)

    listed = await wait_until(
        lambda: listed_snapshots(lab, snapshot_id=snapshot.snapshot_id),
        lambda listed: any(seen.ready_to_use for seen in listed.values()),
        lab.options.ready_seconds,
        "the snapshot is listed as ready to use",
    )

    assert set(listed) == {snapshot.snapshot_id}


async def test_every_entry_has_a_snapshot_with_an_id_a_source_and_a_time(lab: Lab) -> None:
    await snapshots(lab, 1)

    pages = await walk(snapshot_pages(lab))

    for entry in (entry for page in pages for entry in page.entries):
        assert entry.snapshot is not None
        assert entry.snapshot.snapshot_id
        assert entry.snapshot.source_volume_id
        assert entry.snapshot.creation_time is not None


async def test_listing_by_id_finds_just_that_snapshot(lab: Lab) -> None:
    _, made = await snapshots(lab, 2)

    listed = await listed_snapshots(lab, snapshot_id=made[0])

    assert set(listed) == {made[0]}


async def test_listing_by_an_unknown_id_finds_nothing(lab: Lab) -> None:
    await snapshots(lab, 1)

    listed = await listed_snapshots(lab, snapshot_id=fresh("snapshot"))

    assert listed == {}


async def test_listing_by_the_id_of_a_deleted_snapshot_finds_nothing(lab: Lab) -> None:
    _, made = await snapshots(lab, 1)
    await lab.delete_snapshot(made[0])

    listed = await listed_snapshots(lab, snapshot_id=made[0])

    assert listed == {}


@pytest.mark.parametrize("odd", ODD_IDS)
async def test_listing_by_an_id_that_nothing_could_have_finds_nothing(lab: Lab, odd: str) -> None:
    answer = await lab.list_snapshots(snapshot_id=odd)

    assert answer.entries == []


async def test_listing_by_source_finds_all_snapshots_of_that_volume(lab: Lab) -> None:
    volume, made = await snapshots(lab)
    await snapshots(lab, 1)

    listed = await listed_snapshots(lab, source_volume_id=volume.volume_id)

    assert set(listed) == set(made)


async def test_listing_by_a_source_without_snapshots_finds_nothing(lab: Lab) -> None:
    await snapshots(lab, 1)
    bare = await lab.create_volume()

    listed = await listed_snapshots(lab, source_volume_id=bare.volume_id)

    assert listed == {}


async def test_listing_by_an_unknown_source_finds_nothing(lab: Lab) -> None:
    await snapshots(lab, 1)

    listed = await listed_snapshots(lab, source_volume_id=fresh())

    assert listed == {}


@pytest.mark.parametrize("odd", ODD_IDS)
async def test_listing_by_a_source_that_nothing_could_be_finds_nothing(lab: Lab, odd: str) -> None:
    answer = await lab.list_snapshots(source_volume_id=odd)

    assert answer.entries == []


async def test_listing_by_id_and_source_finds_what_fits_both(lab: Lab) -> None:
    volume, made = await snapshots(lab, 2)

    listed = await listed_snapshots(lab, snapshot_id=made[0], source_volume_id=volume.volume_id)

    assert set(listed) == {made[0]}


async def test_listing_by_id_and_another_source_finds_nothing(lab: Lab) -> None:
    _, made = await snapshots(lab, 1)
    other = await lab.create_volume()

    listed = await listed_snapshots(lab, snapshot_id=made[0], source_volume_id=other.volume_id)

    assert listed == {}


async def test_a_page_has_at_most_as_many_entries_as_asked_for(lab: Lab) -> None:
    await snapshots(lab)

    page = await lab.list_snapshots(size=2)

    assert len(page.entries) <= 2


async def test_a_page_that_is_not_the_last_has_a_token_for_the_next(lab: Lab) -> None:
    await snapshots(lab)

    page = await lab.list_snapshots(size=1)

    assert page.next_token


async def test_the_pages_of_a_system_at_rest_have_every_snapshot_once(lab: Lab) -> None:
    _, made = await snapshots(lab)
    size = await page_size(lab)

    pages = await walk(snapshot_pages(lab, size))

    ids = [entry.snapshot.snapshot_id for page in pages for entry in page.entries if entry.snapshot]
    assert sorted(snapshot_id for snapshot_id in ids if snapshot_id in made) == sorted(made)


async def test_the_pages_of_one_source_have_its_snapshots_only(lab: Lab) -> None:
    volume, made = await snapshots(lab)
    await snapshots(lab, 2)

    pages = await walk(snapshot_pages(lab, 1, source_volume_id=volume.volume_id))

    ids = [entry.snapshot.snapshot_id for page in pages for entry in page.entries if entry.snapshot]
    assert sorted(ids) == sorted(made)


async def test_a_walk_goes_on_or_is_aborted_when_a_snapshot_is_made_between_the_pages(
    lab: Lab,
) -> None:
    volume, _ = await snapshots(lab)
    size = await page_size(lab)
    first = await lab.list_snapshots(size=size)

    added = await lab.create_snapshot(volume.volume_id)
    status, second = await outcome_of(lab.list_snapshots(size=size, token=first.next_token))

    # A plugin that cannot go on asks for a new start; snapshots may be missed, but only once.
    assert status in {Status.OK, Status.ABORTED}
    assert second is None or len(second.entries) <= size
    assert added.snapshot_id in await listed_snapshots(lab, size)


async def test_a_walk_goes_on_or_is_aborted_when_the_snapshot_it_stood_at_is_deleted(
    lab: Lab,
) -> None:
    _, made = await snapshots(lab)
    size = await page_size(lab)
    first = await lab.list_snapshots(size=size)
    here = {entry.snapshot.snapshot_id for entry in first.entries if entry.snapshot}

    for snapshot_id in [*(here & set(made)), made[0]]:
        await lab.delete_snapshot(snapshot_id)
    status = await status_of(lab.list_snapshots(size=size, token=first.next_token))

    assert status in {Status.OK, Status.ABORTED}


async def test_a_walk_ends_although_snapshots_come_and_go_on_every_page(lab: Lab) -> None:
    volume, _ = await snapshots(lab)
    turn = snapshot_pages(lab, await page_size(lab))

    async def turn_and_disturb(token: str) -> csi.ListSnapshotsResponse:
        page = await turn(token)
        passing = await lab.create_snapshot(volume.volume_id)
        await lab.delete_snapshot(passing.snapshot_id)
        return page

    status = await status_of(walk_once(turn_and_disturb))

    assert status in {Status.OK, Status.ABORTED}
