"""A kind of objects that is watched, as listings that say how far they can be relied on."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from libs.core.errors import Unreachable
from libs.kube.answers import Object
from libs.kube.client import KubeClient
from libs.kube.errors import NotServed
from libs.kube.lease import boot_time
from libs.kube.watched import Watched
from services.reconciler.model import Listing
from services.reconciler.ports import Clock

T = TypeVar("T")


class Collection(Generic[T]):
    """Objects of one kind.

    Args:
        kube: the API.
        path: the collection.
        read: makes a value of an object; None leaves it out.
        clock: by which listings are dated.
    """

    def __init__(
        self,
        kube: KubeClient,
        path: str,
        read: Callable[[Object], T | None],
        clock: Clock,
    ) -> None:
        self.path = path
        self.name = path.rpartition("/")[2]
        self._kube = kube
        self._read = read
        self._clock = clock
        self._was_served = False
        self._waiting: set[asyncio.Event] = set()
        self.watched: Watched[T] = Watched(kube, path, read, clock=boot_time)
        self.watched.subscribe(self._wake)

    def _wake(self) -> None:
        for event in self._waiting:
            event.set()

    async def wait_until(self, holds: Callable[[], bool], limit: float) -> None:
        """Wait until something holds of what is known, or for `limit` seconds."""
        event = asyncio.Event()
        self._waiting.add(event)
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(limit):
                    while not holds():
                        event.clear()
                        await event.wait()
        finally:
            self._waiting.discard(event)

    def cached(self) -> Listing[T] | None:
        """Return what the watch has told; None where the server has no such objects."""
        known = self.watched.known()
        now = self._clock.now()
        if not known.is_served:
            return self._absent(now)
        self._was_served = self._was_served or known.is_complete
        error = "" if known.is_complete else f"{self.name} have not been listed yet"
        if odd := self.watched.odd:
            # The watch goes on without it; that must not look like its lack.
            error = f"of {self.name}, {min(odd)} cannot be read"
        read_at = now - known.age if known.is_complete else 0.0
        return Listing(tuple(known.values.values()), not error, read_at, error)

    def _absent(self, now: float) -> Listing[T] | None:
        if not self._was_served:
            return None
        # Whatever stands before the server may say so for a moment.
        return Listing(
            (), complete=False, read_at=now, error=f"{self.name} are not served any more"
        )

    async def fresh(self, not_before: float) -> Listing[T] | None:
        """Return what there is, not older than `not_before`; listed anew where that needs it."""
        cached = self.cached()
        if cached is None or (cached.complete and cached.read_at >= not_before):
            return cached
        began = self._clock.now()
        found: list[T] = []
        try:
            async for page in self._kube.list(self.path):
                found += self._values(page.items)
                await asyncio.sleep(0)  # others have their turn between two pages
        except NotServed:
            return self._absent(began)
        except (
            Unreachable,
            ArithmeticError,
            AttributeError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            return Listing((), complete=False, read_at=began, error=f"{self.name}: {error}")
        self._was_served = True
        return Listing(tuple(found), complete=True, read_at=began)

    def _values(self, items: list[Object]) -> Iterator[T]:
        for item in items:
            value = self._read(item)
            if value is not None:
                yield value
