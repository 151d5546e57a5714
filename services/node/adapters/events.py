"""Telling people about a volume: events on its PersistentVolume and on the claim that is bound."""

import contextlib
import time
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from libs.core.errors import Unreachable
from libs.core.ids import VolumeId
from libs.kube.answers import Object
from libs.kube.attachments import references_of
from libs.kube.backlog import Backlog, open_backlog
from libs.kube.correlate import Reference
from libs.kube.events import Events
from libs.kube.retry import Sleep, retried
from services.node.ports import Reason

log = structlog.get_logger(__name__)

FindVolume = Callable[[VolumeId], Awaitable[Object | None]]

_MOST_WAITING = 100
"""What waits to be told; one more drives out the oldest."""

_KNOWN_SECONDS = 600.0
"""How long it is remembered which objects a volume has: in an outage much is told at once."""

_MOST_KNOWN = 500
"""Volumes of which that is remembered; a node has fewer."""


@dataclass(frozen=True, slots=True)
class _Tale:
    volume: VolumeId
    reason: Reason
    text: str


@dataclass(frozen=True, slots=True)
class _Known:
    at: float
    objects: Sequence[Reference]


class Teller:
    """Finds the objects that a volume has, and posts events on them. See `open_teller`."""

    def __init__(self, events: Events, find: FindVolume, sleep: Sleep) -> None:
        self._events = events
        self._find = find
        self._sleep = sleep
        self._backlog: Backlog[_Tale] = Backlog("tales of volumes", _MOST_WAITING)
        self._known: OrderedDict[VolumeId, _Known] = OrderedDict()

    def tell(self, volume: VolumeId, reason: Reason, text: str) -> None:
        """Have it told, some time; never waits and never fails."""
        self._backlog.put(_Tale(volume, reason, text))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell until the block ends."""
        async with open_backlog(self._backlog, self._tell):
            yield

    async def _tell(self, tale: _Tale) -> None:
        volume, reason = tale.volume.text, tale.reason.value
        try:
            objects = await self._objects(tale.volume)
        except Unreachable as error:
            log.warning(
                "not told", volume=volume, reason=reason, text=tale.text, error=error.message
            )
            return
        if not objects:
            log.warning(
                "not told: it has no PersistentVolume", volume=volume, reason=reason, text=tale.text
            )
        for about in objects:
            self._events.post(about, reason, tale.text, warning=tale.reason.is_warning)

    async def _objects(self, volume: VolumeId) -> Sequence[Reference]:
        known = self._known.get(volume)
        if known and time.monotonic() - known.at < _KNOWN_SECONDS:
            return known.objects
        item = await retried(lambda: self._find(volume), self._sleep)
        if item is None:
            return ()
        objects = references_of(item)
        self._known[volume] = _Known(time.monotonic(), objects)
        self._known.move_to_end(volume)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return objects


@contextlib.asynccontextmanager
async def open_teller(events: Events, find: FindVolume, sleep: Sleep) -> AsyncIterator[Teller]:
    """Own a teller."""
    teller = Teller(events, find, sleep)
    async with teller.running():
        yield teller
