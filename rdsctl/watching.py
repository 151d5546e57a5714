"""`rdsctl watch`: findings as they come and go, over restarts of the reconciler."""

import argparse
import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterator
from datetime import UTC, datetime

from libs.core.errors import OutcomeUnknown, RdsCsiError, Unreachable
from protos.gen.rdscsi.reconciler import v1 as api
from protos.gen.rdscsi.reconciler.v1 import Change, Finding, FindingChange
from rdsctl.api import Admin
from rdsctl.blocks import Line, Outcome, Tone
from rdsctl.commands import parse_words
from rdsctl.jsonform import to_json
from rdsctl.views.findings import change_row
from rdsctl.words import clean, plural

FIRST_WAIT = 0.5
LAST_WAIT = 8.0
"""Seconds before a lost connection is made anew, the first time and at most."""


class Tracker:
    """Knows what was told already, so that a new connection tells only what is new.

    Args:
        only_changes: whether to leave out what there is at first.
    """

    def __init__(self, *, only_changes: bool = False) -> None:
        self._quiet = only_changes
        self._known: dict[str, Finding] = {}
        self._listed: set[str] = set()
        self.is_synced = False

    def begin(self) -> None:
        """Take note of a new connection, on which everything that there is comes first."""
        self._listed = set()
        self.is_synced = False

    def take(self, part: api.WatchFindingsResponse) -> Iterator[FindingChange]:
        """Yield what is news in a part of the stream."""
        for change in part.changes:
            if change.finding is not None and self._is_news(change, change.finding):
                yield change
        if part.synced and not self.is_synced:
            self.is_synced = True
            yield from self._vanished()
            self._quiet = False

    def __len__(self) -> int:
        return len(self._known)

    def _is_news(self, change: FindingChange, finding: Finding) -> bool:
        before = self._known.get(finding.id)
        if change.change is Change.RESOLVED:
            self._known.pop(finding.id, None)
            return True
        self._known[finding.id] = finding
        self._listed.add(finding.id)
        if change.change is Change.PRESENT and (self._quiet or before is not None):
            return before is not None and _essence(before) != _essence(finding)
        return True

    def _vanished(self) -> Iterator[FindingChange]:
        for key in [key for key in self._known if key not in self._listed]:
            finding = self._known.pop(key)
            yield FindingChange(change=Change.RESOLVED, finding=finding, at=datetime.now(UTC))


def _essence(finding: Finding) -> tuple[object, ...]:
    """Return what makes a finding worth another line: not that it was seen again."""
    return finding.state, finding.reason, finding.next, finding.failures, finding.last_error


async def watch(admin: Admin, args: argparse.Namespace) -> AsyncGenerator[Outcome, None]:
    """Yield what becomes of findings, for ever.

    Raises:
        Unreachable: there was no connection, from the beginning.
        OutcomeUnknown: likewise.
        RdsCsiError: the server does not allow or know it.
    """
    request = api.WatchFindingsRequest(
        kinds=parse_words(api.FindingKind, args.kind),
        volume_id=args.volume or "",
        node=args.node or "",
    )
    tracker = Tracker(only_changes=args.only_changes)
    wait, was_synced = FIRST_WAIT, False
    while True:
        tracker.begin()
        error: RdsCsiError | None = None
        try:
            async with contextlib.aclosing(admin.watch(request)) as parts:
                async for part in parts:
                    for change in tracker.take(part):
                        yield _changed(change)
                    if part.synced:
                        yield _synced(len(tracker), again=was_synced)
                        wait, was_synced = FIRST_WAIT, True
        except (Unreachable, OutcomeUnknown) as lost:
            error = lost
            if not was_synced:
                raise
        if wait == FIRST_WAIT:
            yield _lost(error)
        await asyncio.sleep(wait)
        wait = min(wait * 2, LAST_WAIT)


def _changed(change: FindingChange) -> Outcome:
    finding = change.finding or Finding()
    document = {
        "event": to_json(change.change),
        "at": to_json(change.at),
        "finding": to_json(finding),
        "message": "",
    }
    return Outcome((change_row(change.change, change.at, finding),), document)


def _note(event: str, message: str, tone: Tone) -> Outcome:
    now = to_json(datetime.now(UTC))
    document = {"event": event, "at": now, "finding": None, "message": message}
    return Outcome((Line(message, tone),), document)


def _synced(count: int, *, again: bool) -> Outcome:
    words = "Connected again" if again else "Watching"
    return _note("synced", f"{words}: {plural(count, 'finding')} now.", Tone.FAINT)


def _lost(error: RdsCsiError | None) -> Outcome:
    why = clean(error.message) if error else "the replica ended the watch"
    return _note("lost", f"Connection lost ({why}); it is made anew.", Tone.WARN)
