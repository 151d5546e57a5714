"""A collection of the Kubernetes API, kept up to date by one listing and a watch."""

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any, Generic, TypeVar

import structlog

from libs.core.errors import Unreachable
from libs.kube.answers import Object
from libs.kube.client import KubeClient
from libs.kube.errors import WatchExpired

log = structlog.get_logger(__name__)

T = TypeVar("T")

_FIRST_PAUSE = 0.2
_LONGEST_PAUSE = 15.0
_SOUND_SECONDS = 1.0
"""A watch that ends sooner was not ended in good order, and is not taken up at once."""


class Watched(Generic[T]):
    """Objects of one kind, reduced to what matters. `open_watched` is the way in.

    Args:
        kube: the API.
        path: the collection.
        reduce: makes the value that is kept of an object; None leaves the object out.
        index: a key by which values are found together.
        metadata_only: watch the metadata alone, of objects that are large or change often.
    """

    def __init__(
        self,
        kube: KubeClient,
        path: str,
        reduce: Callable[[Object], T | None],
        index: Callable[[T], str],
        *,
        metadata_only: bool = False,
    ) -> None:
        self._kube = kube
        self._path = path
        self._reduce = reduce
        self._index = index
        self._metadata_only = metadata_only
        self._items: dict[str, T] = {}
        self._by_index: defaultdict[str, dict[str, T]] = defaultdict(dict)
        self._synced = asyncio.Event()

    @property
    def is_synced(self) -> bool:
        """Whether the collection has been read once; what is known may lag behind a little."""
        return self._synced.is_set()

    def get(self, name: str) -> T | None:
        """Return the value of the object of that name, as far as is known."""
        return self._items.get(name)

    def values(self) -> Iterable[T]:
        """Return all values that are known."""
        return self._items.values()

    def found(self, key: str) -> tuple[T, ...]:
        """Return the values that the index puts under a key."""
        return tuple(self._by_index.get(key, {}).values())

    async def wait_synced(self, limit: float) -> bool:
        """Wait up to `limit` seconds until the collection has been read once."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._synced.wait(), limit)
        return self.is_synced

    async def run(self) -> None:
        """List and watch, for ever."""
        pause = _FIRST_PAUSE
        version = ""
        while True:
            try:
                version = version or await self._list()
                started = time.monotonic()
                async for kind, item in self._kube.watch(
                    self._path, version, metadata_only=self._metadata_only
                ):
                    version = self._take(kind, item) or version
                if time.monotonic() - started > _SOUND_SECONDS:
                    pause = _FIRST_PAUSE
                    continue  # the server ends a watch now and then; it goes on where it was
            except WatchExpired:
                version = ""
            except Unreachable as error:
                version = ""
                log.warning("watch broken off", path=self._path, reason=error.message)
            except Exception:  # a bug must not end it unnoticed, with what is known going stale
                version = ""
                log.exception("watch failed", path=self._path)
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (to spread load)
            pause = min(pause * 2, _LONGEST_PAUSE)

    async def _list(self) -> str:
        fresh: dict[str, T | None] = {}
        version = ""
        async for page in self._kube.list(self._path, metadata_only=self._metadata_only):
            fresh |= {item["metadata"]["name"]: self._read(item) for item in page.items}
            version = page.version or version
        self._items, self._by_index = {}, defaultdict(dict)
        for name, value in fresh.items():
            self._keep(name, value)
        self._synced.set()
        return version or "0"

    def _read(self, item: Object) -> T | None:
        try:
            return self._reduce(item)
        except Exception:  # one odd object must not keep all others from being known
            log.exception("object ignored", path=self._path, name=item["metadata"]["name"])
            return None

    def _take(self, kind: str, item: Object) -> str:
        if kind == "DELETED":
            self._drop(item["metadata"]["name"])
        elif kind in ("ADDED", "MODIFIED"):
            self._put(item)
        return str(item.get("metadata", {}).get("resourceVersion") or "")

    def _put(self, item: Object) -> None:
        name = item["metadata"]["name"]
        self._drop(name)
        self._keep(name, self._read(item))

    def _keep(self, name: str, value: T | None) -> None:
        if value is not None:
            self._items[name] = value
            self._by_index[self._index(value)][name] = value

    def _drop(self, name: str) -> None:
        value = self._items.pop(name, None)
        if value is None:
            return
        key = self._index(value)
        self._by_index[key].pop(name, None)
        if not self._by_index[key]:
            del self._by_index[key]


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
