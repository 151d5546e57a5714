"""Events that reach the API server, or do not, while nobody waits for them."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from libs.kube.client import open_kube
from libs.kube.correlate import Reference
from libs.kube.events import MOST_WAITING, Events, open_events
from tests.fakes.apiserver import ApiServer, running_api
from tests.waiting import PATIENCE, until

VOLUME = Reference("v1", "PersistentVolume", "pvc-1", uid="u1")
CLAIM = Reference("v1", "PersistentVolumeClaim", "disk", namespace="vms", uid="u2")
EVENTS = "/api/v1/namespaces/default/events"


@dataclass
class World:
    """An API server, a recorder, its clock, and the pauses that it made without waiting."""

    api: ApiServer
    now: float = 1_767_225_600.0
    pauses: list[float] = field(default_factory=list)
    may_go_on: asyncio.Event = field(default_factory=asyncio.Event)
    posted: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await self.may_go_on.wait()

    def post(self, events: Events, text: str = "lost", about: Reference = VOLUME) -> None:
        events.post(about, "ConnectionLost", text, warning=True)

    def texts(self) -> list[str]:
        return [event["message"] for event in self.api.events()]


@contextlib.asynccontextmanager
async def open_world(path: Path) -> AsyncIterator[tuple[World, Events]]:
    async with running_api(path) as api, open_kube(api.kubeconfig) as kube:
        world = World(api)
        world.may_go_on.set()
        async with open_events(
            kube,
            "driver/node",
            "worker-1",
            clock=world.clock,
            sleep=world.sleep,
            posted=world.posted.append,
        ) as events:
            yield world, events


def posts(api: ApiServer) -> int:
    return sum(request.startswith("POST") for request in api.requests)


async def test_an_event_of_an_object_of_the_cluster_is_in_the_default_namespace(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (world, events):
        world.post(events)
        await until(world.api.events)

        (event,) = world.api.events()
        (asked,) = world.api.requests

    expected: dict[str, Any] = {
        "reason": "ConnectionLost",
        "message": "lost",
        "type": "Warning",
        "count": 1,
        "firstTimestamp": "2026-01-01T00:00:00Z",
        "lastTimestamp": "2026-01-01T00:00:00Z",
        "source": {"component": "driver/node", "host": "worker-1"},
    }
    assert asked == f"POST {EVENTS}"
    assert {key: event[key] for key in expected} == expected
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "name": "pvc-1",
        "uid": "u1",
    }


async def test_an_event_of_an_object_of_a_namespace_is_there(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, events):
        events.post(CLAIM, "MountRecovered", "back", warning=False)
        await until(lambda: world.api.events("vms"))

        (event,) = world.api.events("vms")

    assert event["involvedObject"]["namespace"] == "vms"
    assert event["type"] == "Normal"


async def test_an_event_that_comes_again_is_counted(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, events):
        world.post(events)
        world.now += 90
        world.post(events)
        await until(lambda: world.api.events() and world.api.events()[0]["count"] == 2)

        (event,) = world.api.events()

    assert event["firstTimestamp"] == "2026-01-01T00:00:00Z"
    assert event["lastTimestamp"] == "2026-01-01T00:01:30Z"


async def test_an_event_that_the_cluster_has_forgotten_is_written_anew_with_its_count(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (world, events):
        world.post(events)
        await until(world.api.events)
        await world.api.remove(EVENTS, world.api.events()[0]["metadata"]["name"])

        world.post(events)
        await until(world.api.events)

        assert [event["count"] for event in world.api.events()] == [2]


async def test_a_server_that_is_away_for_a_moment_loses_no_event(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, events):
        world.may_go_on.clear()
        world.api.broken = (503, "")
        world.post(events)
        await until(lambda: world.pauses)

        world.api.broken = None
        world.may_go_on.set()
        await until(world.api.events)

        assert world.texts() == ["lost"]


async def test_an_event_whose_answer_was_lost_is_there_once(tmp_path: Path) -> None:
    with capture_logs() as logs:
        async with open_world(tmp_path) as (world, events):
            world.api.lost = 1
            world.post(events)
            await until(lambda: posts(world.api) == 2)
            world.post(events, "next")
            await until(lambda: len(world.api.events()) == 2)

    assert world.texts() == ["lost", "next"]
    assert logs == []  # neither was given up


async def test_an_event_that_cannot_be_written_is_given_up_with_one_line(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, events):
        world.api.broken = (500, "oops")
        with capture_logs() as logs:
            world.post(events)
            await until(lambda: logs)
        world.api.broken = None
        world.post(events, "next")
        await until(world.api.events)

        assert world.pauses == [0.5, 2.0, 8.0]
        assert [(line["event"], line["text"]) for line in logs] == [("event not written", "lost")]
        assert world.texts() == ["next"]


async def test_an_event_that_rbac_forbids_is_not_tried_again(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, events):
        world.api.refusals = {"POST": 403}
        with capture_logs() as logs:
            world.post(events)
            await until(lambda: logs)

        assert world.pauses == []
        assert f"403 to create {EVENTS}: RBAC" in logs[0]["error"]


async def test_too_many_events_drive_out_the_oldest_and_it_is_said_once(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, events):
        with capture_logs() as logs:
            for i in range(MOST_WAITING + 30):
                world.post(events, about=Reference("v1", "PersistentVolume", f"pvc-{i}"))
            await until(lambda: len(world.api.events()) == MOST_WAITING)

        names = [event["involvedObject"]["name"] for event in world.api.events()]
        assert names == [f"pvc-{i}" for i in range(30, MOST_WAITING + 30)]
        assert [line["event"] for line in logs] == ["dropped: they come faster than they go"]


async def test_the_end_writes_what_still_waits(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, events):
        for i in range(5):
            world.post(events, f"last words {i}")

    assert world.texts() == [f"last words {i}" for i in range(5)]


async def test_the_end_does_not_wait_for_a_server_that_is_away(tmp_path: Path) -> None:
    async with asyncio.timeout(PATIENCE):
        async with open_world(tmp_path) as (world, events):
            world.may_go_on.clear()
            world.api.broken = (500, "")
            world.post(events)
        world.post(events, "too late")

    assert world.texts() == []


async def test_an_object_with_a_very_long_name_has_events_too(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (world, events):
        world.post(events, about=Reference("v1", "PersistentVolume", "a" * 229 + "." + "b" * 23))
        await until(world.api.events)

        assert world.texts() == ["lost"]


async def test_whoever_counts_hears_of_each_event_that_was_written_and_of_no_other(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (world, events):
        world.api.refusals = {f"POST {EVENTS}": 403}
        world.post(events, "refused")
        for _ in range(2):  # they are written one after the other
            world.post(events, "again", CLAIM)
        await until(lambda: len(world.posted) == 2)

        (event,) = world.api.events("vms")

    assert world.posted == ["ConnectionLost", "ConnectionLost"]
    assert event["count"] == 2
    assert world.texts() == []
