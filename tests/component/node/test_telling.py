"""What people are told of a volume, at its objects or in the log."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from libs.core.ids import VolumeId
from services.node.adapters.cluster import NoCluster
from services.node.ports import Cluster, Reason
from tests.component.node.clusters import DRIVER, HOST, NAME, ONE, VOLUME, World, open_world, volume
from tests.fakes.apiserver import VOLUMES
from tests.waiting import until


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(tmp_path) as world:
        yield world


# Telling


async def test_people_are_told_at_the_volume_and_at_its_claim(world: World) -> None:
    claim = {"namespace": "vms", "name": "disk", "uid": "uid-of-claim"}
    await world.api.put(VOLUMES, volume(claimRef=claim))

    world.cluster.tell(ONE, Reason.CONNECTION_LOST, "no answer for 30 s")
    await until(lambda: world.api.events("vms"))

    (at_volume,), (at_claim,) = world.api.events(), world.api.events("vms")
    about = [event["involvedObject"]["uid"] for event in (at_volume, at_claim)]
    assert about == [f"uid-of-{NAME}", "uid-of-claim"]
    assert {event["message"] for event in (at_volume, at_claim)} == {"no answer for 30 s"}
    assert (at_claim["reason"], at_claim["type"]) == ("ConnectionLost", "Warning")
    assert at_claim["source"] == {"component": f"{DRIVER}/node", "host": "worker-1"}


async def test_good_news_is_no_warning(world: World) -> None:
    await world.api.put(VOLUMES, volume())

    world.cluster.tell(ONE, Reason.RECOVERED, "mounted again")
    await until(world.api.events)

    assert [event["type"] for event in world.api.events()] == ["Normal"]


async def test_a_volume_that_is_told_of_often_is_looked_up_once(world: World) -> None:
    await world.api.put(VOLUMES, volume())

    for i in range(5):
        world.cluster.tell(ONE, Reason.STALE_MOUNT, f"stale {i}")
    await until(lambda: len(world.api.events()) == 5)

    assert world.asked(f"GET {VOLUME}") == 1


async def test_people_are_told_though_the_api_was_away_for_a_moment(world: World) -> None:
    await world.api.put(VOLUMES, volume())
    world.api.refusals = {f"GET {VOLUME}": 503}
    world.may_try_again.clear()

    world.cluster.tell(ONE, Reason.STALE_MOUNT, "stale")
    await until(lambda: world.asked("GET"))
    world.api.refusals = {}
    world.may_try_again.set()
    await until(world.api.events)

    assert len(world.api.events()) == 1


async def test_what_cannot_be_told_is_logged_and_forgotten(world: World) -> None:
    world.api.refusals = {f"GET {VOLUME}": 403}
    other = VolumeId.parse("pvc-2")

    with capture_logs() as logs:
        world.cluster.tell(ONE, Reason.STALE_MOUNT, "stale")
        world.cluster.tell(other, Reason.STALE_MOUNT, "stale")
        await until(lambda: len(logs) == 2)

    assert "403 to get" in logs[0]["error"]
    assert logs[1] == {
        "event": "not told: it has no PersistentVolume",
        "log_level": "warning",
        "volume": "pvc-2",
        "reason": "StaleMount",
        "text": "stale",
    }


async def test_what_was_told_last_is_written_before_the_end(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.api.put(VOLUMES, volume())
        world.cluster.tell(ONE, Reason.BREAKER_OPEN, "suspended")

    assert [event["reason"] for event in world.api.events()] == ["VolumeSuspended"]


async def test_without_a_cluster_the_log_is_told() -> None:
    cluster: Cluster = NoCluster()

    with capture_logs() as logs:
        await cluster.announce(HOST)
        cluster.tell(ONE, Reason.STALE_MOUNT, "stale")
        cluster.tell(ONE, Reason.RECOVERED, "well again")

    assert [line["log_level"] for line in logs] == ["info", "warning", "info"]
    assert logs[1]["text"] == "stale"
