"""What is looked at all the time, while everything goes on."""

import asyncio
import contextlib
from collections import defaultdict

import aiohttp

from tests.chaos.house import House
from tests.chaos.machine import Machine

_CONNECTIONS_EVERY = 0.25
_DEVICE_EVERY = 2.0
_USAGE_EVERY = 1.0


async def watch_connections(house: House) -> None:
    """See that no volume is connected to two nodes; runs until it is cancelled."""
    before: dict[str, set[str]] = {}
    while True:
        now = await asyncio.to_thread(_connected, house.machines)
        # One look takes time, in which a volume may go from one node to another; two do not err.
        both = {name: nodes & before.get(name, set()) for name, nodes in now.items()}
        house.promises.seen_connected(both)
        before = now
        await asyncio.sleep(_CONNECTIONS_EVERY)


def _connected(machines: list[Machine]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = defaultdict(set)
    for machine in machines:
        for name in machine.connected():
            found[name].add(machine.name)
    return found


async def watch_device(house: House) -> None:
    """Compare the device with what is promised; runs until it is cancelled."""
    while True:
        before = house.promises.settled()
        with contextlib.suppress(aiohttp.ClientError, TimeoutError):  # dead just now
            sizes, _ = await house.on_device()
            house.promises.compare(before, sizes)
        await asyncio.sleep(_DEVICE_EVERY)


async def watch_usage(house: House) -> None:
    """Note what processes use; runs until it is cancelled."""
    while True:
        for program in house.programs:
            program.look(house.now)
        await asyncio.sleep(_USAGE_EVERY)
