"""A namespace of one test, what it asks for there, and what it waits for."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any

from libs.core.errors import Unreachable
from libs.kube.attachments import attachment_name
from libs.kube.client import KubeClient
from libs.kube.errors import Answered, ObjectMissing
from libs.kube.paths import NODES, PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS
from tests.e2e.device import Device
from tests.e2e.machine import CommandFailed
from tests.e2e.objects import CLAIM, POD, Item
from tests.e2e.sidecars.serving import quantity
from tests.e2e.site import Site
from tests.kube.shipped import DRIVER

PATIENCE = 60.0
"""Seconds for anything that a cluster does."""

SNAPSHOTS = "/apis/snapshot.storage.k8s.io/v1"
_LOOK_AGAIN = 0.2


class TooLate(AssertionError):
    """Something did not happen in its time; the text says what, and what was seen last."""


async def until(what: str, look: Callable[[], Awaitable[Any]], limit: float = PATIENCE) -> Any:
    """Look again and again until there is something, and return it.

    Args:
        what: is waited for, in words.
        look: asks; an answer that is false, or that the API server is away, is asked again.
        limit: seconds.
    """
    deadline = time.monotonic() + limit
    seen: object = None
    while True:
        try:
            seen = await look()
            if seen:
                return seen
        except Answered:
            raise
        except Unreachable as error:
            seen = error
        if time.monotonic() > deadline:
            raise TooLate(f"not so after {limit:g} s: {what}; last seen: {seen!r}")
        await asyncio.sleep(_LOOK_AGAIN)


@dataclass
class World:
    """What a test acts on.

    Attributes:
        site: all of it.
        kube: an administrator's client.
        namespace: the test's own.
    """

    site: Site
    kube: KubeClient
    namespace: str

    def path(self, kind: str, name: str = "") -> str:
        root = SNAPSHOTS if kind == "volumesnapshots" else "/api/v1"
        return f"{root}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    @property
    def device(self) -> Device:
        return self.site.device

    async def make(self, kind: str, *items: Item) -> None:
        for item in items:
            await self.kube.create(self.path(kind), item)

    async def get(self, kind: str, name: str) -> Item:
        item = await self.kube.get(self.path(kind, name))
        assert item is not None, f"{kind} {name} is not there"
        return item

    async def remove(self, kind: str, *names: str) -> None:
        """Remove something, unless the cluster has done so already."""
        for name in names:
            with contextlib.suppress(ObjectMissing):
                await self.kube.delete(self.path(kind, name))

    async def all_of(self, path: str) -> list[Item]:
        return [item async for page in self.kube.list(path) for item in page.items]

    # Pods

    async def runs(self, name: str, limit: float = PATIENCE) -> str:
        """Wait until a pod runs; return on which node."""

        async def look() -> object:
            item = await self.kube.get(self.path(POD, name))
            states = ((item or {}).get("status") or {}).get("containerStatuses") or []
            if item is not None and any("running" in one["state"] for one in states):
                return item["spec"]["nodeName"]
            return None

        try:
            return str(await until(f"pod {name} runs", look, limit))
        except TooLate as error:
            raise TooLate(f"{error}\n{await self.tell()}") from None

    async def run(self, name: str, *command: str) -> str:
        """Run a command in a pod that runs, and return what it prints."""
        item = await self.get(POD, name)
        container = item["status"]["containerStatuses"][0]["containerID"].rpartition("/")[2]
        machine = self.site.machines[item["spec"]["nodeName"]]
        token = uuid.uuid4().hex
        words = ("task", "exec", "--exec-id", token, container, *command)
        return await asyncio.to_thread(machine.ctr, *words)

    async def write(self, name: str, text: str, file: str = "/data/text") -> None:
        await self.run(name, "sh", "-c", f"echo {text} >{file} && sync")

    async def read(self, name: str, file: str = "/data/text") -> str:
        return (await self.run(name, "cat", file)).strip()

    async def kilobytes(self, name: str) -> int:
        """Return the size of the filesystem that a pod has."""
        return int((await self.run(name, "df", "-k", "/data")).splitlines()[-1].split()[1])

    async def snapshot_ready(self, name: str) -> None:
        """Wait until a snapshot can be used."""

        async def look() -> bool:
            item = await self.get("volumesnapshots", name)
            return bool((item.get("status") or {}).get("readyToUse"))

        await until(f"snapshot {name} is ready", look)

    async def gone(self, kind: str, *names: str, limit: float = PATIENCE) -> None:
        """Wait until something is not there any more."""
        for name in names:
            path = self.path(kind, name)
            await self.path_gone(path, limit)

    async def path_gone(self, path: str, limit: float = PATIENCE) -> None:
        async def look() -> bool:
            return await self.kube.get(path) is None

        await until(f"{path} is gone", look, limit)

    async def volume_of(self, claim: str, limit: float = PATIENCE) -> str:
        """Wait until a claim is bound; return the name of its volume."""

        async def look() -> object:
            item = await self.get(CLAIM, claim)
            return (item.get("status") or {}).get("phase") == "Bound" and item["spec"]["volumeName"]

        return str(await until(f"claim {claim} is bound", look, limit))

    async def attached(self, volume: str) -> set[str]:
        """Return the nodes that a volume is attached to, as the cluster knows it."""
        return {
            str(item["spec"]["nodeName"])
            for item in await self.all_of(VOLUME_ATTACHMENTS)
            if item["spec"]["source"].get("persistentVolumeName") == volume
            and (item.get("status") or {}).get("attached")
        }

    async def is_attached(self, volume: str, *nodes: str) -> bool:
        """Return whether a volume is attached to these nodes and no others."""
        return await self.attached(volume) == set(nodes)

    async def detached(self, volume: str) -> None:
        """Wait until no node has a volume.

        A pod that is made sooner starts later: its kubelet asks in ever longer pauses.
        """

        async def look() -> bool:
            claims = await self.all_of(VOLUME_ATTACHMENTS)
            names = [item["spec"]["source"].get("persistentVolumeName") for item in claims]
            return volume not in names

        await until(f"{volume} is detached", look)

    async def attach(self, volume: str, node: str) -> str:
        """Ask for a volume on a node, as the attach-detach controller does; return the path."""
        name = attachment_name(volume, DRIVER, node)
        spec = {
            "attacher": DRIVER,
            "nodeName": node,
            "source": {"persistentVolumeName": volume},
        }
        await self.kube.create(VOLUME_ATTACHMENTS, {"metadata": {"name": name}, "spec": spec})
        return f"{VOLUME_ATTACHMENTS}/{name}"

    async def capacity(self, claim: str) -> int:
        """Return the bytes that a claim has, as it says itself."""
        return quantity((await self.get(CLAIM, claim))["status"]["capacity"]["storage"])

    @contextlib.asynccontextmanager
    async def asking(self, volume: str, node: str) -> AsyncIterator[str]:
        """Ask for a volume on a node until the block ends; give the VolumeAttachment's path."""
        path = await self.attach(volume, node)
        try:
            yield path
        finally:
            await self.kube.delete(path)
            await self.path_gone(path)

    async def refusal(self, path: str, code: str = "FAILED_PRECONDITION") -> str:
        """Return why a VolumeAttachment does not get its volume; nothing as long as it may."""
        item = await self.kube.get(path)
        error = ((item or {}).get("status") or {}).get("attachError") or {}
        message = str(error.get("message", ""))
        return message if message.startswith(code) else ""

    async def ask_for(self, claim: str, size: str) -> None:
        """Have a claim ask for another size."""
        change = {"spec": {"resources": {"requests": {"storage": size}}}}
        await self.kube.patch(self.path(CLAIM, claim), change)

    async def until_ready(self, names: Iterable[str], limit: float = PATIENCE) -> None:
        """Wait until nodes are Ready and have the driver."""
        for name in names:

            async def look(name: str = name) -> bool:
                node = await self.kube.get(f"{NODES}/{name}")
                conditions = ((node or {}).get("status") or {}).get("conditions") or []
                known = await self.kube.get(f"/apis/storage.k8s.io/v1/csinodes/{name}")
                drivers = ((known or {}).get("spec") or {}).get("drivers") or []
                taints = ((node or {}).get("spec") or {}).get("taints")
                return (
                    any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
                    and any(one["name"] == DRIVER for one in drivers)
                    and not taints
                )

            await until(f"{name} is Ready and has the driver", look, limit)

    async def tell(self) -> str:
        """Return what people look at first: pods, attachments and events."""
        pods = await self.all_of(self.path(POD))
        lines = [f"pod {item['metadata']['name']}: {item.get('status')}" for item in pods]
        attached = await self.all_of(VOLUME_ATTACHMENTS)
        lines += [f"attachment: {item['spec']} {item.get('status')}" for item in attached]
        for item in await self.all_of(self.path("events")):
            about = item["involvedObject"]
            lines.append(f"{about.get('kind')}/{about.get('name')}: {item.get('message')}")
        return "\n".join(lines)

    async def clear(self) -> None:
        """Remove everything that the test made, and wait until nothing of it is left anywhere."""
        for kind in (POD, "volumesnapshots", CLAIM):
            for item in await self.all_of(self.path(kind)):
                await self.remove(kind, item["metadata"]["name"])
        try:
            await until("nothing is left of the test", self._is_clear, 90.0)
        except TooLate as error:
            raise TooLate(f"{error}\n{await self.tell()}\n{await self._left()}") from None

    async def _is_clear(self) -> bool:
        return not await self._left()

    async def _left(self) -> list[str]:
        left: list[str] = []
        for path in (self.path(POD), self.path(CLAIM), PERSISTENT_VOLUMES, VOLUME_ATTACHMENTS):
            left += [item["metadata"]["name"] for item in await self.all_of(path)]
        left += await asyncio.to_thread(self.site.device.volumes)
        left += await asyncio.to_thread(self.site.device.files)
        for machine in self.site.machines.values():
            left += machine.volume_mounts()
        return left + await asyncio.to_thread(self.site.device.loops)


@contextlib.asynccontextmanager
async def open_world(site: Site, kube: KubeClient) -> AsyncIterator[World]:
    """Own a namespace; at the end what was in it is gone, from the device, too."""
    namespace = f"rdscsi-e2e-{uuid.uuid4().hex[:8]}"
    await kube.create("/api/v1/namespaces", {"metadata": {"name": namespace}})
    world = World(site, kube, namespace)

    async def has_account() -> object:
        return await kube.get(world.path("serviceaccounts", "default"))

    await until("the namespace has its service account", has_account)
    await world.until_ready(site.machines)
    try:
        yield world
    finally:
        await world.clear()
        await kube.delete(f"/api/v1/namespaces/{namespace}")


__all__ = ["PATIENCE", "CommandFailed", "TooLate", "World", "open_world", "until"]
