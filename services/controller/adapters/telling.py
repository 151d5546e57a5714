"""Events on claims and volumes: what went wrong or was done, told where people look."""

import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import structlog

from libs.core.errors import RdsCsiError
from libs.core.ids import VolumeId
from libs.kube.backlog import Backlog, open_backlog
from libs.kube.client import KubeClient
from libs.kube.correlate import Reference
from libs.kube.events import Events
from services.controller.happenings import (
    Attached,
    ClaimName,
    Detached,
    Happening,
    Migration,
    NotAttached,
    NotProvided,
)
from services.controller.plan.advice import next_step

log = structlog.get_logger(__name__)

_MOST_WAITING = 200
"""Claims whose UIDs are to be asked for; one more drives out the oldest."""

ObjectsOf = Callable[[VolumeId], tuple[Reference, ...]]


@dataclass(frozen=True, slots=True)
class Tale:
    """An event: its reason, its text, and whether somebody may have to do something."""

    reason: str
    text: str
    warning: bool


def tale_of(what: Happening) -> Tale | None:
    """Return what is told of a happening; None for what nobody needs to be told."""
    tale = None
    match what:
        case NotProvided():
            text = f"{what.error.message}. {next_step(what.error)}"
            tale = Tale("VolumeProvisioningFailed", text, warning=True)
        case NotAttached(timed_out=True):
            tale = Tale("MigrationFailed", what.error.message, warning=True)
        case NotAttached(is_conflict=True):
            tale = Tale("VolumeAttachConflict", what.error.message, warning=True)
        case Attached() if what.source:
            text = f"the live migration from {what.source} to {what.node} has begun"
            tale = Tale("MigrationStarted", text, warning=False)
        case Detached(migration=Migration.COMPLETED):
            text = (
                f"the live migration from {what.node} to {what.other} is complete after "
                f"{what.migration_seconds:.0f} s"
            )
            tale = Tale("MigrationCompleted", text, warning=False)
        case Detached(migration=Migration.ABANDONED):
            text = f"the live migration to {what.node} was given up; {what.other} keeps the volume"
            tale = Tale("MigrationFailed", text, warning=True)
    return tale


class Teller:
    """Posts events on PersistentVolumes and their claims. See `open_teller`.

    Args:
        events: where they are posted.
        kube: the API, asked for claims that have no volume yet.
        objects_of: the PersistentVolume of a volume, and its claim.
    """

    def __init__(self, events: Events, kube: KubeClient, objects_of: ObjectsOf) -> None:
        self._events = events
        self._kube = kube
        self._objects_of = objects_of
        self._claims: Backlog[tuple[ClaimName, Tale]] = Backlog("tales of claims", _MOST_WAITING)

    def saw(self, what: Happening) -> None:
        """Have it told, some time; never waits and never fails."""
        tale = tale_of(what)
        if tale is None:
            return
        if isinstance(what, NotProvided):
            if what.claim:
                self._claims.put((what.claim, tale))
            return
        for about in self._objects_of(what.volume):
            self._post(about, tale)

    def _post(self, about: Reference, tale: Tale) -> None:
        self._events.post(about, tale.reason, tale.text, warning=tale.warning)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Tell of claims until the block ends."""
        async with open_backlog(self._claims, self._tell_claim):
            yield

    async def _tell_claim(self, waiting: tuple[ClaimName, Tale]) -> None:
        claim, tale = waiting
        path = f"/api/v1/namespaces/{claim.namespace}/persistentvolumeclaims/{claim.name}"
        try:
            item = await self._kube.get(path, metadata_only=True)
        except RdsCsiError as error:
            log.info("not told", claim=f"{claim.namespace}/{claim.name}", why=error.message)
            return
        if item is None:
            return
        uid = str((item.get("metadata") or {}).get("uid") or "")
        about = Reference("v1", "PersistentVolumeClaim", claim.name, claim.namespace, uid)
        self._post(about, tale)


@contextlib.asynccontextmanager
async def open_teller(
    events: Events, kube: KubeClient, objects_of: ObjectsOf
) -> AsyncIterator[Teller]:
    """Own a teller."""
    teller = Teller(events, kube, objects_of)
    async with teller.running():
        yield teller
