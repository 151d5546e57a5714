"""A watched collection against a server that breaks off, refuses, lags and forgets."""

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from libs.kube.answers import Object
from libs.kube.changes import Changes
from libs.kube.client import open_kube
from libs.kube.watched import Watched, open_watched
from tests.fakes.apiserver import NODES, ApiServer, running_api
from tests.waiting import PATIENCE, until


def name_of(item: Object) -> str:
    return str(item["metadata"]["name"])


@contextlib.asynccontextmanager
async def open_world(
    path: Path, clock: Callable[[], float] = time.monotonic
) -> AsyncIterator[tuple[ApiServer, Watched[str]]]:
    async with running_api(path) as api, open_kube(api.kubeconfig) as kube:
        await put(api, "one")
        watched = Watched(kube, NODES, name_of, clock=clock)
        async with open_watched(watched):
            await until(lambda: watched.is_synced)
            yield api, watched


async def put(api: ApiServer, name: str) -> None:
    await api.put(NODES, {"metadata": {"name": name}})


def listings(api: ApiServer) -> int:
    return api.requests.count(f"GET {NODES}")


async def test_a_watch_that_is_cut_off_goes_on_without_a_listing(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, watched):
        before = listings(api)

        for name in ("two", "three"):
            await api.cut_watches()
            await put(api, name)
            await until(partial(watched.get, name))

        assert listings(api) == before
        assert watched.known().is_complete


@pytest.mark.parametrize("as_status", [False, True], ids=["event", "status"])
async def test_a_watch_that_is_too_old_is_closed_by_a_listing(
    tmp_path: Path,
    as_status: bool,  # noqa: FBT001 (pytest names it)
) -> None:
    async with open_world(tmp_path) as (api, watched):
        api.faults.gone_as_status = as_status
        before = listings(api)

        async with api.running.away(forgets=True):
            await api.remove(NODES, "one")
            await put(api, "two")

        await until(lambda: set(watched.known().values) == {"two"})
        assert listings(api) == before + 1


async def test_while_a_gap_is_open_the_collection_is_not_complete(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, watched):
        async with api.running.away(forgets=True):
            await put(api, "two")
            api.refusals = {f"GET {NODES}": 500}
        await until(lambda: not watched.known().is_complete)
        kept = set(watched.known().values)

        api.refusals = {}
        await until(lambda: watched.known().is_complete)

        assert kept == {"one"}
        assert set(watched.known().values) == {"one", "two"}


async def test_a_proxy_that_answers_404_makes_nothing_vanish(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, watched):
        api.broken = (404, "no such page")
        await api.cut_watches()
        await until(lambda: not watched.known().is_served)
        known = watched.known()
        api.broken = None
        await until(lambda: watched.known().is_complete)

        assert set(known.values) == {"one"}
        assert not known.is_complete


async def test_what_a_silent_server_last_said_grows_old(tmp_path: Path) -> None:
    now = 1000.0
    async with open_world(tmp_path, lambda: now) as (api, watched):
        api.frozen.add(NODES)
        await put(api, "two")
        now += 45
        silent = watched.known()
        api.frozen.clear()
        await put(api, "three")
        await until(lambda: watched.get("three"))
        after = watched.known()

    assert silent.age == 45
    assert after.age == 0


async def test_a_bookmark_says_that_nothing_was_missed(tmp_path: Path) -> None:
    now = 1000.0
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        api.mock.bookmark_seconds = 0.05
        watched = Watched(kube, NODES, name_of, clock=lambda: now)
        async with open_watched(watched):
            await until(lambda: watched.is_synced)
            now += 100

            await until(lambda: watched.known().age == 0)


async def test_there_is_word_at_last_though_changes_never_cease(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, watched):
        changes = Changes(watched, quiet=0.2, most=0.5)
        busy = asyncio.create_task(change_for_ever(api))

        async with asyncio.timeout(PATIENCE):
            told = await changes.wait()

        busy.cancel()
        assert told == {NODES}


async def change_for_ever(api: ApiServer) -> None:
    number = 0
    while True:
        number += 1
        await put(api, f"node-{number}")
        await asyncio.sleep(0.02)


async def test_changes_that_nobody_was_told_of_are_told_to_the_next_who_asks(
    tmp_path: Path,
) -> None:
    async with open_world(tmp_path) as (api, watched):
        changes = Changes(watched, quiet=0.3)
        for number in itertools.count(2):
            leaving = asyncio.create_task(changes.wait())
            await put(api, f"node-{number}")
            await until(partial(watched.get, f"node-{number}"))
            leaving.cancel()  # while it waits for quiet
            await asyncio.wait({leaving})
            if leaving.cancelled():  # on a slow machine it may have been told
                break

        async with asyncio.timeout(PATIENCE):
            assert await changes.wait() == {NODES}


async def test_what_changes_nothing_that_is_kept_is_no_news(tmp_path: Path) -> None:
    async with open_world(tmp_path) as (api, watched):
        told: list[str] = []
        watched.subscribe(lambda: told.append("word"))

        await put(api, "one")  # a heartbeat
        await put(api, "two")
        await until(lambda: watched.get("two"))

        assert told == ["word"]


def name_of_even(item: Object) -> str:
    if "odd" in name_of(item):
        raise ValueError("it cannot be read")
    return name_of(item)


async def test_an_object_that_cannot_be_read_is_told_of_until_it_is_gone(tmp_path: Path) -> None:
    async with running_api(tmp_path) as api, open_kube(api.kubeconfig) as kube:
        await put(api, "odd-1")
        watched = Watched(kube, NODES, name_of_even)
        async with open_watched(watched):
            await until(lambda: watched.odd == {"odd-1"})
            await put(api, "odd-2")
            await until(lambda: watched.odd == {"odd-1", "odd-2"})

            for name in ("odd-1", "odd-2"):
                await api.remove(NODES, name)

            await until(lambda: not watched.odd)
            assert watched.known().is_complete
