"""What people are told by events, on which object, and how often."""

from typing import Any

from tests.component.reconciler.rig import DRIVER, Replica, World, volume
from tests.waiting import eventually, until

CSI_DRIVERS = "/apis/storage.k8s.io/v1/csidrivers"
EAGER: dict[str, Any] = {"orphan_grace": 0.0, "max_orphans_percent": 100}


async def add_driver(world: World) -> str:
    """Add the CSIDriver object; return its UID, by which kubectl describe finds its events."""
    await world.api.put(CSI_DRIVERS, {"metadata": {"name": DRIVER}, "spec": {}})
    return str(world.api.objects[CSI_DRIVERS][DRIVER]["metadata"]["uid"])


def of_driver(event: dict[str, Any], uid: str) -> bool:
    about = event["involvedObject"]
    return (about["kind"], about["name"], about.get("uid", "")) == ("CSIDriver", DRIVER, uid)


async def test_an_orphan_is_told_once_however_many_passes_and_leaders_see_it(world: World) -> None:
    uid = await add_driver(world)
    world.controller.volumes.append(volume(1))
    for _ in range(2):
        async with world.replica(**EAGER) as replica:
            for _ in range(2):
                await replica.run_pass()

    (event,) = world.told("OrphanFound")
    assert of_driver(event, uid)
    assert event["type"] == "Warning"
    assert event["count"] == 1
    assert f"Volume {volume(1)} is on the device" in event["message"]
    assert "It takes 1 GiB of rds." in event["message"]


async def test_an_orphan_is_not_told_before_it_has_waited(world: World) -> None:
    world.controller.volumes += [volume(1)]
    async with world.replica(orphan_grace=3600.0) as replica:
        await replica.run_pass()
        kinds = await replica.kinds()

    assert kinds == {"ORPHAN_VOLUME"}
    assert world.told("OrphanFound") == []


async def test_of_a_crowd_of_orphans_only_the_number_is_told(world: World) -> None:
    world.controller.volumes += [volume(number) for number in range(11)]
    async with world.replica(**EAGER) as replica:
        await replica.run_pass()

    (event,) = world.told("OrphansFound")
    assert event["message"].startswith("11 orphans were found at once (11 of kind volume)")
    assert world.told("OrphanFound") == []


async def test_the_removal_of_an_orphan_is_told_on_the_driver(world: World) -> None:
    uid = await add_driver(world)
    await world.attached_volumes("a", 2)  # so that not all of this driver's objects are lost
    world.controller.volumes.append(volume(1))
    async with world.replica(**EAGER, orphans_dry_run=False) as replica:
        await replica.run_pass()
        await until(lambda: bool(world.told("OrphanRemoved")))

    (event,) = world.told("OrphanRemoved")
    assert of_driver(event, uid)
    assert volume(1) in event["message"]


async def test_a_stale_attachment_that_is_gone_is_told_on_its_volume(world: World) -> None:
    (name,) = await world.attached_volumes("a", 1)
    async with world.replica():
        await world.delete_node("a")
        await until(lambda: bool(world.told("StaleAttachmentCleared")))

    (event,) = world.told("StaleAttachmentCleared")
    about = event["involvedObject"]
    assert (about["kind"], about["name"]) == ("PersistentVolume", name)
    assert about["uid"]
    assert world.attached == set()
    assert "there is no node of that name any more" in event["message"]


async def test_a_device_that_is_lost_and_found_is_told_on_the_driver(world: World) -> None:
    uid = await add_driver(world)
    async with world.replica() as replica:
        await eventually(lambda: is_connected(replica))
        await world.controller.lose_device("it does not answer")
        await until(lambda: bool(world.told("DeviceConnectionLost")))
        early = world.told("DeviceConnectionRestored")
        await world.controller.find_device()
        await until(lambda: bool(world.told("DeviceConnectionRestored")))

    (lost,) = world.told("DeviceConnectionLost")
    (restored,) = world.told("DeviceConnectionRestored")
    assert early == []
    assert of_driver(lost, uid)
    assert of_driver(restored, uid)
    assert (lost["type"], restored["type"]) == ("Warning", "Normal")
    assert lost["message"].endswith("lost its connection to device rds: it does not answer")


async def is_connected(replica: Replica) -> bool:
    status = await replica.status()
    return [one.device for one in status.devices] == ["rds"]


async def test_a_device_that_was_away_for_a_moment_is_told_as_restored(world: World) -> None:
    async with world.replica() as replica:
        await eventually(lambda: is_connected(replica))
        await world.controller.reconnect()
        await until(lambda: bool(world.told("DeviceConnectionRestored")))

    assert world.told("DeviceConnectionLost") == []


async def test_a_device_that_was_lost_without_a_leader_is_told_by_the_next_one(
    world: World,
) -> None:
    await world.controller.lose_device("it does not answer")
    async with world.replica():
        await until(lambda: bool(world.told("DeviceConnectionLost")))

    assert len(world.told("DeviceConnectionLost")) == 1


async def test_where_the_driver_cannot_be_read_events_are_written_all_the_same(
    world: World,
) -> None:
    await add_driver(world)
    world.api.refusals = {f"GET {CSI_DRIVERS}": 403}
    world.controller.volumes.append(volume(1))
    async with world.replica(**EAGER) as replica:
        await replica.run_pass()
        await until(lambda: bool(world.told("OrphanFound")))

    (event,) = world.told("OrphanFound")
    assert of_driver(event, "")
