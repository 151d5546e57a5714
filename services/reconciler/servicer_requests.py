"""From the admin API's requests to checked values. Pure."""

import base64
from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from libs.core.errors import InUse, InvalidRequest, NotFound, StaleToken
from protos.gen.rdscsi.controller import v1 as admin
from protos.gen.rdscsi.reconciler import v1 as api
from services.reconciler.findings import FindingKind, FindingState, Orphan
from services.reconciler.model import ItemKind
from services.reconciler.workflow.board import Entry

T = TypeVar("T")
V = TypeVar("V")

PAGE = 500
"""Findings on one page, at most."""

ROWS = 100
"""Attachments on one page, at most: each is four messages, and a page is encoded at one go."""

_KINDS = {api.FindingKind[kind.name]: kind for kind in FindingKind}
_STATES = {api.FindingState[state.name]: state for state in FindingState}
_ITEMS = {admin.ItemKind[kind.name]: kind for kind in ItemKind}


@dataclass(frozen=True, slots=True)
class Filter:
    """Which findings are wanted."""

    kinds: frozenset[FindingKind]
    states: frozenset[FindingState]
    volume_id: str
    node: str

    def admits(self, entry: Entry) -> bool:
        """Whether a finding is wanted."""
        finding = entry.finding
        return (
            (not self.kinds or finding.kind in self.kinds)
            and finding.state in self.states
            and self.volume_id in ("", finding.subject.volume_id)
            and self.node in ("", finding.subject.node)
        )


def parse_list(message: api.ListFindingsRequest) -> Filter:
    """Read which findings a page is to have.

    Raises:
        InvalidRequest: a kind or state is not known.
    """
    kinds = frozenset(_known(kind, _KINDS.get, "kinds") for kind in message.kinds)
    states = frozenset(_known(state, _STATES.get, "states") for state in message.states)
    if not states:
        states = frozenset(FindingState) - {FindingState.RESOLVED}
    return Filter(kinds, states, message.volume_id, message.node)


def parse_watch(message: api.WatchFindingsRequest) -> Filter:
    """Read which findings are to be watched.

    Raises:
        InvalidRequest: a kind is not known.
    """
    kinds = frozenset(_known(kind, _KINDS.get, "kinds") for kind in message.kinds)
    return Filter(kinds, frozenset(FindingState), message.volume_id, message.node)


def _known(value: T, find: Callable[[T], V | None], field: str) -> V:
    found = find(value)
    if found is None:
        raise InvalidRequest(f"{field} must be those of this API's version, not {value!r}")
    return found


def cut_page(
    items: Sequence[T], size: int, token: str, key: Callable[[T], str], most: int = PAGE
) -> tuple[Sequence[T], str]:
    """Return a page of what is sorted by `key`, and the token of the next one.

    Raises:
        InvalidRequest: the size is negative.
        StaleToken: the token is not one of ours.
    """
    if size < 0:
        raise InvalidRequest("page_size must not be negative")
    after = _read_token(token)
    start = bisect_right(items, after, key=key) if after else 0
    page = items[start : start + min(size or most, most)]
    following = key(page[-1]) if start + len(page) < len(items) else ""
    return page, base64.urlsafe_b64encode(following.encode()).decode()


def _read_token(token: str) -> str:
    try:
        return base64.b64decode(token, altchars=b"-_", validate=True).decode()
    except ValueError:
        raise StaleToken("page_token is not one of this API's: list from the start") from None


def find_orphan(ref: api.OrphanRef | None, orphans: Iterable[Orphan]) -> Orphan:
    """Return the orphan that is meant.

    Raises:
        InvalidRequest: none is named, or several could be meant.
        NotFound: there is no such orphan.
        InUse: it is not any more what was listed.
    """
    if ref is None or not ref.id:
        raise InvalidRequest("orphan.id must not be empty")
    kind = _ITEMS.get(ref.kind)
    found = [
        orphan
        for orphan in orphans
        if orphan.id == ref.id
        and (kind is None or orphan.kind is kind)
        and ref.device in ("", orphan.device)
    ]
    if not found:
        raise NotFound(f"there is no orphan {ref.id}")
    if len(found) > 1:
        raise InvalidRequest(f"several orphans are {ref.id}: name the kind and the device, too")
    if ref.fingerprint and ref.fingerprint != found[0].fingerprint:
        raise InUse(f"orphan {ref.id} is not any more what was listed: look at it again")
    return found[0]


def parse_orphan_key(key: str) -> Orphan:
    """Return the orphan that a decision is kept under, as far as its key tells."""
    kind, device, item_id = key.split(" ", 2)
    return Orphan(ItemKind(kind), device, item_id, 0, "")


def parse_until(until: datetime | None, now: float) -> float | None:
    """Return when a decision ends.

    Raises:
        InvalidRequest: that is past.
    """
    if until is None:
        return None
    if until.timestamp() <= now:
        raise InvalidRequest("until must be a moment that has not passed yet")
    return until.timestamp()


def parse_limit(limit: timedelta | None, now: float) -> float | None:
    """Return when a pause ends.

    Raises:
        InvalidRequest: it would end before it began.
    """
    if limit is None:
        return None
    if limit <= timedelta():
        raise InvalidRequest("limit must be longer than nothing")
    return now + limit.total_seconds()
