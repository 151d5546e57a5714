"""A collection of the Kubernetes API, kept up to date by one listing and a watch.

A watch that is cut off goes on where it was; what has happened meanwhile is told then. Only where
the server does not remember that moment any more (410), or refuses, there is a new listing. While
there is no whole listing, or a gap after one, the collection says that it is not complete.
"""

import asyncio
import contextlib
import math
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Generic, TypeVar

import structlog

from libs.core.errors import Unreachable
from libs.kube.answers import Object
from libs.kube.client import WATCH_SECONDS, KubeClient
from libs.kube.errors import Answered, NotServed, WatchExpired
from libs.kube.known import Known

log = structlog.get_logger(__name__)

T = TypeVar("T")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 15.0
_SOUND_SECONDS = 1.0
"""A watch that ends sooner was not ended in good order, and is not taken up at once."""

_MOST_RESUMPTIONS = 5
"""How often a watch that tells nothing is taken up again before there is a new listing."""


class Watched(Generic[T]):
    """Objects of one kind, reduced to what matters. `open_watched` is the way in.

    Args:
        kube: the API.
        path: the collection.
        reduce: makes the value that is kept of an object; None leaves the object out.
        index: a key by which values are found together.
        metadata_only: watch the metadata alone, of objects that are large or change often.
        seconds: after which the server ends a watch, and it is taken up again.
        clock: seconds that only grow.
    """

    def __init__(  # noqa: PLR0913 (the last three rarely matter)
        self,
        kube: KubeClient,
        path: str,
        reduce: Callable[[Object], T | None],
        index: Callable[[T], str] = lambda _: "",
        *,
        metadata_only: bool = False,
        seconds: int = WATCH_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.path = path
        self._kube = kube
        self._reduce = reduce
        self._index = index
        self._metadata_only = metadata_only
        self._seconds = seconds
        self._clock = clock
        self._items: dict[str, T] = {}
        self._odd: set[str] = set()
        self._by_index: defaultdict[str, dict[str, T]] = defaultdict(dict)
        self._synced = asyncio.Event()
        self._version = ""
        self._is_served = True
        self._heard_at = -math.inf
        self._resumptions = 0
        self._listeners: list[Callable[[], None]] = []
        self._followers: list[tuple[Callable[[T], None], Callable[[T], None]]] = []

    # What is known

    @property
    def is_synced(self) -> bool:
        """Whether the collection has been read once; what is known may lag behind a little."""
        return self._synced.is_set()

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing but what the server has not told yet."""
        return self.is_synced and bool(self._version)

    @property
    def odd(self) -> frozenset[str]:
        """The names of objects that are there and cannot be read: of them nothing is known."""
        return frozenset(self._odd)

    def get(self, name: str) -> T | None:
        """Return the value of the object of that name, as far as is known."""
        return self._items.get(name)

    def values(self) -> Iterable[T]:
        """Return all values that are known."""
        return self._items.values()

    def found(self, key: str) -> tuple[T, ...]:
        """Return the values that the index puts under a key."""
        return tuple(self._by_index.get(key, {}).values())

    def known(self) -> Known[T]:
        """Return all that is known, with how much it can be relied on."""
        return Known(
            values=dict(self._items),
            is_complete=self.is_complete,
            is_served=self._is_served,
            age=self._clock() - self._heard_at,
        )

    async def wait_synced(self, limit: float) -> bool:
        """Wait up to `limit` seconds until the collection has been read once."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._synced.wait(), limit)
        return self.is_synced

    def subscribe(self, listener: Callable[[], None]) -> None:
        """Have a function called whenever what is known has changed. It must not wait."""
        self._listeners.append(listener)

    def follow(self, added: Callable[[T], None], removed: Callable[[T], None]) -> None:
        """Have functions called with each value that comes, and each that goes. They must not wait.

        One that changes goes and comes again. It is for what would else have to be counted anew,
        and has to begin before anything is known.
        """
        self._followers.append((added, removed))

    # Keeping it up to date

    async def run(self) -> None:
        """List and watch, for ever."""
        pause = _FIRST_PAUSE
        while True:
            if await self._turn():
                pause = _FIRST_PAUSE
                continue
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (to spread load)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _turn(self) -> bool:
        """List if need be, and watch until that ends; return whether it ended in good order."""
        started = self._clock()
        try:
            self._version = self._version or await self._list()
            await self._watch()
        except WatchExpired:
            self._version = ""
        except NotServed as error:
            self._note_absence(error)
        except Answered as error:
            self._version = ""
            log.warning("watch refused", path=self.path, reason=error.message)
        except Unreachable as error:
            self._resumptions += 1
            if self._resumptions > _MOST_RESUMPTIONS:
                self._version = ""
            log.warning("watch broken off", path=self.path, reason=error.message)
        except Exception:  # a bug must not end it unnoticed, with what is known going stale
            self._version = ""
            log.exception("watch failed", path=self.path)
        else:
            # The server ends a watch now and then; it goes on where it was.
            return self._clock() - started > _SOUND_SECONDS
        return False

    async def _watch(self) -> None:
        async for kind, item in self._kube.watch(
            self.path, self._version, metadata_only=self._metadata_only, seconds=self._seconds
        ):
            self._take(kind, item)
            self._heard_at, self._resumptions = self._clock(), 0
        # It was ended by the server, which up to then would have told what happens.
        self._heard_at = self._clock()

    async def _list(self) -> str:
        fresh: dict[str, T] = {}
        version = ""
        began = self._clock()
        self._odd = set()
        async for page in self._kube.list(self.path, metadata_only=self._metadata_only):
            for item in page.items:
                value = self._read(item)
                if value is not None:
                    fresh[item["metadata"]["name"]] = value
            version = page.version or version
        # What has happened since the request was sent may not be in the answer.
        self._heard_at, self._resumptions, self._is_served = began, 0, True
        self._replace_all(fresh)
        self._synced.set()
        return version or "0"

    def _replace_all(self, fresh: dict[str, T]) -> None:
        has_changed = not self.is_complete or fresh != self._items
        for value in self._items.values():
            self._lose(value)
        self._items, self._by_index = {}, defaultdict(dict)
        for name, value in fresh.items():
            self._keep(name, value)
        if has_changed:
            self._tell()

    def _note_absence(self, error: NotServed) -> None:
        # What was known stays: a proxy that answers 404 must not make objects vanish.
        self._version = ""
        if self._is_served:
            self._is_served = False
            log.info("not served here", path=self.path, reason=error.message)
            self._tell()

    def _read(self, item: Object) -> T | None:
        try:
            return self._reduce(item)
        except Exception:  # one odd object must not keep all others from being known
            log.exception("object ignored", path=self.path, name=item["metadata"]["name"])
            self._odd.add(item["metadata"]["name"])
            return None

    def _take(self, kind: str, item: Object) -> None:
        metadata = item.get("metadata") or {}
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            name = metadata["name"]
            was_odd = name in self._odd
            self._odd.discard(name)
            old = self._drop(name)
            new = None if kind == "DELETED" else self._read(item)
            self._keep(name, new)
            if old != new or was_odd != (name in self._odd):
                self._tell()
        self._version = str(metadata.get("resourceVersion") or "") or self._version

    def _keep(self, name: str, value: T | None) -> None:
        if value is not None:
            self._items[name] = value
            self._by_index[self._index(value)][name] = value
            for added, _ in self._followers:
                added(value)

    def _drop(self, name: str) -> T | None:
        value = self._items.pop(name, None)
        if value is not None:
            key = self._index(value)
            self._by_index[key].pop(name, None)
            if not self._by_index[key]:
                del self._by_index[key]
            self._lose(value)
        return value

    def _lose(self, value: T) -> None:
        for _, removed in self._followers:
            removed(value)

    def _tell(self) -> None:
        for listener in self._listeners:
            listener()


@contextlib.asynccontextmanager
async def open_watched(*collections: Watched[Any]) -> AsyncIterator[None]:
    """Keep collections up to date until the block ends."""
    tasks = [asyncio.create_task(collection.run()) for collection in collections]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
