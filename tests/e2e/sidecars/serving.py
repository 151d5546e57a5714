"""What all stand-ins for sidecars have in common: they watch, and do what is to be done."""

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import structlog
from grpclib import GRPCError
from grpclib.exceptions import StreamTerminatedError

from libs.core.errors import RdsCsiError
from libs.kube.answers import Object
from libs.kube.client import KubeClient
from libs.kube.watched import Watched, open_watched
from protos.gen.csi import v1 as csi
from tests.kube.shipped import DRIVER

log = structlog.get_logger(__name__)

CLAIMS = "/api/v1/persistentvolumeclaims"
CLASSES = "/apis/storage.k8s.io/v1/storageclasses"
CSI_NODES = "/apis/storage.k8s.io/v1/csinodes"
SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"

_FIRST_PAUSE = 0.5
_LONGEST_PAUSE = 4.0
_SETTLE = 0.1
"""Seconds after which something that was done is looked at again, since watches lag behind."""

Work = Callable[[], Awaitable[None]]


def meta(item: Object) -> Mapping[str, Any]:
    found: Mapping[str, Any] = item["metadata"]
    return found


def annotations(item: Object) -> Mapping[str, str]:
    return meta(item).get("annotations") or {}


def status(item: Object) -> Mapping[str, Any]:
    return item.get("status") or {}


@dataclass
class Sidecar(ABC):
    """One of them.

    Attributes:
        kube: the API.
        controller: the driver's controller.
    """

    kube: KubeClient
    controller: csi.ControllerStub
    watched: dict[str, Watched[Object]] = field(default_factory=dict)

    def watch(self, path: str) -> Watched[Object]:
        """Return a collection that is kept up to date while this serves."""
        found = self.watched[path] = Watched(self.kube, path, lambda item: item)
        return found

    @abstractmethod
    def due(self) -> Iterator[tuple[str, Work]]:
        """Yield what seems to be due: a name of its own, and what does it.

        What it does has to look again first: what is known here may be old.
        """


async def serve(sidecar: Sidecar) -> None:
    """Do what is due, for ever; what fails is tried again after a pause."""
    changed = asyncio.Event()
    for collection in sidecar.watched.values():
        collection.subscribe(changed.set)
    running: dict[str, asyncio.Task[None]] = {}
    pauses: dict[str, float] = {}

    async def attempt(name: str, work: Work) -> None:
        try:
            await work()
            pauses.pop(name, None)
            await asyncio.sleep(_SETTLE)
        except (GRPCError, RdsCsiError, StreamTerminatedError, OSError) as error:
            detail = getattr(error, "detail", "")
            log.warning("not done", what=name, why=str(error), detail=detail)
            pause = pauses.get(name, _FIRST_PAUSE)
            pauses[name] = min(2 * pause, _LONGEST_PAUSE)
            await asyncio.sleep(pause)
        finally:
            del running[name]
            changed.set()

    async with open_watched(*sidecar.watched.values()), _ended(running):
        while True:
            await changed.wait()
            changed.clear()
            if not all(one.is_synced for one in sidecar.watched.values()):
                continue
            for name, work in list(sidecar.due()):
                if name not in running:
                    running[name] = asyncio.create_task(attempt(name, work))


@contextlib.asynccontextmanager
async def _ended(running: dict[str, asyncio.Task[None]]) -> AsyncIterator[None]:
    try:
        yield
    finally:
        tasks = list(running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def is_ours(volume: Object) -> bool:
    """Return whether a PersistentVolume is one of the driver's."""
    return bool((volume["spec"].get("csi") or {}).get("driver") == DRIVER)


def quantity(text: str) -> int:
    """Read an amount of bytes, as people and Kubernetes write it."""
    units = {"Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
    return int(text[:-2]) * units[text[-2:]] if text[-2:] in units else int(text)


_MODES = {
    "ReadWriteOnce": csi.VolumeCapabilityAccessModeMode.SINGLE_NODE_MULTI_WRITER,
    "ReadOnlyMany": csi.VolumeCapabilityAccessModeMode.MULTI_NODE_READER_ONLY,
    "ReadWriteMany": csi.VolumeCapabilityAccessModeMode.MULTI_NODE_MULTI_WRITER,
}


def capability(spec: Mapping[str, Any], fs_type: str) -> csi.VolumeCapability:
    """Return how a claim or a volume is to be used."""
    mode = csi.VolumeCapabilityAccessMode(mode=_MODES[spec["accessModes"][0]])
    if spec.get("volumeMode") == "Block":
        return csi.VolumeCapability(block=csi.VolumeCapabilityBlockVolume(), access_mode=mode)
    mount = csi.VolumeCapabilityMountVolume(fs_type=fs_type)
    return csi.VolumeCapability(mount=mount, access_mode=mode)
