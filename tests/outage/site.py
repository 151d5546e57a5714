"""Twenty nodes with two hundred volumes, a device, a controller and two reconcilers."""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from grpclib import GRPCError

from libs.kube.attachments import attachment_name
from tests.component.controller.rig import Rig, open_rig
from tests.component.reconciler.processes import running_process
from tests.component.reconciler.rig import DRIVER, Cluster, volume
from tests.fakes.apiserver import ATTACHMENTS, running_api

NODES = [f"node-{number:02}" for number in range(20)]
VOLUMES_EACH = 10

THRESHOLDS = {"deleted": 2.0, "NotReady": 10.0, "out of service": 0.0}
"""Seconds that each sort of loss has to last, as the reconcilers are configured."""

STUCK = 1.0
"""Seconds after which a finalizer that nobody takes away is taken away."""

LOST = {
    "node-00": "deleted",
    "node-01": "deleted",
    "node-02": "NotReady",
    "node-03": "NotReady",
    "node-04": "out of service",
}

_SAMPLE = re.compile(r"rds_csi_(\w+?)(?:\{(.*)\})? ([0-9.e+-]+)")


@dataclass
class Move:
    """A volume that has to go to another node.

    Attributes:
        volume: its ID.
        source: the node that it was lost with.
        released: seconds after the outage until its VolumeAttachment was gone.
        moved: until another node had it.
    """

    volume: str
    source: str
    released: float = 0.0
    moved: float = 0.0


@dataclass
class Site(Cluster):
    """All of it, and what is done to it."""

    rig: Rig
    home: dict[str, str] = field(default_factory=dict)
    """Which node has which volume at first."""

    # Before

    async def fill(self) -> None:
        """Make the nodes, and volumes that they have; every other one is fenced."""
        for name in NODES:
            await self.node(name)
        limit = asyncio.Semaphore(20)

        async def add(number: int) -> None:
            async with limit:
                await self._add(volume(number), NODES[number // VOLUMES_EACH], number % 2 == 0)

        async with asyncio.TaskGroup() as group:
            for number in range(len(NODES) * VOLUMES_EACH):
                group.create_task(add(number))

    async def _add(self, name: str, node: str, fenced: bool) -> None:  # noqa: FBT001 (one use)
        await self.rig.create(name, parameters={"fencing": "host"} if fenced else {})
        await self.persist(name)
        await self.publish(name, node)
        self.home[name] = node

    async def publish(self, name: str, node: str) -> None:
        """Attach a volume as external-attacher does, trying for as long as the answer is no."""
        if attachment_name(name, DRIVER, node) not in self.api.objects[ATTACHMENTS]:
            await self.attach(name, node, attached=False)
        while True:
            try:
                await self.rig.publish(node, name)
            except GRPCError:
                await asyncio.sleep(0.25)  # as a sidecar, which tries again after a pause
            else:
                break
        item = self.api.objects[ATTACHMENTS][attachment_name(name, DRIVER, node)]
        await self.api.put(ATTACHMENTS, {**item, "status": {"attached": True}})

    # The outage

    async def lose(self) -> None:
        """Have five nodes go away, each in its way."""
        for name, how in LOST.items():
            if how == "deleted":
                await self.delete_node(name)
            elif how == "NotReady":
                await self.node(name, ready=False)
            else:
                used = [v for v, node in self.home.items() if node == name]
                await self.node(name, ready=False, out_of_service=True, in_use=used)

    async def move_all(self, began: float) -> list[Move]:
        """Give the volumes of lost nodes to others, each as soon as Kubernetes would."""
        lost = sorted(name for name, node in self.home.items() if node in LOST)
        live = [name for name in NODES if name not in LOST]
        moves = [Move(name, self.home[name]) for name in lost]
        async with asyncio.TaskGroup() as group:
            for number, move in enumerate(moves):
                group.create_task(self._move(move, live[number % len(live)], began))
        return moves

    async def _move(self, move: Move, target: str, began: float) -> None:
        old = attachment_name(move.volume, DRIVER, move.source)
        while old in self.api.objects[ATTACHMENTS]:  # noqa: ASYNC110 (the API server's)
            await asyncio.sleep(0.05)
        move.released = time.monotonic() - began
        await self.publish(move.volume, target)
        move.moved = time.monotonic() - began

    # What it looks like

    def untouched(self) -> dict[str, tuple[str, str, str]]:
        """Return what must not change: the attachments of nodes that live, and who is let in."""
        disks = {str(d.properties["slot"]): d for d in self.rig.device.state.disks}
        found = {}
        for item in self.api.objects[ATTACHMENTS].values():
            name, node = item["spec"]["source"]["persistentVolumeName"], item["spec"]["nodeName"]
            if self.home.get(name) == node and node not in LOST:
                allowed = str(disks[name].properties.get("nvme-tcp-server-allow-host-name", ""))
                metadata = item["metadata"]
                found[name] = (metadata["uid"], metadata["resourceVersion"], allowed)
        return found


async def read_metrics(port: int) -> dict[tuple[str, str], float]:
    """Return the samples of a reconciler, by name and labels."""
    address = f"http://127.0.0.1:{port}/metrics"
    async with aiohttp.ClientSession() as session, session.get(address) as response:
        text = await response.text()
    return {(m[1], m[2] or ""): float(m[3]) for m in map(_SAMPLE.fullmatch, text.splitlines()) if m}


@contextlib.asynccontextmanager
async def open_site(path: Path) -> AsyncIterator[Site]:
    """Run an API server, a device and a controller that fences."""
    async with running_api(path) as api:
        settings: dict[str, Any] = {
            "attachments": "cluster",
            "kubeconfig": api.kubeconfig,
            "annotate_volumes": False,
            "fencing": True,
            "admin_endpoint": path / "admin.sock",
        }
        async with open_rig(path, **settings) as rig:
            site = Site(api, path, rig)
            await site.fill()
            yield site


@contextlib.asynccontextmanager
async def running_pair(
    site: Site, ports: dict[str, int]
) -> AsyncIterator[dict[str, asyncio.subprocess.Process]]:
    """Run two reconcilers with the thresholds of this test."""
    async with contextlib.AsyncExitStack() as stack:
        yield {
            name: await stack.enter_async_context(
                running_process(
                    site,
                    name,
                    metrics_address=f"127.0.0.1:{port}",
                    node_gone=THRESHOLDS["deleted"],
                    not_ready=THRESHOLDS["NotReady"],
                    out_of_service=THRESHOLDS["out of service"],
                    stuck=STUCK,
                    lease_seconds=4,
                    lease_deadline=3,
                    lease_retry=0.5,
                    debounce=0.5,
                )
            )
            for name, port in ports.items()
        }
