"""The connections to the devices, for whoever wants to be told when one changes."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from libs.rdsclient.state import LinkState
from services.controller.ports import Monitored
from services.controller.sites import Site


@dataclass(frozen=True, slots=True)
class Link:
    """A device's connection.

    Attributes:
        device: the device's name.
        state: where it stands.
        reason: why there is none.
        reconnects: how often it was made anew.
        changed: when that was seen, in seconds since 1970.
    """

    device: str
    state: LinkState
    reason: str
    reconnects: int
    changed: float


class Links:
    """Keeps what the devices' connections say. Made by `open_links`."""

    def __init__(self, devices: Sequence[tuple[Site, Monitored]]) -> None:
        self._devices = tuple(devices)
        now = time.time()
        self._links = {
            site.name: Link(site.name, LinkState.CONNECTING, "", 0, now) for site, _ in devices
        }
        self._number = 0
        self._changed = asyncio.Condition()

    @property
    def now(self) -> tuple[Link, ...]:
        """The connections, as they were last seen."""
        return tuple(self._links.values())

    async def follow(self, site: Site, device: Monitored) -> None:
        """Take note of one device's connection, for ever."""
        async for status in device.watch():
            link = Link(
                site.name, status.state, status.reason, max(status.epoch - 1, 0), time.time()
            )
            async with self._changed:
                self._links[site.name] = link
                self._number += 1
                self._changed.notify_all()

    async def watch(self) -> AsyncIterator[tuple[Link, ...]]:
        """Yield all connections, now and after every change; quick ones may come together."""
        seen = -1
        while True:
            async with self._changed:
                while self._number == seen:
                    await self._changed.wait()
                seen, links = self._number, self.now
            yield links


@contextlib.asynccontextmanager
async def open_links(devices: Sequence[tuple[Site, Monitored]]) -> AsyncIterator[Links]:
    """Own the tasks that follow the connections."""
    links = Links(devices)
    tasks = [asyncio.create_task(links.follow(site, device)) for site, device in devices]
    try:
        yield links
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
