"""Reads what preflight needs of a cluster: gets and lists, and nothing else."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from libs.core.errors import Unreachable
from libs.kube.client import KubeClient, open_kube
from libs.kube.errors import NotServed
from libs.kube.paths import (
    CSI_DRIVERS,
    CSI_NODES,
    NODES,
    PERSISTENT_VOLUMES,
    SNAPSHOT_CONTENTS,
    VOLUME_ATTACHMENTS,
)
from rdsctl.preflight.model import Cluster
from rdsctl.preflight.objects import (
    Object,
    read_attachment,
    read_class,
    read_driver,
    read_driver_id,
    read_node,
    read_snapshot,
    read_volume,
    read_workloads,
)

T = TypeVar("T")

CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
ATTRIBUTES_CLASSES = "/apis/storage.k8s.io/v1/volumeattributesclasses"
DEPLOYMENTS = "/apis/apps/v1/deployments"
DAEMON_SETS = "/apis/apps/v1/daemonsets"


async def read_cluster(kubeconfig: Path, driver: str, limit: float) -> Cluster:
    """Read a cluster.

    Args:
        kubeconfig: how it is reached, and as whom.
        driver: the name of the driver.
        limit: seconds for all of it.

    Raises:
        Unreachable: it does not answer, or not what nothing can be said without:
            PersistentVolumes, VolumeAttachments and the CSIDriver.
    """
    try:
        async with asyncio.timeout(limit), open_kube(kubeconfig) as kube:
            return await _Reading(kube, driver).all()
    except TimeoutError:
        raise Unreachable(f"the cluster was not read within {limit:g} s") from None


class _Reading:
    def __init__(self, kube: KubeClient, driver: str) -> None:
        self._kube = kube
        self._driver = driver
        self._unread: list[str] = []

    async def all(self) -> Cluster:
        kube, driver = self._kube, self._driver
        version = await kube.get("/version") or {}
        # Attachments first: a volume that is made meanwhile is not missed, but known too well.
        attachments = await self._list(VOLUME_ATTACHMENTS, lambda i: read_attachment(i, driver))
        volumes = await self._list(PERSISTENT_VOLUMES, lambda i: read_volume(i, driver))
        found = await kube.get(f"{CSI_DRIVERS}/{driver}")
        ids = dict(await self._try(CSI_NODES, lambda i: read_driver_id(i, driver)) or ())
        classes = await self._try(CLASSES, lambda i: read_class(i, driver)) or ()
        nodes = await self._try(NODES, lambda i: read_node(i, ids)) or ()
        deployments = await self._try(DEPLOYMENTS, _whole) or ()
        daemon_sets = await self._try(DAEMON_SETS, _whole) or ()
        return Cluster(
            version=str(version.get("gitVersion") or ""),
            driver=read_driver(found),
            volumes=volumes,
            attachments=attachments,
            classes=classes,
            workloads=read_workloads(deployments, daemon_sets, driver),
            nodes=nodes,
            snapshots=await self._snapshots(),
            serves_attributes_classes=await self._serves(ATTRIBUTES_CLASSES),
            unread=tuple(self._unread),
        )

    async def _list(self, path: str, read: Callable[[Object], T | None]) -> tuple[T, ...]:
        found: list[T] = []
        async for page in self._kube.list(path):
            found += [value for item in page.items if (value := read(item)) is not None]
        return tuple(found)

    async def _try(self, path: str, read: Callable[[Object], T | None]) -> tuple[T, ...] | None:
        """List what much can be said without; None where it cannot be had."""
        try:
            return await self._list(path, read)
        except Unreachable as error:
            self._unread.append(error.message)
            return None

    async def _snapshots(self) -> tuple[str, ...] | None:
        try:
            return await self._list(
                SNAPSHOT_CONTENTS, lambda item: read_snapshot(item, self._driver)
            )
        except NotServed:
            return None
        except Unreachable as error:
            self._unread.append(error.message)
            return ()

    async def _serves(self, path: str) -> bool:
        try:
            await self._list(path, lambda _: None)
        except NotServed:
            return False
        except Unreachable as error:
            self._unread.append(error.message)
        return True


def _whole(item: Object) -> Object:
    return item
