"""One run: a house, its clients, and what goes wrong."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.chaos import audit, report, watch
from tests.chaos.house import House, open_house
from tests.chaos.lives import Client
from tests.chaos.schedule import draw_schedule
from tests.chaos.trouble import Trouble


@dataclass(frozen=True)
class Options:
    """How a run is to be.

    Attributes:
        seed: what everything is drawn from.
        seconds: how long things go wrong.
        intensity: how many faults there are, in comparison.
        clients: how many there are.
        nodes: likewise.
    """

    seed: int
    seconds: float
    intensity: float = 1.0
    clients: int = 8
    nodes: int = 3


_UNSPARED = 2 / 3
"""Share of the time in which no process is spared."""

Sabotage = Callable[[House], Awaitable[object]]


async def nothing(_: House) -> None:
    """Do no harm."""


async def run(options: Options, directory: Path, sabotage: Sabotage = nothing) -> dict[str, Any]:
    """Run once; return what it came to. What must not be is in its `broken`.

    Args:
        options: how.
        directory: for what runs, and its logs.
        sabotage: breaks a promise when all is at rest, to try whether that is noticed.

    Raises:
        HouseBroken: the house could not be kept, so nothing can be said.
    """
    async with open_house(directory, options.nodes) as house:
        trouble = Trouble(house, options.seconds * _UNSPARED)
        clients = [Client(number, options.seed, house) for number in range(options.clients)]
        async with _watched(house):
            living = asyncio.ensure_future(_live(clients))
            try:
                faults = draw_schedule(options.seed, options.seconds, options.intensity)
                await _first_end(trouble.run(faults), living)
                rest = await audit.reach_rest(house, clients, living)
            finally:
                living.cancel()
                await asyncio.wait({living})
        await sabotage(house)
        await audit.compare_all(house)
        await audit.read_logs(house)
        facts = {
            "seed": options.seed,
            "seconds": options.seconds,
            "intensity": options.intensity,
            "rest_seconds": round(rest, 1),
            "usage": report.compare_usage(house),
            "logs": str(house.logs),
        }
        return report.gather(house, trouble, facts)


async def _live(clients: list[Client]) -> None:
    async with asyncio.TaskGroup() as group:
        for client in clients:
            group.create_task(client.live())


async def _first_end(faults: Coroutine[Any, Any, None], living: asyncio.Future[None]) -> None:
    """Run faults to their end, but not beyond that of the clients, who end only if they fail."""
    task = asyncio.ensure_future(faults)
    try:
        await asyncio.wait({task, living}, return_when=asyncio.FIRST_COMPLETED)
        if living.done():
            await living
        await task
    finally:
        task.cancel()
        await asyncio.wait({task})


@contextlib.asynccontextmanager
async def _watched(house: House) -> AsyncIterator[None]:
    watches = (watch.watch_connections, watch.watch_device, watch.watch_usage)
    tasks = [asyncio.ensure_future(one(house)) for one in watches]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                raise result
