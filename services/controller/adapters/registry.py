"""What repair asks the Kubernetes API: everything anew, since it is to rest on what is true now."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus

from libs.core.ids import SnapshotId, VolumeId
from libs.kube.answers import Object
from libs.kube.attachments import Claim, claims_of
from libs.kube.client import KubeClient
from libs.kube.errors import Answered
from libs.kube.paths import PERSISTENT_VOLUMES, SNAPSHOT_CONTENTS
from services.controller.adapters.cluster import KubeCluster
from services.controller.adapters.shared import Shared
from services.controller.ports import KnownClaim


@dataclass(frozen=True, slots=True)
class _References:
    """What refers to volumes and snapshots, by their IDs; and to volumes, by what they are named.

    Attributes:
        volumes: by volume handle, of whatever driver.
        names: names of PersistentVolumes that are not this driver's: one that is moved from another
            driver keeps the name of its volume.
        snapshots: by snapshot handle.
    """

    volumes: Mapping[str, list[str]]
    names: frozenset[str]
    snapshots: Mapping[str, list[str]]


class KubeRegistry:
    """Claims, nodes, and what refers to volumes and snapshots.

    Args:
        kube: the API.
        driver: the CSI driver's name.
        cluster: what attaching knows; its listings are shared with this.
    """

    def __init__(self, kube: KubeClient, driver: str, cluster: KubeCluster) -> None:
        self._kube = kube
        self._driver = driver
        self._cluster = cluster
        self._references = Shared(self._read_references)

    async def aclose(self) -> None:
        """Break off what is under way."""
        await self._references.aclose()

    async def claims(self, volume: VolumeId | None = None) -> tuple[KnownClaim, ...]:
        """Return the claims to one volume or to all."""
        listed = await self._cluster.list_claims()
        if volume is not None:
            return tuple(self._known(claim, volume.text) for claim in claims_of(listed, volume))
        return tuple(self._known(c, handle) for handle, held in listed.items() for c in held)

    def _known(self, claim: Claim, volume: str) -> KnownClaim:
        attachment, released = self._cluster.judge(claim)
        return KnownClaim(volume, attachment, released, claim.name, not claim.is_orphan)

    async def nodes_of_hosts(self, hosts: Iterable[str]) -> tuple[str, ...]:
        """Return the names of the nodes that say they are one of these hosts."""
        return self._cluster.nodes_of_hosts(hosts)

    async def referrers(self, item: VolumeId | SnapshotId) -> tuple[str, ...]:
        """Return what refers to a volume or snapshot."""
        found = await self._references.read()
        if isinstance(item, SnapshotId):
            return tuple(found.snapshots.get(item.text, ()))
        named = [f"PersistentVolume {item.slot}"] if item.slot.text in found.names else []
        return (*found.volumes.get(item.text, ()), *named)

    async def _read_references(self) -> _References:
        volumes: defaultdict[str, list[str]] = defaultdict(list)
        snapshots: defaultdict[str, list[str]] = defaultdict(list)
        names: set[str] = set()
        async for page in self._kube.list(PERSISTENT_VOLUMES):
            for item in page.items:
                name = item["metadata"]["name"]
                csi = (item.get("spec") or {}).get("csi") or {}
                if handle := csi.get("volumeHandle"):
                    volumes[handle].append(f"PersistentVolume {name}")
                if csi.get("driver") != self._driver:
                    names.add(name)
        try:
            async for page in self._kube.list(SNAPSHOT_CONTENTS):
                for item in page.items:
                    _take_content(item, volumes, snapshots)
        except Answered as error:
            # Where there is no such kind, there are no snapshots.
            if error.status != HTTPStatus.NOT_FOUND:
                raise
        return _References(volumes, frozenset(names), snapshots)


def _take_content(
    item: Object, volumes: defaultdict[str, list[str]], snapshots: defaultdict[str, list[str]]
) -> None:
    who = f"VolumeSnapshotContent {item['metadata']['name']}"
    source = (item.get("spec") or {}).get("source") or {}
    status = item.get("status") or {}
    for handle in {source.get("snapshotHandle"), status.get("snapshotHandle")} - {None, ""}:
        snapshots[str(handle)].append(who)
    # A snapshot that is ready needs its volume no more.
    if source.get("volumeHandle") and not status.get("readyToUse"):
        volumes[str(source["volumeHandle"])].append(who)
