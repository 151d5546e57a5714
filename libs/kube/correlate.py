"""Which events are worth writing: repeated ones are counted, similar ones merged, floods cut. Pure.

The rules and numbers are those of client-go's EventCorrelator (tools/record/events_cache.go), so an
API server is treated as it is by Kubernetes' own components.
"""

import math
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

WINDOW = 600.0
"""Seconds in which an event that comes again is the same one, or one of many alike."""

MAX_SIMILAR = 10
"""Different texts for one reason of one object in the window; further ones are merged."""

BURST = 25
"""Events about one object that are written at once."""

REFILL_SECONDS = 300.0
"""After a burst, one more about the same object is written in this time."""

MAX_TEXT_BYTES = 1024
"""Kubernetes API: a note of an Event is at most 1 KiB."""

_MERGED = "(combined from similar events): "
_ELLIPSIS = "..."
_MOST = 1000
"""Keys that are remembered of each kind; the least recently used is forgotten."""


@dataclass(frozen=True, slots=True)
class Reference:
    """The object that an event is about.

    Attributes:
        api_version: such as `v1`.
        kind: such as `PersistentVolume`.
        name: its name.
        namespace: empty for an object of the cluster.
        uid: without it `kubectl describe` does not show the event.
    """

    api_version: str
    kind: str
    name: str
    namespace: str = ""
    uid: str = ""


@dataclass(frozen=True, slots=True)
class Happening:
    """Something to be told.

    Attributes:
        about: the object.
        reason: one word in CamelCase.
        text: a sentence.
        warning: whether somebody may have to do something.
        at: when, in seconds since 1970.
    """

    about: Reference
    reason: str
    text: str
    warning: bool
    at: float


@dataclass(frozen=True, slots=True)
class Record:
    """An Event as it is to be in the cluster.

    Attributes:
        happening: the latest of those that it stands for.
        first: when the first of them was.
        count: how many they are.
        number: tells its name from others of the same object.
        is_new: whether it has to be created; otherwise it is there, and is to be changed.
    """

    happening: Happening
    first: float
    count: int
    number: int
    is_new: bool


class _Recent(Generic[K, V]):
    """A table that forgets what has not been used for longest."""

    def __init__(self) -> None:
        self._items: OrderedDict[K, V] = OrderedDict()

    def get(self, key: K) -> V | None:
        return self._items.get(key)

    def put(self, key: K, value: V) -> None:
        self._items[key] = value
        self._items.move_to_end(key)
        if len(self._items) > _MOST:
            self._items.popitem(last=False)


@dataclass(slots=True)
class _Similar:
    last: float
    texts: set[str] = field(default_factory=set)


@dataclass(slots=True)
class _Bucket:
    at: float
    tokens: float = BURST


class Correlator:
    """Remembers what was told, and says what an event does to the cluster's Events."""

    def __init__(self) -> None:
        self._known: _Recent[Hashable, Record] = _Recent()
        self._similar: _Recent[Hashable, _Similar] = _Recent()
        self._buckets: _Recent[Reference, _Bucket] = _Recent()
        self._number = 0

    def observe(self, happening: Happening) -> Record | None:
        """Return what to write; None where the object has had too many events lately."""
        happening = replace(happening, text=cut(happening.text))
        key, happening = self._merge(happening)
        known = self._known.get(key)
        if known is None or happening.at - known.happening.at > WINDOW:
            record = Record(happening, happening.at, 1, self._next(happening.at), is_new=True)
        else:
            record = replace(known, happening=happening, count=known.count + 1)
        if not self._allows(happening):
            self._known.put(key, record)
            return None
        self._known.put(key, replace(record, is_new=False))
        return record

    def _merge(self, happening: Happening) -> tuple[Hashable, Happening]:
        """Return what it is known by; that of one too many does not have its text in it."""
        key = (happening.about, happening.reason, happening.warning)
        similar = self._similar.get(key)
        if similar is None or happening.at - similar.last > WINDOW:
            similar = _Similar(happening.at)
        self._similar.put(key, similar)
        similar.last = happening.at
        if happening.text in similar.texts or len(similar.texts) < MAX_SIMILAR:
            similar.texts.add(happening.text)
            return (*key, happening.text), happening
        return key, replace(happening, text=cut(_MERGED + happening.text))

    def _next(self, at: float) -> int:
        self._number = max(self._number + 1, int(at * 1e9))
        return self._number

    def _allows(self, happening: Happening) -> bool:
        bucket = self._buckets.get(happening.about) or _Bucket(happening.at)
        self._buckets.put(happening.about, bucket)
        passed = max(0.0, happening.at - bucket.at)  # a clock may be set back
        bucket.tokens = min(BURST, bucket.tokens + passed / REFILL_SECONDS)
        bucket.at = happening.at
        is_allowed = math.floor(bucket.tokens + 1e-9) >= 1
        bucket.tokens -= is_allowed
        return is_allowed


def cut(text: str) -> str:
    """Return a text that is not too long for an Event, and is proper Unicode."""
    data = text.encode(errors="replace")
    if len(data) <= MAX_TEXT_BYTES:
        return data.decode()
    return data[: MAX_TEXT_BYTES - len(_ELLIPSIS)].decode(errors="ignore") + _ELLIPSIS
