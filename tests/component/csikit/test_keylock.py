import asyncio
import contextlib

import pytest
import structlog

from libs.core.errors import Busy, NotFound, OutcomeUnknown, Unreachable
from libs.csikit.keylock import KeyedTasks, open_keyed_tasks


async def test_a_second_change_of_one_key_is_busy_and_another_key_is_not() -> None:
    go_on, started = asyncio.Event(), asyncio.Event()

    async def work() -> int:
        started.set()
        await go_on.wait()
        return 7

    async with open_keyed_tasks(5) as tasks:
        first = asyncio.create_task(tasks.run("a", work))
        await started.wait()
        with pytest.raises(Busy, match="volume a"):
            await tasks.run("a", work)
        other = asyncio.create_task(tasks.run("b", work))
        go_on.set()

        assert [await first, await other, await tasks.run("a", work)] == [7, 7, 7]


async def test_a_change_outlives_its_caller_and_holds_its_key_to_the_end() -> None:
    go_on, started, done = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def work() -> None:
        started.set()
        await go_on.wait()
        done.set()
        raise NotFound("nobody hears this")

    async with open_keyed_tasks(5) as tasks:
        caller = asyncio.create_task(tasks.run("a", work))
        await started.wait()
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        with pytest.raises(Busy):
            await tasks.run("a", work)
        with structlog.testing.capture_logs() as lines:
            go_on.set()
            await done.wait()
            await free(tasks)

    assert [line["event"] for line in lines] == ["work failed after its caller had left"]


async def free(tasks: KeyedTasks) -> None:
    async def nothing() -> None:
        pass

    while True:
        with contextlib.suppress(Busy):
            return await tasks.run("a", nothing)
        await asyncio.sleep(0)


async def test_at_the_end_what_is_in_hand_has_its_time_and_no_more() -> None:
    never = asyncio.Event()
    async with open_keyed_tasks(0.05) as tasks:
        caller = asyncio.create_task(tasks.run("a", never.wait))
        await asyncio.sleep(0)

    with pytest.raises(OutcomeUnknown):
        await caller
    with pytest.raises(Unreachable):
        await tasks.run("a", never.wait)


async def test_several_keys_are_taken_together_or_not_at_all() -> None:
    go_on = asyncio.Event()
    async with open_keyed_tasks(5) as tasks:
        clone = asyncio.create_task(tasks.run(("source", "target"), go_on.wait))
        await asyncio.sleep(0)

        with pytest.raises(Busy, match="volume source"):
            await tasks.run("source", go_on.wait)
        with pytest.raises(Busy, match="volume target"):
            await tasks.run(("other", "target"), go_on.wait)
        go_on.set()

        assert await tasks.run("other", go_on.wait)
        assert await clone
        assert await tasks.run(("target", "source"), go_on.wait)


async def test_what_changes_share_is_changed_by_nobody_until_the_last_of_them_is_done() -> None:
    first_may_end, second_may_end = asyncio.Event(), asyncio.Event()
    async with open_keyed_tasks(5) as tasks:
        first = asyncio.create_task(tasks.run("a", first_may_end.wait, ("source",)))
        second = asyncio.create_task(tasks.run("b", second_may_end.wait, ("source",)))
        await asyncio.sleep(0)

        with pytest.raises(Busy, match="source"):
            await tasks.run("source", second_may_end.wait)
        first_may_end.set()
        await first
        with pytest.raises(Busy, match="source"):
            await tasks.run("source", second_may_end.wait)
        second_may_end.set()
        await second
        changing = asyncio.Event()
        change = asyncio.create_task(tasks.run("source", changing.wait))
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="source"):
            await tasks.run("a", second_may_end.wait, ("source",))
        changing.set()

        assert await change
        assert await tasks.run("a", second_may_end.wait, ("source",))
