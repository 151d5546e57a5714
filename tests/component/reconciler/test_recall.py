"""What is known of the memory is never more, and never less, than what is kept."""

import asyncio
from dataclasses import replace

import pytest

from libs.kube.errors import NotLeader
from services.reconciler.adapters.clock import SteadyClock
from services.reconciler.memory import Memory, Pause
from services.reconciler.workflow.recall import Recall

PAUSE = Pause("a test", "jane", 0.0)


class Store:
    """A memory that takes what it is given, and answers once it is `let`.

    Attributes:
        memory: what is kept.
        asked: set once something was saved.
        let: when it answers.
    """

    def __init__(self) -> None:
        self.memory = Memory()
        self.asked = asyncio.Event()
        self.let = asyncio.Event()
        self.let.set()

    async def load(self) -> tuple[Memory, str]:
        await self.let.wait()
        return self.memory, "1"

    async def save(self, memory: Memory, version: str) -> str:
        self.memory = memory
        self.asked.set()
        await self.let.wait()
        return version


class Term:
    """Leads until it is `over`."""

    over = False

    def check(self) -> None:
        if self.over:
            raise NotLeader("the term is over")


def paused(memory: Memory) -> Memory:
    return replace(memory, paused=PAUSE)


async def test_a_change_that_nobody_waits_for_any_more_is_read_before_it_counts() -> None:
    store = Store()
    recall = Recall(store, SteadyClock(), Term().check, 0.0)
    await recall.read()
    store.let.clear()
    changing = asyncio.create_task(recall.change(paused))
    await store.asked.wait()

    changing.cancel()
    await asyncio.gather(changing, return_exceptions=True)
    store.let.set()

    assert recall.known is None
    assert (await recall.read()).paused == PAUSE


async def test_a_change_as_the_term_ends_leaves_nothing_known() -> None:
    store, term = Store(), Term()
    recall = Recall(store, SteadyClock(), term.check, 0.0)
    await recall.read()
    term.over = True

    with pytest.raises(NotLeader):
        await recall.change(paused)

    assert recall.known is None
    assert store.memory.paused is None


async def test_what_is_loaded_as_the_term_ends_is_not_known() -> None:
    store, term = Store(), Term()
    recall = Recall(store, SteadyClock(), term.check, 0.0)
    store.let.clear()
    reading = asyncio.create_task(recall.read())
    term.over = True
    store.let.set()

    with pytest.raises(NotLeader):
        await reading

    assert recall.known is None
