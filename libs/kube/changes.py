"""Word that something has changed in any of several collections, once for many changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

from libs.kube.watched import Watched

QUIET_SECONDS = 0.2
"""How long nothing may change before there is word."""

MOST_SECONDS = 1.0
"""How long there is no word at most, however much changes."""


class Changes:
    """Says which collections have changed, when they have calmed down.

    Args:
        collections: what to listen to.
        quiet: seconds without a change that are waited for.
        most: seconds after the first change when there is word in any case.
    """

    def __init__(
        self,
        *collections: Watched[Any],
        quiet: float = QUIET_SECONDS,
        most: float = MOST_SECONDS,
    ) -> None:
        self._quiet = quiet
        self._most = most
        self._changed: set[str] = set()
        self._word = asyncio.Event()
        for collection in collections:
            collection.subscribe(partial(self._note, collection.path))

    def _note(self, path: str) -> None:
        self._changed.add(path)
        self._word.set()

    async def wait(self) -> frozenset[str]:
        """Wait for changes; return the paths of the collections in which they were.

        Changes that come after it has returned are told by the next call.
        """
        await self._word.wait()
        try:
            await self._calm_down()
        except asyncio.CancelledError:
            self._word.set()  # nobody has been told yet
            raise
        changed, self._changed = frozenset(self._changed), set()
        self._word.clear()
        return changed

    async def _calm_down(self) -> None:
        loop = asyncio.get_running_loop()
        latest = loop.time() + self._most
        while self._word.is_set():
            self._word.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(min(loop.time() + self._quiet, latest)):
                    await self._word.wait()
            if loop.time() >= latest:
                return

    async def __aiter__(self) -> AsyncIterator[frozenset[str]]:
        while True:
            yield await self.wait()
