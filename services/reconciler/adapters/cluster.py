"""The cluster: what is watched of it, and the few changes that are made to it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from functools import partial
from typing import Any, TypeVar

from libs.core.errors import InUse, NotFound, OutcomeUnknown, Unreachable
from libs.kube.changes import Changes
from libs.kube.client import KubeClient
from libs.kube.errors import Answered, ObjectChanged, ObjectMissing
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, SNAPSHOT_CONTENTS, VOLUME_ATTACHMENTS
from libs.kube.watched import open_watched
from services.reconciler.adapters.collection import Collection
from services.reconciler.adapters.objects import (
    read_attachment,
    read_content,
    read_node,
    read_volume,
)
from services.reconciler.adapters.telling import Teller
from services.reconciler.findings import Action, Finding, Notice
from services.reconciler.model import (
    Listing,
    Node,
    PersistentVolume,
    Ready,
    SnapshotContent,
    VolumeAttachment,
)
from services.reconciler.ports import Clock, ClusterView
from services.reconciler.workflow.state import WatchState

T = TypeVar("T")


_FIRST_SYNC = 3.0
"""How long the start waits for the first listings; without them passes are not complete."""

_SETTLE_SECONDS = 1.0
"""How long a change is waited for to come back from the watch, so that it is not made twice."""

_QUIET_SECONDS = 0.2
"""Nodes come and attachments go in crowds: a pass begins when that has calmed down."""


class KubeCluster:
    """The cluster. See `open_kube_cluster`."""

    def __init__(
        self, kube: KubeClient, driver: str, clock: Clock, teller: Teller, debounce: float
    ) -> None:
        self._kube = kube
        self._driver = driver
        self._teller = teller
        self._nodes: Collection[Node] = Collection(
            kube, NODES, partial(read_node, driver=driver), clock
        )
        self._attachments: Collection[VolumeAttachment] = Collection(
            kube, VOLUME_ATTACHMENTS, partial(read_attachment, driver=driver), clock
        )
        self._volumes: Collection[PersistentVolume] = Collection(
            kube, PERSISTENT_VOLUMES, partial(read_volume, driver=driver), clock
        )
        self._contents: Collection[SnapshotContent] = Collection(
            kube, SNAPSHOT_CONTENTS, read_content, clock
        )
        self._changes = Changes(
            self._nodes.watched,
            self._attachments.watched,
            quiet=min(_QUIET_SECONDS, debounce),
            most=debounce,
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep what is known up to date until the block ends."""
        needed = (self._nodes.watched, self._attachments.watched, self._volumes.watched)
        async with open_watched(*needed, self._contents.watched):
            await asyncio.gather(*(one.wait_synced(_FIRST_SYNC) for one in needed))
            yield

    # Looking

    async def view(self, not_before: float) -> ClusterView:
        """Return what there is; listed anew where the watch heard nothing since `not_before`."""
        nodes, attachments, volumes, contents = await asyncio.gather(
            self._nodes.fresh(not_before),
            self._attachments.fresh(not_before),
            self._volumes.fresh(not_before),
            self._contents.fresh(not_before),
        )
        return ClusterView(
            nodes=nodes or _missing(),
            attachments=attachments or _missing(),
            volumes=volumes or _missing(),
            contents=contents,
        )

    async def node(self, name: str) -> Node | None:
        """Read a node anew; None where there is certainly none of that name."""
        item = await self._kube.get(f"{NODES}/{name}")
        return read_node(item, self._driver) if item is not None else None

    def states(self) -> tuple[WatchState, ...]:
        """Return how each collection is known."""
        return tuple(
            _state(one) for one in (self._nodes, self._attachments, self._volumes, self._contents)
        )

    async def changes(self) -> AsyncIterator[str]:
        """Yield "node" or "attachment" when something has changed that may need repair."""
        nodes, attachments = self._standing(), self._loose()
        async for _ in self._changes:
            before, nodes = nodes, self._standing()
            if nodes != before:
                yield "node"
            before, attachments = attachments, self._loose()
            if attachments != before:
                yield "attachment"

    def _standing(self) -> frozenset[tuple[str, ...]]:
        """Return how nodes are. What they report in use is left out: it changes all the time."""
        return frozenset(
            (node.uid, node.ready.value, str(node.ready_since), str(node.out_of_service))
            for node in self._nodes.watched.values()
        )

    def _loose(self) -> frozenset[tuple[str, ...]]:
        """Return the attachments that are on their way out, or are not where they should be."""
        return frozenset(
            (one.uid, one.resource_version)
            for one in self._attachments.watched.values()
            if one.deleting_since is not None or one.detach_error or self._is_ill(one.node)
        )

    def _is_ill(self, name: str) -> bool:
        node = self._nodes.watched.get(name)
        return node is None or node.ready is not Ready.YES or node.out_of_service

    # Acting

    async def delete_attachment(self, action: Action) -> None:
        """Delete a VolumeAttachment as it was seen."""
        name = action.subject.volume_attachment
        with _conditional(name):
            await self._kube.delete(
                f"{VOLUME_ATTACHMENTS}/{name}", uid=action.uid, version=action.resource_version
            )
        await self._settle(action)

    async def remove_finalizer(self, action: Action) -> None:
        """Take a finalizer from a VolumeAttachment as it was seen."""
        name = action.subject.volume_attachment
        known = self._attachments.watched.get(name)
        if known is None or action.finalizer not in known.finalizers:
            raise InUse(f"VolumeAttachment {name} has no finalizer {action.finalizer} any more")
        place = f"/metadata/finalizers/{known.finalizers.index(action.finalizer)}"
        steps = [
            {"op": "test", "path": "/metadata/uid", "value": action.uid},
            {"op": "test", "path": "/metadata/resourceVersion", "value": action.resource_version},
            {"op": "test", "path": place, "value": action.finalizer},
            {"op": "remove", "path": place},
        ]
        with _conditional(name):
            await self._kube.patch(f"{VOLUME_ATTACHMENTS}/{name}", steps)
        await self._settle(action)

    async def _settle(self, action: Action) -> None:
        def is_told() -> bool:
            known = self._attachments.watched.get(action.subject.volume_attachment)
            return known is None or known.resource_version != action.resource_version

        await self._attachments.wait_until(is_told, _SETTLE_SECONDS)

    async def tell(self, finding: Finding, action: Action, error: str = "") -> None:
        """Record an event on what an action was done to."""
        volume = self._volumes.watched.get(finding.subject.persistent_volume)
        await self._teller.tell(action, volume, error)

    async def announce(self, notice: Notice) -> None:
        """Record an event on the object that a notice is about."""
        await self._teller.announce(notice, self._volumes.watched.get(notice.volume))


def _missing() -> Listing[T]:
    return Listing((), complete=False, read_at=0.0, error="the Kubernetes API has no such resource")


def _state(one: Collection[Any]) -> WatchState:
    listing = one.cached()
    if listing is None:
        return WatchState(one.name, synced=False, objects=0, heard_at=None, error="not served here")
    heard_at = listing.read_at or None
    return WatchState(one.name, listing.complete, len(listing.items), heard_at, listing.error)


@contextlib.contextmanager
def _conditional(name: str) -> Iterator[None]:
    """Turn what the API says of a conditional change into what may be concluded from it."""
    try:
        yield
    except ObjectChanged as error:
        words = f"VolumeAttachment {name} is not any more the one that was seen"
        raise InUse(words, detail=error.detail) from error
    except ObjectMissing as error:
        raise NotFound(f"VolumeAttachment {name} is gone", detail=error.detail) from error
    except Answered:
        raise  # a refusal: nothing was done
    except Unreachable as error:
        raise OutcomeUnknown(error.message, detail=error.detail) from error


@contextlib.asynccontextmanager
async def open_kube_cluster(
    kube: KubeClient, driver: str, clock: Clock, teller: Teller, debounce: float
) -> AsyncIterator[KubeCluster]:
    """Own what is known of the cluster. An API that is away is not an error here.

    Args:
        kube: the API.
        driver: the name of the CSI driver.
        clock: by which listings are dated.
        teller: who tells what was done.
        debounce: seconds that changes are gathered for before there is word of them.
    """
    cluster = KubeCluster(kube, driver, clock, teller, debounce)
    async with cluster.running():
        yield cluster
