"""What is wrong at the moment, for people, and for those who watch."""

import asyncio
from collections.abc import AsyncIterator, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from itertools import islice

from services.reconciler.findings import Finding, FindingState
from services.reconciler.workflow.backoff import Backoff

_KEPT_SECONDS = 3600.0
"""How long findings are shown after they have been resolved."""

_MOST_RESOLVED = 500

_PIECE = 500
"""Findings after which others have their turn: a millisecond or two."""


class Change(Enum):
    """What happened to a finding; rdscsi.reconciler.v1.Change."""

    PRESENT = "present"
    ADDED = "added"
    UPDATED = "updated"
    RESOLVED = "resolved"


@dataclass(frozen=True, slots=True)
class Entry:
    """A finding as it is shown.

    Attributes:
        finding: with the state that it has by now.
        last_seen: when it was last seen.
        failures: how often its actions have failed in a row.
        last_error: why.
        next_try: when they are tried again.
    """

    finding: Finding
    last_seen: float
    failures: int = 0
    last_error: str = ""
    next_try: float | None = None

    def is_like(self, other: "Entry | None") -> bool:
        """Whether it says the same, whenever it was seen."""
        return (
            other is not None
            and self.finding == other.finding
            and (self.failures, self.last_error, self.next_try)
            == (other.failures, other.last_error, other.next_try)
        )


class Board:
    """Keeps findings from pass to pass."""

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._resolved: dict[str, Entry] = {}
        self._number = 0
        self._changed = asyncio.Condition()
        self.as_of: float | None = None

    @property
    def entries(self) -> Mapping[str, Entry]:
        """What is wrong, by ID."""
        return self._entries

    def all(self) -> list[Entry]:
        """Return what is wrong, and what was until lately, in the order of IDs."""
        both = {**self._resolved, **self._entries}
        return [both[key] for key in sorted(both)]

    async def wait_shown(self) -> None:
        """Wait until something has been shown for the first time."""
        async with self._changed:
            while self.as_of is None:
                await self._changed.wait()

    async def publish(
        self,
        findings: Iterable[Finding],
        backoff: Backoff,
        now: float,
        unjudged: Container[str] = (),
    ) -> None:
        """Show what was found.

        Args:
            findings: what is wrong.
            backoff: what failed lately.
            now: the time.
            unjudged: IDs of what may be wrong still, though it was not found; all else is resolved.
        """
        fresh: dict[str, Entry] = {}
        for count, finding in enumerate(findings, 1):
            fresh[finding.id] = _entry(finding, backoff, now)
            if not count % _PIECE:
                await asyncio.sleep(0)
        # From here on nobody else has a turn before it is all there.
        fresh |= {k: e for k, e in self._entries.items() if k not in fresh and k in unjudged}
        self._resolve({k: e for k, e in self._entries.items() if k not in fresh}, now)
        self._resolved = {k: e for k, e in self._resolved.items() if k not in fresh}
        self._entries = fresh
        self.as_of = now
        async with self._changed:
            self._number += 1
            self._changed.notify_all()

    def _resolve(self, gone: Mapping[str, Entry], now: float) -> None:
        for key, entry in islice(gone.items(), _MOST_RESOLVED):
            finding = replace(
                entry.finding, state=FindingState.RESOLVED, next="", due=None, actions=()
            )
            self._resolved[key] = Entry(finding, now)
        recent = [e for e in self._resolved.values() if now - e.last_seen < _KEPT_SECONDS]
        recent.sort(key=lambda entry: entry.last_seen)
        self._resolved = {entry.finding.id: entry for entry in recent[-_MOST_RESOLVED:]}

    async def watch(self) -> AsyncIterator[list[tuple[Change, Entry]]]:
        """Yield all findings, and then what changes; quick changes may come together."""
        sent: Mapping[str, Entry] = {}
        seen, is_first = -1, True
        while True:
            async with self._changed:
                while self._number == seen:
                    await self._changed.wait()
                seen, now = self._number, self._entries
            changes: list[tuple[Change, Entry]] = []
            for count, change in enumerate(self._compare(sent, now, is_first=is_first), 1):
                changes += [change] if change else []
                if not count % _PIECE:
                    await asyncio.sleep(0)
            if changes or is_first:
                yield changes
            sent, is_first = now, False

    def _compare(
        self, before: Mapping[str, Entry], now: Mapping[str, Entry], *, is_first: bool
    ) -> Iterable[tuple[Change, Entry] | None]:
        for key, entry in now.items():
            if key not in before:
                yield (Change.PRESENT if is_first else Change.ADDED), entry
            elif not entry.is_like(before[key]):
                yield Change.UPDATED, entry
            else:
                yield None
        for key in before.keys() - now.keys():
            if resolved := self._resolved.get(key):
                yield Change.RESOLVED, resolved


def _entry(finding: Finding, backoff: Backoff, now: float) -> Entry:
    failures = [f for a in finding.actions if (f := backoff.of(a.key)) is not None]
    if not failures:
        return Entry(finding, now)
    last = max(failures, key=lambda failure: failure.next_try)
    is_waiting = now < last.next_try and finding.state is FindingState.ACTING
    state = FindingState.BACKING_OFF if is_waiting else finding.state
    return Entry(replace(finding, state=state), now, last.count, last.error, last.next_try)
