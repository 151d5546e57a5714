"""Calls that hang: they cost one thread a key, and neither the loop nor the end of the process."""

import asyncio
import gc
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from libs.nvmeof.errors import HostHangs
from libs.nvmeof.offload import Offload

ROOT = Path(__file__).parents[3]
LONG = 30.0


class Hung:
    """A kernel that does not answer before it is told to."""

    def __init__(self) -> None:
        self.calls = 0
        self._back = threading.Event()

    def __call__(self) -> str:
        self.calls += 1
        self._back.wait(60.0)
        return "late"

    def come_back(self) -> None:
        self._back.set()


@pytest.fixture
def hung() -> Iterator[Hung]:
    hung = Hung()
    yield hung
    hung.come_back()


async def works_again(offload: Offload, key: str) -> bool:
    """Wait until something under a key is done again."""
    async with asyncio.timeout(LONG):
        while True:
            try:
                return await offload.run(key, lambda: True, limit=LONG)
            except HostHangs:
                await asyncio.sleep(0.01)


async def until_it_hangs(offload: Offload, key: str) -> str:
    """Wait until something under a key is refused; return why."""
    async with asyncio.timeout(LONG):
        while True:
            try:
                await offload.run(key, lambda: True, limit=LONG)
            except HostHangs as error:
                return error.message
            await asyncio.sleep(0.01)


async def test_what_hangs_is_left_when_its_time_is_over(hung: Hung) -> None:
    clock = asyncio.get_running_loop().time
    started = clock()

    with pytest.raises(HostHangs, match=r"did not answer within 0.1 s about volume a"):
        await Offload().run("volume a", hung, limit=0.1)

    assert 0.1 <= clock() - started < LONG


async def test_while_one_hangs_nothing_else_is_begun_under_its_key(hung: Hung) -> None:
    offload = Offload()
    with pytest.raises(HostHangs):
        await offload.run("a", hung, limit=0.05)

    for _ in range(50):
        with pytest.raises(HostHangs, match="not answered an earlier question about a"):
            await offload.run("a", hung, limit=LONG)

    assert hung.calls == 1


async def test_other_keys_go_on(hung: Hung) -> None:
    offload = Offload()
    with pytest.raises(HostHangs):
        await offload.run("a", hung, limit=0.05)

    assert await offload.run("b", lambda: 5, limit=LONG) == 5


async def test_what_came_back_is_asked_again(hung: Hung) -> None:
    offload = Offload()
    with pytest.raises(HostHangs):
        await offload.run("a", hung, limit=0.05)

    hung.come_back()

    assert await works_again(offload, "a")


async def test_a_caller_that_goes_away_says_nothing_of_the_kernel(hung: Hung) -> None:
    offload = Offload()
    task = asyncio.create_task(offload.run("a", hung, limit=LONG))
    async with asyncio.timeout(LONG):
        while not hung.calls:  # noqa: ASYNC110 (it is set in a thread)
            await asyncio.sleep(0.01)

    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await offload.run("a", lambda: 1, limit=LONG) == 1


async def test_what_hangs_is_known_to_when_its_caller_has_long_gone_away(hung: Hung) -> None:
    offload = Offload()
    task = asyncio.create_task(offload.run("a", hung, limit=0.2))
    async with asyncio.timeout(LONG):
        while not hung.calls:  # noqa: ASYNC110 (it is set in a thread)
            await asyncio.sleep(0.01)

    task.cancel()
    told = await until_it_hangs(offload, "a")
    hung.come_back()

    assert "earlier question about a" in told
    assert await works_again(offload, "a")


@pytest.mark.parametrize("error", [OSError(5, "I/O error"), KeyError("x"), HostHangs("inner")])
async def test_an_error_passes_through_as_it_is(error: Exception) -> None:
    def fail() -> None:
        raise error

    with pytest.raises(type(error)) as raised:
        await Offload().run("a", fail, limit=LONG)

    assert raised.value is error


async def test_the_loop_goes_on_while_something_hangs(hung: Hung) -> None:
    waiting = asyncio.create_task(Offload().run("a", hung, limit=LONG))

    for _ in range(100):
        await asyncio.sleep(0)
    hung.come_back()

    assert await waiting == "late"


def test_a_call_that_hangs_for_ever_does_not_keep_the_process_alive() -> None:
    program = """
import asyncio, threading
from libs.nvmeof.errors import HostHangs
from libs.nvmeof.offload import Offload

async def main():
    try:
        await Offload().run("a", threading.Event().wait, limit=0.1)
    except HostHangs:
        print("left")

asyncio.run(main())
"""
    ended = subprocess.run(  # noqa: S603 (our own program)
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert (ended.returncode, ended.stdout) == (0, "left\n")


async def test_an_error_whose_caller_has_gone_away_is_not_complained_of(hung: Hung) -> None:
    loop, complaints = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: complaints.append(context))

    def fail() -> None:
        hung()
        raise OSError("the device gives errors")

    task = asyncio.create_task(Offload().run("volume a", fail, limit=LONG))
    await asyncio.sleep(0)
    (thread,) = (each for each in threading.enumerate() if each.name == "offload volume a")
    task.cancel()
    await asyncio.wait({task})
    hung.come_back()
    await asyncio.to_thread(thread.join, LONG)
    for _ in range(3):  # the loop hears of it, and lets go of it
        await asyncio.sleep(0)
    del task
    gc.collect()
    loop.set_exception_handler(None)

    assert complaints == []


async def test_what_is_to_be_ended_is_begun_while_something_else_hangs(hung: Hung) -> None:
    offload, ended = Offload(), threading.Event()
    with pytest.raises(HostHangs):
        await offload.run("a", hung, limit=0.05)

    await offload.end("a", ended.set, limit=LONG)

    assert ended.is_set()


async def test_an_end_that_hangs_is_left_and_keeps_others_from_its_key(hung: Hung) -> None:
    offload = Offload()

    await offload.end("a", hung, limit=0.05)

    with pytest.raises(HostHangs, match="not answered an earlier question about a"):
        await offload.run("a", lambda: True, limit=LONG)
    hung.come_back()
    assert await works_again(offload, "a")
