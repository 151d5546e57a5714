from grpclib.const import Status

from tests.conformance.calls import status_of, wait_until
from tests.conformance.lab import Lab, fresh
from tests.conformance.needs import Rpc, needs

pytestmark = needs(Rpc.CREATE_DELETE_VOLUME, Rpc.CREATE_DELETE_SNAPSHOT, Rpc.GET_SNAPSHOT)


async def test_get_snapshot_without_an_id_is_an_invalid_argument(lab: Lab) -> None:
    status = await status_of(lab.get_snapshot(""))

    assert status is Status.INVALID_ARGUMENT


async def test_an_unknown_snapshot_is_not_found(lab: Lab) -> None:
    status = await status_of(lab.get_snapshot(fresh("snapshot")))

    assert status is Status.NOT_FOUND


async def test_a_deleted_snapshot_is_not_found(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.create_snapshot(volume.volume_id)
    await lab.delete_snapshot(snapshot.snapshot_id)

    status = await status_of(lab.get_snapshot(snapshot.snapshot_id))

    assert status is Status.NOT_FOUND


async def test_the_id_of_a_volume_is_no_snapshot(lab: Lab) -> None:
    volume = await lab.create_volume()

    status = await status_of(lab.get_snapshot(volume.volume_id))

    # It is not there; or the text is no snapshot's ID of this plugin at all.
    assert status in {Status.NOT_FOUND, Status.INVALID_ARGUMENT}


async def test_a_snapshot_is_found_as_it_was_made(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.ready_snapshot(volume.volume_id)

    found = await lab.get_snapshot(snapshot.snapshot_id)

    assert found == snapshot


async def test_a_snapshot_is_found_ready_in_time(lab: Lab) -> None:
    volume = await lab.create_volume()
    snapshot = await lab.create_snapshot(volume.volume_id)

    found = await wait_until(
        lambda: lab.get_snapshot(snapshot.snapshot_id),
        lambda found: found.ready_to_use,
        lab.options.ready_seconds,
        "the snapshot is ready to use",
    )

    assert found.source_volume_id == volume.volume_id
