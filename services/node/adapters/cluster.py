"""The cluster, as the node sees it: its own Node object, PersistentVolumes, and events."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import structlog

from libs.core.errors import Unreachable
from libs.core.ids import OTHER_PREFIX, Nqn, Slot, VolumeId
from libs.kube.answers import Object
from libs.kube.attachments import attachment_name
from libs.kube.client import KubeClient
from libs.kube.errors import ObjectChanged, ObjectMissing
from libs.kube.events import open_events
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from libs.kube.retry import Sleep
from services.node.adapters.events import Teller, open_teller
from services.node.adapters.taint import clear_startup_taint
from services.node.ports import Marks, Reason

log = structlog.get_logger(__name__)

HOST_NQN = "host-nqn"
"""Annotation `<driver>/host-nqn` of a Node: its NQN; the controller admits hosts by it."""

FORMATTED = "formatted"
"""Annotation `<driver>/formatted` of a PersistentVolume: as what it was formatted, or `raw block`.

A volume that has it is never formatted again, however empty it looks."""

RESET_BREAKER = "reset-breaker"
"""Annotation `<driver>/reset-breaker` of a PersistentVolume: any text that an administrator writes.

A text that was not there before closes the volume's open circuit breaker."""

_TRIES = 3
"""How often a PersistentVolume is read and changed, while others change it too."""


class KubeCluster:
    """Reads and writes annotations, and tells by events. See `open_kube_cluster`."""

    def __init__(self, kube: KubeClient, driver: str, node_name: str) -> None:
        self._kube = kube
        self._driver = driver
        self._node_name = node_name
        self._teller: Teller | None = None

    @contextlib.asynccontextmanager
    async def running(self, sleep: Sleep, posted: Callable[[str], None]) -> AsyncIterator[None]:
        """Tell what is to be told until the block ends."""
        component = f"{self._driver}/node"
        async with (
            open_events(
                self._kube, component, self._node_name, sleep=sleep, posted=posted
            ) as events,
            open_teller(events, self.find, sleep) as self._teller,
        ):
            yield

    async def announce(self, host_nqn: Nqn) -> None:
        """Write this node's host NQN on its Node object, unless it is there.

        Raises:
            Unreachable: that could not be done.
        """
        path = f"{NODES}/{self._node_name}"
        item = await self._kube.get(path, metadata_only=True)
        if item is None:
            raise Unreachable(f"the cluster has no node {self._node_name}")
        key = self._key(HOST_NQN)
        before = _annotations(item).get(key)
        if before == host_nqn.text:
            return
        await self._kube.patch(path, {"metadata": {"annotations": {key: host_nqn.text}}})
        log.info("host NQN announced", node=self._node_name, host_nqn=host_nqn.text, before=before)

    async def clear_startup_taint(self) -> bool:
        """Have pods come to this node, once the kubelet knows the driver; return whether they may.

        Raises:
            Unreachable: that could not be done.
        """
        cleared = await clear_startup_taint(self._kube, self._driver, self._node_name)
        if cleared:
            log.info("pods may come to this node", node=self._node_name)
        return cleared

    async def attachment(self, volume: VolumeId) -> str | None:
        """Return the UID of this node's VolumeAttachment; None if it does not hold.

        It holds if it is there, attached, and not being deleted.

        Raises:
            Unreachable: the cluster does not answer.
        """
        name = attachment_name(volume.text, self._driver, self._node_name)
        item = await self._kube.get(f"{VOLUME_ATTACHMENTS}/{name}")
        metadata = (item or {}).get("metadata") or {}
        attached = ((item or {}).get("status") or {}).get("attached") is True
        if metadata.get("deletionTimestamp") or not attached:
            return None
        return str(metadata.get("uid") or "")

    async def identify(self, slot: Slot) -> VolumeId:
        """Return the ID of the volume with a slot, as its PersistentVolume has it.

        Where there is none under its name, that of the default device's volume.

        Raises:
            Unreachable: the cluster does not answer.
        """
        for name in _names(slot):
            handle = self._handle(await self._kube.get(f"{PERSISTENT_VOLUMES}/{name}"))
            if handle.partition("@")[0] == slot.text:
                return VolumeId.parse(handle)
        return VolumeId(slot)

    async def read_marks(self, volume: VolumeId) -> Marks | None:
        """Return a volume's marks; None where the cluster has no such volume.

        Raises:
            Unreachable: the cluster does not answer.
        """
        item = await self.find(volume)
        if item is None:
            return None
        annotations = _annotations(item)
        return Marks(
            formatted=annotations.get(self._key(FORMATTED), ""),
            reset=annotations.get(self._key(RESET_BREAKER), ""),
        )

    async def mark_formatted(self, volume: VolumeId, text: str) -> None:
        """Keep with the volume that it was formatted, or used as a raw block device.

        The change holds only for the very object that was read: a PersistentVolume that was made
        anew under the same name may be of another volume.

        Raises:
            Unreachable: that could not be done, or the cluster has no such volume.
        """
        key = self._key(FORMATTED)
        for _ in range(_TRIES):
            item = await self.find(volume)
            if item is None:
                raise Unreachable(f"the cluster has no PersistentVolume of volume {volume}")
            if _annotations(item).get(key) == text:
                return
            metadata = item["metadata"]
            change = {
                "metadata": {
                    "uid": metadata.get("uid"),
                    "resourceVersion": metadata.get("resourceVersion"),
                    "annotations": {key: text},
                }
            }
            with contextlib.suppress(ObjectChanged, ObjectMissing):
                await self._kube.patch(f"{PERSISTENT_VOLUMES}/{metadata['name']}", change)
                return
        raise Unreachable(f"the PersistentVolume of volume {volume} changes all the time")

    def tell(self, volume: VolumeId, reason: Reason, text: str) -> None:
        """Tell people, as an event on the volume; never waits and never fails."""
        if self._teller is not None:
            self._teller.tell(volume, reason, text)

    async def find(self, volume: VolumeId) -> Object | None:
        """Return the PersistentVolume of a volume; None where there is none under its name.

        One that somebody made by hand, under a name of its own, is not looked for: it would take a
        listing of all.

        Raises:
            Unreachable: the cluster does not answer.
        """
        for name in _names(volume.slot):
            item = await self._kube.get(f"{PERSISTENT_VOLUMES}/{name}")
            if self._handle(item) == volume.text:
                return item
        return None

    def _handle(self, item: Object | None) -> str:
        """Return the volume that a PersistentVolume is of; nothing if it is not this driver's."""
        csi = ((item or {}).get("spec") or {}).get("csi")
        if not isinstance(csi, dict) or csi.get("driver") != self._driver:
            return ""
        return str(csi.get("volumeHandle") or "")

    def _key(self, name: str) -> str:
        return f"{self._driver}/{name}"


def _names(slot: Slot) -> Iterator[str]:
    """Yield the names that external-provisioner may have given to the PersistentVolume of a slot.

    It names the PersistentVolume as it names the volume, and `VolumeId.from_name` puts a prefix
    before names that are not `pvc-<uuid>`.
    """
    yield slot.text
    if slot.text.startswith(OTHER_PREFIX) and not slot.text.startswith(f"{OTHER_PREFIX}-"):
        yield slot.text.removeprefix(OTHER_PREFIX)


def _annotations(item: Object) -> dict[str, str]:
    return {
        str(key): str(value)
        for key, value in ((item.get("metadata") or {}).get("annotations") or {}).items()
    }


@contextlib.asynccontextmanager
async def open_kube_cluster(
    kube: KubeClient,
    driver: str,
    node_name: str,
    *,
    sleep: Sleep = asyncio.sleep,
    posted: Callable[[str], None] = lambda _: None,
) -> AsyncIterator[KubeCluster]:
    """Own what tells the cluster. An API that is away is not an error here.

    Args:
        kube: the API.
        driver: the CSI driver's name, which annotation keys begin with.
        node_name: the name of this node's Node object.
        sleep: waits between two tries of writing an event.
        posted: told the reason of every event that was written.
    """
    cluster = KubeCluster(kube, driver, node_name)
    async with cluster.running(sleep, posted):
        yield cluster


class NoCluster:
    """For a node that is in no cluster: there are no marks, and what is told goes to the log."""

    async def announce(self, host_nqn: Nqn) -> None:
        """Log this node's host NQN."""
        log.info("host NQN", host_nqn=host_nqn.text)

    async def clear_startup_taint(self) -> bool:
        """Say that there is none."""
        return True

    async def attachment(self, volume: VolumeId) -> str | None:  # noqa: ARG002 (as the port has it)
        """Say yes: nobody else could have it."""
        return ""

    async def identify(self, slot: Slot) -> VolumeId:
        """Return the ID of the default device's volume."""
        return VolumeId(slot)

    async def read_marks(self, volume: VolumeId) -> Marks | None:  # noqa: ARG002 (as the port has it)
        """Return nothing: there are no PersistentVolumes."""
        return None

    async def mark_formatted(self, volume: VolumeId, text: str) -> None:
        """Do nothing: the node keeps its own record."""

    def tell(self, volume: VolumeId, reason: Reason, text: str) -> None:
        """Log it."""
        say = log.warning if reason.is_warning else log.info
        say("told", volume=volume.text, reason=reason.value, text=text)
