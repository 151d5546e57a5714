"""The cluster, as the Kubernetes API tells of it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from libs.core.errors import InvalidRequest, Unreachable
from libs.core.ids import NodeId, Nqn, VolumeId
from libs.core.security import SecurityEvent, record
from libs.kube.attachments import (
    Claim,
    PersistentVolume,
    VolumeAttachment,
    claims_of,
    join_all,
    read_attachment,
    read_volume,
)
from libs.kube.client import KubeClient, Object
from libs.kube.errors import NotServed
from libs.kube.machines import machine_of_claim
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from libs.kube.watched import Watched, open_watched
from services.controller.adapters.annotations import Annotator
from services.controller.adapters.holdings import Holdings
from services.controller.adapters.joined import Joined
from services.controller.adapters.shared import Shared
from services.controller.adapters.verdicts import Verdicts
from services.controller.ports import Attachment, Grant, Node

log = structlog.get_logger(__name__)

T = TypeVar("T")

_CLASSES = "/apis/storage.k8s.io/{}/volumeattributesclasses/{}"
_FEW = 20
"""Volumes that are asked for one by one; more are listed."""

_FIRST_SYNC = 5.0
"""Seconds that start-up waits for the first listings; the API may be away, and come back."""


@dataclass(frozen=True, slots=True)
class ClusterOptions:
    """How the cluster is read.

    Attributes:
        driver: the CSI driver's name.
        handover_seconds: how long a claim that was taken back does not count, although its
            VolumeAttachment is still there.
        serialize_machines: whether to look for the machines that use volumes.
        annotate: whether to annotate PersistentVolumes.
    """

    driver: str
    handover_seconds: float = 30.0
    serialize_machines: bool = False
    annotate: bool = False


class KubeCluster:
    """Attachments as the cluster's VolumeAttachments say; external-attacher writes those.

    See `open_kube_cluster`; `Verdicts` has what was decided a moment ago.
    """

    def __init__(self, kube: KubeClient, options: ClusterOptions) -> None:
        driver = options.driver
        self._kube = kube
        self._options = options
        self._attachments: Watched[VolumeAttachment] = Watched(
            kube, VOLUME_ATTACHMENTS, lambda item: read_attachment(item, driver), lambda a: a.slot
        )
        self._volumes: Watched[PersistentVolume] = Watched(
            kube, PERSISTENT_VOLUMES, lambda item: read_volume(item, driver), lambda v: v.handle
        )
        self._nodes: Watched[Node] = Watched(
            kube, NODES, self._read_node, lambda node: node.host_nqn, metadata_only=True
        )
        self._joined = Joined(self._attachments, self._volumes)
        self._listing = Shared(self._list)
        self._verdicts = Verdicts(options.handover_seconds)
        self.holdings = Holdings(self._attachments, self._volumes, self._verdicts)
        self._annotator = Annotator(kube, driver) if options.annotate else None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Keep what is known up to date until the block ends."""
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._listing.aclose)
            watched = (self._attachments, self._volumes, self._nodes)
            await stack.enter_async_context(open_watched(*watched))
            if self._annotator:
                await stack.enter_async_context(self._annotator.running())
            await asyncio.gather(*(one.wait_synced(_FIRST_SYNC) for one in watched))
            yield

    # Attachments

    async def of_volume(
        self, volume: VolumeId, asking: NodeId | None = None
    ) -> tuple[Attachment, ...]:
        """Return the claims to one volume.

        A watch tells of objects in the order in which they were made, so what is known includes
        every claim that is older than one that is known. It does not tell which volume they are to
        while the watch of those is behind. Where either is missing there is a listing, which all
        who ask at the same time share.
        """
        if asking is not None and self._joined.is_whole:
            known = self._joined.of_volume(volume)
            own = [claim for claim in known if claim.node == asking.text]
            if own and all([await self._is_current(claim) for claim in own]):
                return self._verdicts.judged(known, asking.text)
        claims = claims_of(await self._listing.read(), volume)
        if asking is not None and all(claim.node != asking.text for claim in claims):
            # Nothing is decided on what cannot be all: its own claim is there before the call.
            raise Unreachable(f"no VolumeAttachment of node {asking} for volume {volume} is known")
        return self._verdicts.judged(claims, asking.text if asking else "")

    async def _is_current(self, claim: Claim) -> bool:
        """Whether a claim that is known is the one that there is now, and no earlier one.

        The name of a VolumeAttachment is the same whenever its node comes back for the volume.
        """
        item = await self._kube.get(f"{VOLUME_ATTACHMENTS}/{claim.name}", metadata_only=True)
        return item is not None and (item["metadata"].get("uid") or "") == claim.uid

    async def known_of(
        self, volumes: Sequence[VolumeId]
    ) -> Mapping[VolumeId, tuple[Attachment, ...]]:
        """Return the claims to several volumes, as far as is known."""
        if self._is_synced:
            return {
                volume: self._verdicts.judged(self._joined.of_volume(volume)) for volume in volumes
            }
        listed = await self._listing.read()
        return {volume: self._verdicts.judged(claims_of(listed, volume)) for volume in volumes}

    @property
    def _is_synced(self) -> bool:
        return self._attachments.is_synced and self._volumes.is_synced

    async def _list(self) -> dict[str, tuple[Claim, ...]]:
        """Read the attachments anew, and the volumes that are not known yet."""
        driver = self._options.driver
        read = await self._read_all(VOLUME_ATTACHMENTS, lambda i: read_attachment(i, driver))
        volumes = {volume.name: volume for volume in self._volumes.values()}
        unknown = {a.volume for a in read if a.volume and a.volume not in volumes}
        if len(unknown) > _FEW or not self._volumes.is_synced:
            listed = await self._read_all(PERSISTENT_VOLUMES, lambda i: read_volume(i, driver))
            volumes = {volume.name: volume for volume in listed}
        else:
            for name in unknown:
                item = await self._kube.get(f"{PERSISTENT_VOLUMES}/{name}")
                if item and (volume := read_volume(item, driver)):
                    volumes[name] = volume
        return join_all(read, volumes.values())

    async def _read_all(self, path: str, read: Callable[[Object], T | None]) -> list[T]:
        found: list[T] = []
        async for page in self._kube.list(path):
            found += [value for item in page.items if (value := read(item)) is not None]
        return found

    async def list_claims(self) -> Mapping[str, tuple[Claim, ...]]:
        """Return all claims by volume handle, read anew."""
        return await self._listing.read()

    def judge(self, claim: Claim) -> tuple[Attachment, bool]:
        """Return a claim as it counts, and whether it was taken back a moment ago."""
        return self._verdicts.judge(claim), self._verdicts.is_released(claim)

    async def record(self, volume: VolumeId, node: NodeId, grant: Grant) -> None:
        """Remember a grant for the VolumeAttachment that it is for."""
        self._verdicts.grant(volume, node, grant.claims)
        self._annotate(volume, node, attached=True)

    async def forget(self, volume: VolumeId, node: NodeId | None) -> None:
        """Forget grants, and remember for a while that the claims have been taken back."""
        claims = await self._claims_of(volume, node)
        self._verdicts.release(volume, node, claims)
        self._annotate(volume, node, attached=False)

    async def _claims_of(self, volume: VolumeId, node: NodeId | None) -> list[Claim]:
        def own(claims: tuple[Claim, ...]) -> list[Claim]:
            return [claim for claim in claims if node is None or claim.node == node.text]

        known = own(self._joined.of_volume(volume))
        if not known:
            with contextlib.suppress(Unreachable):  # it only shortens a wait
                known = own(claims_of(await self._listing.read(), volume))
        return known

    def _annotate(self, volume: VolumeId, node: NodeId | None, *, attached: bool) -> None:
        if self._annotator is None:
            return
        for persistent in self._volumes.found(volume.text):
            left = {
                c.node for c in self._verdicts.judged(self._joined.of_volume(volume)) if c.attached
            }
            if node is not None:
                left = left | {node.text} if attached else left - {node.text}
            self._annotator.put(persistent.name, sorted(left) if node else [])

    # Nodes

    async def node(self, name: str, *, fresh: bool = False) -> Node | None:
        """Return a node; one that is not known is asked for, so that None is certain."""
        known = None if fresh else self._nodes.get(name)
        if known is None:
            item = await self._kube.get(f"{NODES}/{name}", metadata_only=True)
            known = self._read_node(item) if item else None
        if known is None or not known.host_nqn:
            return known
        others = {other.name for other in self._nodes.found(known.host_nqn)} - {name}
        if others:
            # Fencing cannot tell them apart, and NVMe hosts with one NQN cut each other off.
            about = {"node": name, "others": sorted(others)}
            record(log, SecurityEvent.HOST_NOT_UNIQUE, "host NQN is not unique", **about)
            return Node(name)
        return known

    def nodes_of_hosts(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the nodes that say they are one of these hosts."""
        if not self._nodes.is_synced:
            raise Unreachable("the nodes are not known yet")
        return tuple(sorted({node.name for host in hosts for node in self._nodes.found(host)}))

    def _read_node(self, item: Object) -> Node:
        metadata = item["metadata"]
        annotations = metadata.get("annotations") or {}
        text = annotations.get(f"{self._options.driver}/host-nqn") or ""
        try:
            return Node(metadata["name"], Nqn.parse(text, "host-nqn").text if text else "")
        except InvalidRequest as error:
            # Above all not a list: it would have the device admit more than this node.
            log.warning("annotation ignored", node=metadata["name"], reason=error.message)
            return Node(metadata["name"])

    # Parameters and machines

    async def parameters_of(self, volume: VolumeId) -> Mapping[str, str]:
        """Return the parameters of the volume's VolumeAttributesClass; none without one."""
        name = next((v.attributes_class for v in self._volumes.found(volume.text)), "")
        if not name:
            return {}
        for version in ("v1", "v1beta1"):
            with contextlib.suppress(NotServed):
                item = await self._kube.get(_CLASSES.format(version, name))
                if item is not None:
                    return dict(item.get("parameters") or {})
        return {}

    async def keep_parameters(self, volume: VolumeId, parameters: Mapping[str, str]) -> None:
        """Do nothing: external-resizer and -provisioner note the class in the volume."""

    async def authenticates(self, volume: VolumeId) -> bool:
        """Return whether the volume's PersistentVolume tells nodes to authenticate themselves.

        Raises:
            Unreachable: it is not known.
        """
        known = self._volumes.found(volume.text)
        if not known:
            raise Unreachable(f"no PersistentVolume of volume {volume} is known")
        return all(persistent.authenticated for persistent in known)

    async def machine_of(self, volume: VolumeId) -> str:
        """Return the KubeVirt machine that uses a volume, where that is to be looked at."""
        if not self._options.serialize_machines:
            return ""
        for persistent in self._volumes.found(volume.text):
            if persistent.claim:
                return await machine_of_claim(self._kube, *persistent.claim)
        return ""


@contextlib.asynccontextmanager
async def open_kube_cluster(
    kube: KubeClient, options: ClusterOptions
) -> AsyncIterator[KubeCluster]:
    """Own what is known of the cluster. An API that is away is not an error here."""
    cluster = KubeCluster(kube, options)
    async with cluster.running():
        yield cluster
