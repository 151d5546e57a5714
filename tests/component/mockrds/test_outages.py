"""A device that exports its disks goes away, and is told over HTTP how to behave."""

import asyncio
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from libs.mockrds.control import open_control
from libs.mockrds.testing import running_device
from tests.component.mockrds.rig import ADD, ALLOW, NQN, Rig, made
from tests.fakes.configfs import FakeConfigfs


@pytest.fixture
async def api(rig: Rig) -> AsyncIterator[aiohttp.ClientSession]:
    async with (
        running_device(rig.device) as device,
        open_control(device.mock, "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        yield session


async def test_a_restart_takes_the_exports_away_until_it_is_back(
    rig: Rig, api: aiohttp.ClientSession
) -> None:
    rig.say(ADD.format("a"))
    before = rig.exported()

    await api.post("/restart", json={"seconds": 60})
    during = rig.exported(), (await (await api.get("/state")).json())["away"]
    await api.post("/back")
    after = (await (await api.get("/state")).json())["away"]

    assert during == ({}, True)
    assert (rig.exported(), after) == (before, False)


async def test_one_outage_ends_where_another_begins(rig: Rig, api: aiohttp.ClientSession) -> None:
    rig.say(ADD.format("a"))

    await api.post("/restart", json={"seconds": 60})
    await asyncio.gather(*(api.post("/lose-data", json={"replaced": True}) for _ in range(3)))
    away = rig.exported()
    await api.post("/back")

    assert away == {}
    assert list(rig.exported()) == [NQN]


async def test_the_control_api_lists_exports_and_sets_how_hosts_are_fenced(
    rig: Rig, api: aiohttp.ClientSession
) -> None:
    rig.say(ADD.format("a") + f"{ALLOW}=nqn.h")
    listed = await (await api.get("/exports")).json()
    bad = await api.post("/settings", json={"fencing": "perhaps"})
    good = await api.post("/settings", json={"fencing": "cut"})
    done = len(rig.tree.writes)

    rig.say(f"/disk/set [find slot=a] {ALLOW}=nqn.other")

    assert [(e["nqn"], e["hosts"], e["port"]) for e in listed] == [(NQN, ["nqn.h"], 4420)]
    assert (bad.status, good.status) == (400, 204)
    assert f"-ports/4420/subsystems/{NQN}" in rig.tree.writes[done:]


@dataclass
class SlowConfigfs(FakeConfigfs):
    """A target that waits for its hosts before it lets go of a subsystem."""

    draining: threading.Event = field(default_factory=threading.Event)
    drained: threading.Event = field(default_factory=threading.Event)

    def unlink(self, path: str) -> None:
        self.draining.set()
        assert self.drained.wait(10)
        super().unlink(path)


async def test_while_the_kernel_takes_its_time_others_are_answered_and_changes_wait(
    tmp_path: Path,
) -> None:
    tree = SlowConfigfs()
    rig = made(tmp_path, tree)
    rig.say(ADD.format("a"))
    async with running_device(rig.device) as device:
        mock = device.mock
        first = asyncio.create_task(mock.answer("/disk/remove [find slot=a]", 80))
        assert await asyncio.to_thread(tree.draining.wait, 10)
        second = asyncio.create_task(mock.answer(ADD.format("a"), 80))
        async with open_control(mock, "127.0.0.1", 0) as port, aiohttp.ClientSession() as api:
            waiting = await (await api.get(f"http://127.0.0.1:{port}/faults")).json()
        were_done = first.done(), second.done()
        first.cancel()
        tree.drained.set()
        answered = await second

    assert (waiting, were_done) == ([], (False, False))
    assert answered[:2] == ("", 0)
    assert [str(disk.properties["slot"]) for disk in rig.device.disks] == ["a"]


async def test_a_device_without_a_target_has_no_exports_to_fence() -> None:
    async with (
        running_device() as device,
        open_control(device.mock, "127.0.0.1", 0) as port,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as api,
    ):
        listed = await (await api.get("/exports")).json()
        refused = await api.post("/settings", json={"fencing": "cut"})

    assert (listed, refused.status) == ([], 400)


@pytest.mark.parametrize("path", ["/crash", "/partition", "/lose-data"])
async def test_an_outage_without_sense_is_refused(api: aiohttp.ClientSession, path: str) -> None:
    answer = await api.post(path, json={"seconds": -1})

    assert answer.status == 400
