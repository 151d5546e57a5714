"""Watches: changes as they happen, bookmarks, and an end."""

import asyncio
import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from libs.mockkube.errors import Failure
from libs.mockkube.faults import Faults
from libs.mockkube.pages import Form, number, parse_selectors
from libs.mockkube.resources import Target
from libs.mockkube.store import Change, Store

Object = dict[str, Any]

_YES = ("1", "true")

BOOKMARK_SECONDS = 60.0
"""How often a watch that asks for it is told how far it is; kube-apiserver: once a minute."""

LAST_BOOKMARK = 2.0
"""How long before its end a watch gets its last bookmark; kube-apiserver: about two seconds."""

LONGEST_SECONDS = 1800.0
"""How long a watch lasts at most where the client names no time (--min-request-timeout)."""


@dataclass
class Bell:
    """Wakes all who wait for a change."""

    _waiting: set[asyncio.Event] = field(default_factory=set)

    def ring(self) -> None:
        """Wake them."""
        for event in self._waiting:
            event.set()

    @contextlib.contextmanager
    def listening(self) -> Iterator[asyncio.Event]:
        """Give an event that is set by each change."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            yield event
        finally:
            self._waiting.discard(event)


@dataclass
class Watch:
    """One watch of one client.

    Attributes:
        store: what is watched.
        target: the collection.
        query: of the request.
        form: how objects are told.
        faults: what is to go wrong.
        bookmark_seconds: how often there is a bookmark.
    """

    store: Store
    target: Target
    query: Mapping[str, str]
    form: Form
    faults: Faults
    bookmark_seconds: float

    def __post_init__(self) -> None:
        self._matches = parse_selectors(self.target, self.query)
        self._seen = number(self.query, "resourceVersion")
        self._has_bookmarks = self.query.get("allowWatchBookmarks", "0").lower() in _YES
        loop = asyncio.get_running_loop()
        self._ends = loop.time() + (number(self.query, "timeoutSeconds") or LONGEST_SECONDS)
        self._marks = self._next_mark()

    def check(self) -> None:
        """Refuse a watch from before what is known.

        Raises:
            Failure: its version has been forgotten.
        """
        if self._seen:
            self.store.since(self.target, self._seen)

    async def run(self, response: web.StreamResponse, changed: asyncio.Event) -> None:
        """Tell what happens until the time is up.

        Raises:
            ConnectionError: whoever watched is gone.
        """
        if not self._seen:
            await self._tell_present(response)
        while await self._tell_changes(response):
            if not await self._wait(changed):
                break
            await self._bookmark_at_times(response)

    def _next_mark(self) -> float:
        now = asyncio.get_running_loop().time()
        before_end = self._ends - LAST_BOOKMARK
        return min(now + self.bookmark_seconds, before_end if before_end > now else math.inf)

    @property
    def _is_frozen(self) -> bool:
        return any(self.target.holds(path) for path in self.faults.frozen)

    async def _tell_present(self, response: web.StreamResponse) -> None:
        self._seen = self.store.version
        for item in self.store.at(self.target, self._seen):
            if self._matches(item):
                await self._write(response, "ADDED", self.form.of(item))

    async def _tell_changes(self, response: web.StreamResponse) -> bool:
        if self._is_frozen:
            return True
        try:
            changes = self.store.since(self.target, self._seen)
        except Failure as failure:
            await self._write(response, "ERROR", failure.body)
            return False
        self._seen = self.store.version
        for change in changes:
            kind = self._kind(change)
            if kind:
                await self._write(response, kind, self.form.of(change.last))
        return True

    def _kind(self, change: Change) -> str:
        was = change.old is not None and self._matches(change.old)
        is_one = change.new is not None and self._matches(change.new)
        if was and is_one:
            return "MODIFIED"
        return "ADDED" if is_one else "DELETED" if was else ""

    async def _wait(self, changed: asyncio.Event) -> bool:
        """Wait for a change, a bookmark or the end; return whether it goes on."""
        loop = asyncio.get_running_loop()
        while (left := self._ends - loop.time()) > 0:
            if self.store.version > self._seen and not self._is_frozen:
                return True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(left, max(self._marks - loop.time(), 0.0))):
                    await changed.wait()
            changed.clear()
            if loop.time() >= self._marks:
                return loop.time() < self._ends
        return False

    async def _bookmark_at_times(self, response: web.StreamResponse) -> None:
        now = asyncio.get_running_loop().time()
        if now < self._marks:
            return
        self._marks = self._next_mark()
        # Only where all that happened has been told.
        if self._has_bookmarks and not self._is_frozen and await self._tell_changes(response):
            await self._write(response, "BOOKMARK", self._bookmark())

    def _bookmark(self) -> Object:
        resource = self.target.resource
        metadata = {"resourceVersion": str(self._seen), "creationTimestamp": None}
        item = {"kind": resource.kind, "apiVersion": resource.api_version, "metadata": metadata}
        return self.form.of(item)

    async def _write(self, response: web.StreamResponse, kind: str, item: Object) -> None:
        await response.write(json.dumps({"type": kind, "object": item}).encode() + b"\n")
