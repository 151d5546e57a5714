"""Events: sentences for people, shown with the object that they are about. Best effort."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import structlog

from libs.core.errors import Unreachable
from libs.kube.answers import Object
from libs.kube.backlog import Backlog, open_backlog
from libs.kube.client import KubeClient
from libs.kube.correlate import Correlator, Happening, Record, Reference
from libs.kube.errors import ObjectExists, ObjectMissing
from libs.kube.retry import Sleep, retried

log = structlog.get_logger(__name__)

MOST_WAITING = 200
"""Events that wait to be written; one more drives out the oldest."""

_LONGEST_NAME = 230
"""Characters of an object's name in an Event's, which may have 253 with the number's 17."""


class Events:
    """Writes events, one after the other, while nobody waits for them. See `open_events`.

    Args:
        kube: the API.
        component: who tells.
        host: the node that it runs on.
        clock: seconds since 1970.
        sleep: waits between two tries.
        posted: is told the reason of each event that was written.
    """

    def __init__(  # noqa: PLR0913 (each has a default but three)
        self,
        kube: KubeClient,
        component: str,
        host: str,
        *,
        clock: Callable[[], float] = time.time,
        sleep: Sleep = asyncio.sleep,
        posted: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._kube = kube
        self._source = {"component": component, "host": host}
        self._clock = clock
        self._sleep = sleep
        self._posted = posted
        self._backlog: Backlog[Happening] = Backlog("events", MOST_WAITING)
        self._correlator = Correlator()

    def post(self, about: Reference, reason: str, text: str, *, warning: bool) -> None:
        """Have an event written, some time; never waits and never fails."""
        self._backlog.put(Happening(about, reason, text, warning, self._clock()))

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Write until the block ends."""
        async with open_backlog(self._backlog, self._write):
            yield

    async def _write(self, happening: Happening) -> None:
        try:
            if await self._try_to_write(happening):
                self._posted(happening.reason)
        except Unreachable as error:
            self._give_up(happening, error)

    def _give_up(self, happening: Happening, error: Unreachable) -> None:
        log.warning(
            "event not written",
            about=f"{happening.about.kind} {happening.about.name}",
            reason=happening.reason,
            text=happening.text,
            error=error.message,
            detail=error.detail,
        )

    async def _try_to_write(self, happening: Happening) -> bool:
        """Write an event; return whether it is there, and not one too many."""
        record = self._correlator.observe(happening)
        if record is None:
            return False
        if not record.is_new:
            with contextlib.suppress(ObjectMissing):  # the cluster forgets Events after a while
                await retried(lambda: self._change(record), self._sleep)
                return True
        # A name that is taken is that of a try whose answer was lost.
        with contextlib.suppress(ObjectExists):
            await retried(lambda: self._create(record), self._sleep)
        return True

    async def _create(self, record: Record) -> None:
        about = record.happening.about
        await self._kube.create(_collection(about), render_event(record, self._source))

    async def _change(self, record: Record) -> None:
        happening = record.happening
        change = {
            "count": record.count,
            "lastTimestamp": _stamp(happening.at),
            "message": happening.text,
        }
        await self._kube.patch(f"{_collection(happening.about)}/{_name(record)}", change)


def render_event(record: Record, source: dict[str, str]) -> Object:
    """Return an Event of the core API."""
    happening = record.happening
    about = happening.about
    involved = {
        "apiVersion": about.api_version,
        "kind": about.kind,
        "name": about.name,
        "namespace": about.namespace,
        "uid": about.uid,
    }
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": _name(record), "namespace": _namespace(about)},
        "involvedObject": {key: value for key, value in involved.items() if value},
        "reason": happening.reason,
        "message": happening.text,
        "type": "Warning" if happening.warning else "Normal",
        "source": source,
        "firstTimestamp": _stamp(record.first),
        "lastTimestamp": _stamp(happening.at),
        "count": record.count,
        "reportingComponent": source["component"],
        "reportingInstance": source["host"],
    }


def _namespace(about: Reference) -> str:
    # Kubernetes: the events of objects of the cluster are in this namespace.
    return about.namespace or "default"


def _collection(about: Reference) -> str:
    return f"/api/v1/namespaces/{_namespace(about)}/events"


def _name(record: Record) -> str:
    name = record.happening.about.name[:_LONGEST_NAME].rstrip(".-")
    return f"{name}.{record.number:016x}"


def _stamp(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


@contextlib.asynccontextmanager
async def open_events(  # noqa: PLR0913 (each has a default but three)
    kube: KubeClient,
    component: str,
    host: str,
    *,
    clock: Callable[[], float] = time.time,
    sleep: Sleep = asyncio.sleep,
    posted: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[Events]:
    """Own a recorder of events. Its end gives what is waiting a moment to be written."""
    events = Events(kube, component, host, clock=clock, sleep=sleep, posted=posted)
    async with events.running():
        yield events
