"""What goes on while Prometheus looks: volumes come and go, and some things fail."""

import asyncio
import contextlib
import itertools
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path

from grpclib import GRPCError

from libs.core.size import MIB
from libs.kube.attachments import attachment_name
from protos.gen.csi import v1 as csi
from tests.component.reconciler.rig import DRIVER, volume
from tests.fakes.apiserver import ATTACHMENTS, VOLUMES
from tests.fakes.apiserver import NODES as NODE_OBJECTS
from tests.monitoring.pictures.site import NODES, Site

KEPT = 8
"""Volumes that stay; the first one is written to."""
MAIN = volume(1)
LOST = "node-3"
"""A node that goes away with two volumes; no plugin runs for it."""

_CAPABILITY = csi.VolumeCapability(
    mount=csi.VolumeCapabilityMountVolume(fs_type="ext4"),
    access_mode=csi.VolumeCapabilityAccessMode(
        mode=csi.VolumeCapabilityAccessModeMode.SINGLE_NODE_WRITER
    ),
)
_END_SECONDS = 20.0
_PIECE = b"\x5a" * MIB


class Pod:
    """A volume with all that Kubernetes does for it, on one node."""

    def __init__(self, site: Site, name: str, node: str, size: int = 256 * MIB) -> None:
        self.site, self.name, self.node, self.size = site, name, node, size
        self._context: dict[str, str] = {}

    async def create(self) -> None:
        answer = await self.site.controller.create_volume(
            csi.CreateVolumeRequest(
                name=self.name,
                capacity_range=csi.CapacityRange(required_bytes=self.size),
                volume_capabilities=[_CAPABILITY],
            )
        )
        self._context = dict((answer.volume or csi.Volume()).volume_context)
        await self.site.persist(self.name)

    async def attach(self) -> dict[str, str]:
        known = attachment_name(self.name, DRIVER, self.node)
        if known not in self.site.api.objects.get(ATTACHMENTS, {}):
            await self.site.attach(self.name, self.node, attached=False)
        answer = await self.site.controller.controller_publish_volume(
            csi.ControllerPublishVolumeRequest(
                volume_id=self.name,
                node_id=self.node,
                volume_capability=_CAPABILITY,
                volume_context=self._context,
            )
        )
        item = self.site.api.objects[ATTACHMENTS][known]
        await self.site.api.put(ATTACHMENTS, {**item, "status": {"attached": True}})
        return dict(answer.publish_context)

    async def start(self) -> None:
        """Attach, stage and publish."""
        context = await self.attach()
        node, staging = self.site.nodes[self.node], self.site.staging(self.node, self.name)
        target = self.site.target(self.node, self.name)
        staging.mkdir(parents=True, exist_ok=True)
        target.parent.mkdir(parents=True, exist_ok=True)
        await node.node_stage_volume(
            csi.NodeStageVolumeRequest(
                volume_id=self.name,
                publish_context=context,
                volume_context=self._context,
                staging_target_path=str(staging),
                volume_capability=_CAPABILITY,
            )
        )
        await node.node_publish_volume(
            csi.NodePublishVolumeRequest(
                volume_id=self.name,
                publish_context=context,
                volume_context=self._context,
                staging_target_path=str(staging),
                target_path=str(target),
                volume_capability=_CAPABILITY,
            )
        )

    async def stop(self) -> None:
        """Unpublish, unstage and detach."""
        node, staging = self.site.nodes[self.node], self.site.staging(self.node, self.name)
        target = self.site.target(self.node, self.name)
        await node.node_unpublish_volume(
            csi.NodeUnpublishVolumeRequest(volume_id=self.name, target_path=str(target))
        )
        await node.node_unstage_volume(
            csi.NodeUnstageVolumeRequest(volume_id=self.name, staging_target_path=str(staging))
        )
        await self.site.controller.controller_unpublish_volume(
            csi.ControllerUnpublishVolumeRequest(volume_id=self.name, node_id=self.node)
        )
        known = attachment_name(self.name, DRIVER, self.node)
        await self.site.api.remove(ATTACHMENTS, known)

    async def delete(self) -> None:
        await self.site.controller.delete_volume(csi.DeleteVolumeRequest(volume_id=self.name))
        await self.site.api.remove(VOLUMES, self.name)


async def persist_at(steps: Iterable[Callable[[], Awaitable[object]]]) -> None:
    """Do each step, again and again until it works, as sidecars and the kubelet do."""
    for step in steps:
        while True:
            try:
                await step()
            except GRPCError:
                await asyncio.sleep(0.5)  # a pause between two tries, as theirs
            else:
                break


@contextlib.asynccontextmanager
async def living(site: Site, seconds: float) -> AsyncIterator[None]:
    """Have things go on, and go wrong, until the block ends."""
    kept = [Pod(site, volume(number + 1), NODES[number % 2]) for number in range(KEPT)]
    await asyncio.gather(*(persist_at([pod.create, pod.start]) for pod in kept))
    await _report(site, kept)
    ended = asyncio.Event()
    endless = [
        _write(site.target(kept[0].node, kept[0].name)),
        _load(site, [pod.name for pod in kept]),
        _trouble(site, seconds),
    ]
    turns = [asyncio.create_task(_come_and_go(site, number, ended)) for number in range(3)]
    tasks = [asyncio.create_task(one) for one in endless]
    try:
        yield
        failed = [task for task in (*tasks, *turns) if task.done()]
        await asyncio.gather(*failed)  # it raises what they did
    finally:
        ended.set()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks, timeout=_END_SECONDS)
        stops = [asyncio.create_task(persist_at([pod.stop])) for pod in kept]
        # What is not gone by then is removed with the directory.
        _, late = await asyncio.wait([*turns, *stops], timeout=_END_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)


async def _report(site: Site, pods: Iterable[Pod]) -> None:
    """Have the nodes say what they use, as their kubelets do."""
    for name in NODES:
        used = [f"kubernetes.io/csi/{DRIVER}^{pod.name}" for pod in pods if pod.node == name]
        item = site.api.objects[NODE_OBJECTS][name]
        status = {**item["status"], "volumesInUse": used}
        await site.api.put(NODE_OBJECTS, {**item, "status": status})


async def _come_and_go(site: Site, number: int, ended: asyncio.Event) -> None:
    for turn in itertools.count():
        if ended.is_set():
            return
        pod = Pod(site, volume(1000 * (number + 1) + turn), NODES[(number + turn) % 2], 64 * MIB)
        await persist_at([pod.create, pod.start, pod.stop, pod.delete])
        await asyncio.sleep(1 + number)


async def _write(target: Path) -> None:
    def write(number: int) -> None:
        with (target / f"{number % 150}.bin").open("wb") as file:
            file.write(_PIECE)

    for number in itertools.count():
        await asyncio.to_thread(write, number)
        await asyncio.sleep(1.5)


async def _load(site: Site, names: list[str]) -> None:
    """Have the simulated device measure something: waves, one for each disk."""
    for turn in itertools.count():
        loads = {}
        for place, name in enumerate(["raid10", "nvme1", "nvme2", "nvme3", "nvme4", *names]):
            wave = 1.1 + math.sin(turn / (6 + place)) + 0.3 * math.sin(turn / 2 + place)
            wave = max(wave, 0.05) * (4 if place == 0 else 1)
            loads[name] = {
                "read_ops": int(400 * wave),
                "write_ops": int(900 * wave),
                "read_bits": int(180_000_000 * wave),
                "write_bits": int(400_000_000 * wave),
                "wait_ms": int(3 * wave),
                "active_ms": int(8 * wave),
                "in_flight": int(2 * wave),
            }
        drives = {
            f"nvme{place}": {"temperature": int(39 + 2 * place + turn / 12), "wear": 4 * place}
            for place in (1, 2, 3, 4)
        }
        sensors = {
            "fan1": 7500 + 20 * (turn % 9),
            "fan2": 7400 - 15 * (turn % 7),
            "cpu_temperature": int(45 + 4 * math.sin(turn / 9)),
            "psu1_deciwatts": int(1420 + 90 * math.sin(turn / 5)),
            "psu2_deciwatts": int(1380 - 60 * math.sin(turn / 7)),
        }
        body = {"loads": loads, "drives": drives, "sensors": sensors}
        async with site.device.post("/hardware", json=body):
            pass
        await asyncio.sleep(2)


async def _trouble(site: Site, seconds: float) -> None:
    """Restart the device, lose a node with two volumes, and take a disk out of an array."""
    await site.node(LOST)
    lost = [Pod(site, volume(number), LOST) for number in (501, 502)]
    await asyncio.gather(*(persist_at([pod.create, pod.attach]) for pod in lost))
    await asyncio.sleep(seconds * 0.3)
    async with site.device.post("/restart", json={"seconds": 25}):
        pass
    await asyncio.sleep(seconds * 0.25)
    await site.delete_node(LOST)
    async with site.device.post("/pool", json={"name": "raid10", "state": "degraded"}):
        pass
    await asyncio.Event().wait()
