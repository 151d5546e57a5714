"""What may be said of a device whose pools are not mounted, as while it starts."""

import contextlib
from collections.abc import AsyncIterator, Awaitable, Iterator
from pathlib import Path

import pytest
from grpclib.const import Status

from protos.gen.csi import v1 as csi
from tests.component.controller.rig import NAME, Rig, error_of
from tests.component.controller.test_snapshots import (
    LAYOUTS,
    OTHER,
    delete_snapshot,
    from_snapshot,
    open_pools,
    snapshot,
    where,
)


@pytest.fixture
async def pools(tmp_path: Path) -> AsyncIterator[Rig]:
    async with open_pools(tmp_path) as rig:
        yield rig


@contextlib.contextmanager
def unmounted(rig: Rig, *names: str) -> Iterator[None]:
    """Take pools away for a while: all, or these."""
    gone = [pool for pool in rig.device.state.pools if not names or pool.mount_point in names]
    for pool in gone:
        pool.mounted = False
    yield
    for pool in gone:
        pool.mounted = True


def left(rig: Rig) -> tuple[object, ...]:
    state = rig.device.state
    return rig.device.slots, sorted(state.files), [sub.fullname for sub in state.subvolumes]


def read_snapshot(rig: Rig) -> Awaitable[csi.GetSnapshotResponse]:
    return rig.controller.get_snapshot(csi.GetSnapshotRequest(snapshot_id="snap-nightly"))


def listed(rig: Rig, snapshot_id: str = "") -> Awaitable[csi.ListSnapshotsResponse]:
    return rig.controller.list_snapshots(csi.ListSnapshotsRequest(snapshot_id=snapshot_id))


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_volume_is_deleted_when_its_pool_is_there_and_not_before(
    pools: Rig, layout: str
) -> None:
    await pools.create(parameters=where(layout))
    before = left(pools)

    with unmounted(pools):
        status, message = await error_of(pools.delete())
    kept = left(pools)
    await pools.delete()

    assert status is Status.UNAVAILABLE
    assert "not mounted on the device" in message
    assert kept == before
    assert left(pools) == ([], [], [])


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_what_a_broken_off_deletion_left_is_not_taken_for_nothing(
    pools: Rig, layout: str
) -> None:
    await pools.create(parameters=where(layout))
    pools.device.state.disks.clear()

    with unmounted(pools, LAYOUTS[layout].split("/")[1]):
        status, _ = await error_of(pools.delete())
    await pools.delete()

    assert status is Status.UNAVAILABLE
    assert left(pools) == ([], [], [])


async def test_a_deletion_costs_no_round_trip_more_for_looking_at_the_pool(pools: Rig) -> None:
    await pools.create()
    before = len(pools.device.lines)

    with unmounted(pools):
        await error_of(pools.delete())
    refused = len(pools.device.lines) - before
    await pools.delete()

    assert (refused, len(pools.device.lines) - before) == (1, 2)


@pytest.mark.parametrize("layout", LAYOUTS)
async def test_a_snapshot_that_cannot_be_seen_is_not_said_to_be_gone(
    pools: Rig, layout: str
) -> None:
    await pools.create(parameters=where(layout))
    taken = await snapshot(pools)
    before = left(pools)

    with unmounted(pools):
        asked = [
            await error_of(read_snapshot(pools)),
            await error_of(listed(pools)),
            await error_of(listed(pools, "snap-nightly")),
            await error_of(delete_snapshot(pools)),
            await error_of(pools.create(OTHER, source=from_snapshot(), parameters=where(layout))),
        ]
    kept = left(pools)
    found = await read_snapshot(pools)

    assert [status for status, _ in asked] == [Status.UNAVAILABLE] * 5
    assert kept == before
    assert found.snapshot == taken


async def test_while_one_pool_is_away_what_is_in_another_is_found(pools: Rig) -> None:
    await pools.create()
    taken = await snapshot(pools)

    with unmounted(pools, "btr"):
        found = await read_snapshot(pools)
        (entry,) = (await listed(pools, "snap-nightly")).entries
        await pools.create(OTHER, source=from_snapshot())
        whole, _ = await error_of(listed(pools))
        missing, _ = await error_of(
            pools.controller.get_snapshot(csi.GetSnapshotRequest(snapshot_id="snap-other"))
        )

    assert found.snapshot == entry.snapshot == taken
    assert pools.device.slots == [OTHER, NAME]
    assert whole is missing is Status.UNAVAILABLE
