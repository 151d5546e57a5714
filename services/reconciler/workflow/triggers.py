"""What passes are run for, kept until one is."""

import asyncio
import contextlib
from dataclasses import dataclass, replace

from services.reconciler.ports import Clock, DeviceLink
from services.reconciler.workflow.records import Trigger

_RANKS = {Trigger.START: 3, Trigger.RECONNECT: 2, Trigger.REQUEST: 1}
"""What asks for more than a quick look at the cluster; a pass for the higher one does for both."""


@dataclass(frozen=True, slots=True)
class Cause:
    """What a pass is run for, and since when it has been waiting."""

    trigger: Trigger
    since: float


class Triggers:
    """Keeps what has happened since the last pass.

    Several at once are one pass, which is for the one that asks for most; of equals, the first.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._cause: Cause | None = None
        self._happened = asyncio.Event()

    @property
    def waiting(self) -> Cause | None:
        """What no pass has been run for yet."""
        return self._cause

    def put(self, trigger: Trigger) -> None:
        """Have a pass run soon."""
        cause = self._cause
        if cause is None:
            self._cause = Cause(trigger, self._clock.now())
        elif _RANKS.get(trigger, 0) > _RANKS.get(cause.trigger, 0):
            self._cause = replace(cause, trigger=trigger)
        self._happened.set()

    def begin(self, trigger: Trigger) -> None:
        """Have a pass run soon; it is for this, whatever else has happened before."""
        self._cause = None
        self.put(trigger)

    def rouse(self) -> None:
        """Have `take` return though nothing has happened: what it waits for may come sooner."""
        self._happened.set()

    async def take(self, until: float | None) -> Cause | None:
        """Wait for a trigger, up to a moment; return what happened, None where nothing did."""
        limit = None if until is None else max(until - self._clock.now(), 0.0)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(limit):
                await self._happened.wait()
        self._happened.clear()
        cause, self._cause = self._cause, None
        return cause


class Reconnects:
    """Tells from what is known of the devices' connections whether one has come back."""

    def __init__(self) -> None:
        self._known: dict[str, DeviceLink] = {}

    def has_come_back(self, links: tuple[DeviceLink, ...]) -> bool:
        """Take note of the connections; return whether a device was away and is back."""
        known, self._known = self._known, {link.device: link for link in links}
        return any(
            link.is_up and (not old.is_up or link.reconnects != old.reconnects)
            for link in links
            if (old := known.get(link.device)) is not None
        )
