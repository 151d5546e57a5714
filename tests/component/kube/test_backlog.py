import asyncio

from structlog.testing import capture_logs

from libs.kube.backlog import Backlog, open_backlog
from tests.waiting import PATIENCE


async def test_what_fails_does_not_take_along_what_comes_after_it() -> None:
    done: list[int] = []

    async def do(item: int) -> None:
        await asyncio.sleep(0)
        done.append(10 // item)

    backlog: Backlog[int] = Backlog("numbers", 10)
    with capture_logs() as logs:
        async with open_backlog(backlog, do):
            for item in (1, 0, 5):
                backlog.put(item)

    assert done == [10, 2]
    assert [(line["event"], line["what"]) for line in logs] == [("not done", "numbers")]


async def test_that_something_is_dropped_is_said_once_a_minute_with_how_much() -> None:
    now = 0.0
    backlog: Backlog[int] = Backlog("numbers", 1, clock=lambda: now)

    with capture_logs() as logs:
        for item in range(5):
            backlog.put(item)
        now = 59.0
        backlog.put(5)
        now = 60.0
        backlog.put(6)

    assert [line["n"] for line in logs] == [1, 5]


async def test_what_hangs_is_broken_off_at_the_end() -> None:
    begun = asyncio.Event()
    ended = asyncio.Event()

    async def do(_: int) -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    backlog: Backlog[int] = Backlog("numbers", 10)
    async with asyncio.timeout(PATIENCE), open_backlog(backlog, do):
        backlog.put(1)
        await begun.wait()

    assert ended.is_set()
    assert begun.is_set()
