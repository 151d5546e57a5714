"""Clients, a device and an API server in a storm, and what each client was promised."""

import asyncio
import contextlib
import random
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.const import Status
from grpclib.exceptions import StreamTerminatedError

from libs.core.ids import SnapshotId, VolumeId
from libs.mockrds.faults import Action, Fault
from libs.mockrds.testing import RunningDevice
from protos.gen.csi import v1 as csi
from tests.component.controller.rig import GIB, mount, settings_for
from tests.fakes.apiserver import NODES, VOLUMES, ApiServer
from tests.unit.controller.values import create_request
from tests.waiting import PATIENCE

DRIVER = "rds.csi.srvlab.io"
OPEN = {Status.ABORTED, Status.UNAVAILABLE, Status.DEADLINE_EXCEEDED, Status.CANCELLED}
WORKERS = ("worker-1", "worker-2")
FAULTS = (
    Action.DROP_BEFORE,
    Action.DROP_AFTER,
    Action.TRUNCATE,
    Action.NO_STATUS,
    Action.GARBAGE,
    Action.HANG,
)


class Killable:
    """The controller as a process that can be killed at any moment and started again."""

    def __init__(self, path: Path, device: RunningDevice, api: ApiServer) -> None:
        settings = settings_for(path, device)
        self.channel = Channel(path=str(path / "csi.sock"))
        self.kills = 0
        self._process: asyncio.subprocess.Process | None = None
        self._flags = [
            f"--rds-address={settings.rds_address}",
            f"--rds-port={settings.rds_port}",
            f"--rds-password-file={settings.rds_password_file}",
            f"--rds-host-key-file={settings.rds_host_key_file}",
            "--rds-command-timeout=1",
            "--nvme-address=192.0.2.2",
            "--volume-base-paths=/raid10/volumes,/btr/volumes",
            f"--csi-endpoint={settings.csi_endpoint}",
            f"--kubeconfig={api.kubeconfig}",
            "--handover-seconds=0",
            "--log-level=error",
        ]

    async def start(self) -> None:
        """Start it, and wait until it serves; it may not have reached the device yet."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "services.controller", *self._flags
        )
        identity = csi.IdentityStub(self.channel, timeout=1)
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(OSError, GRPCError, TimeoutError, StreamTerminatedError):
                    await identity.probe(csi.ProbeRequest())
                    return
                await asyncio.sleep(0.02)  # another process gets ready

    async def kill(self) -> None:
        """Kill it, at whatever it is doing."""
        if self._process is not None and self._process.returncode is None:
            self.kills += 1
            self._process.kill()
            await self._process.wait()


@dataclass
class Client:
    """One client with names of its own; what it knows of them is what it was promised.

    Attributes:
        volumes: promised sizes in bytes, by name; None once the volume is promised to be gone.
        snapshots: names, and the volume each was taken of; None once it is gone.
        unsettled: what was asked for without a final answer, by name: to be asked again.
        node: the node that holds each volume.
        broken: promises that were not kept.
        answers: how often each status was the answer.
    """

    name: str
    layout: str
    controller: csi.ControllerStub
    api: ApiServer
    chance: random.Random
    volumes: dict[str, int | None] = field(default_factory=dict)
    snapshots: dict[str, str | None] = field(default_factory=dict)
    unsettled: dict[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    node: dict[str, str] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)
    answers: Counter[Status] = field(default_factory=Counter)

    def volume(self, number: int) -> str:
        return f"{self.name}-{number}"

    async def call(self, make: Callable[[], Awaitable[Any]]) -> Status:
        """Make a call, now and then twice at once as an impatient sidecar does."""
        twice = self.chance.random() < 0.3
        answers = await asyncio.gather(*(self._once(make) for _ in range(1 + twice)))
        self.answers.update(answers)
        final = [status for status in answers if status not in OPEN]
        if not final:
            await asyncio.sleep(0.05)  # as a sidecar does between two tries
        return final[0] if final else answers[0]

    async def _once(self, make: Callable[[], Awaitable[Any]]) -> Status:
        try:
            await make()
        except GRPCError as error:
            return error.status
        except (OSError, StreamTerminatedError, TimeoutError):
            return Status.UNAVAILABLE
        return Status.OK

    async def act(self, op: str, number: int) -> None:
        """Do one thing with one of the names."""
        name = self.volume(number)
        again = self.unsettled.pop(name, None)
        await (again() if again else getattr(self, op)(name))

    # Volumes

    async def create(self, name: str) -> None:
        size = self.volumes.get(name) or GIB * self.chance.randint(1, 3)
        await self._create(name, size, None)

    async def _create(self, name: str, size: int, source: str | None) -> None:
        request = create_request(
            name,
            required=size,
            parameters={"layout": self.layout, "volumePath": f"{self._base}/volumes"},
            source=_from(source),
        )
        status = await self.call(lambda: self.controller.create_volume(request))
        if status is Status.OK:
            self.volumes[name] = size
        elif status in OPEN:
            self.unsettled[name] = lambda: self._create(name, size, source)

    @property
    def _base(self) -> str:
        return "/btr" if self.layout == "subvolume" else "/raid10"

    async def clone(self, name: str) -> None:
        ready = [snapshot for snapshot, source in self.snapshots.items() if source]
        if ready and self.volumes.get(name) is None:
            await self._create(name, 5 * GIB, self.chance.choice(ready))

    async def delete(self, name: str) -> None:
        volume = VolumeId.from_name(name).text
        held = name in self.node
        request = csi.DeleteVolumeRequest(volume_id=volume)
        status = await self.call(lambda: self.controller.delete_volume(request))
        if status is Status.OK:
            self.volumes[name] = None
            if held:
                self.broken.append(f"{name} was deleted while {self.node[name]} had it")
        elif status in OPEN and not held:
            self.unsettled[name] = lambda: self.delete(name)

    async def expand(self, name: str) -> None:
        before = self.volumes.get(name)
        if before is None:
            return
        size = before + GIB
        request = csi.ControllerExpandVolumeRequest(
            volume_id=VolumeId.from_name(name).text,
            capacity_range=csi.CapacityRange(required_bytes=size),
        )
        status = await self.call(lambda: self.controller.controller_expand_volume(request))
        if status is Status.OK:
            self.volumes[name] = size

    # Snapshots

    async def snapshot(self, name: str) -> None:
        if self.volumes.get(name):
            await self._snapshot(f"{name}-s{self.chance.randint(0, 1)}", name)

    async def _snapshot(self, snapshot: str, name: str) -> None:
        request = csi.CreateSnapshotRequest(
            name=snapshot, source_volume_id=VolumeId.from_name(name).text
        )
        status = await self.call(lambda: self.controller.create_snapshot(request))
        if status is Status.OK:
            self.snapshots[snapshot] = name
        elif status in OPEN:
            self.unsettled[name] = lambda: self._snapshot(snapshot, name)

    async def drop(self, name: str) -> None:
        await self._drop(f"{name}-s{self.chance.randint(0, 1)}", name)

    async def _drop(self, snapshot: str, name: str) -> None:
        request = csi.DeleteSnapshotRequest(snapshot_id=SnapshotId.from_name(snapshot).text)
        status = await self.call(lambda: self.controller.delete_snapshot(request))
        if status is Status.OK:
            self.snapshots[snapshot] = None
        elif status in OPEN:
            self.unsettled[name] = lambda: self._drop(snapshot, name)

    # Attachments: this client is the attacher too

    async def publish(self, name: str) -> None:
        if not self.volumes.get(name):
            return
        volume, node = VolumeId.from_name(name).text, self.chance.choice(WORKERS)
        held = self.node.get(name)
        await self._put_volume(volume)
        await self.api.attach(volume, node, DRIVER, attached=held == node)
        request = csi.ControllerPublishVolumeRequest(
            volume_id=volume, node_id=node, volume_capability=mount()
        )
        status = await self.call(lambda: self.controller.controller_publish_volume(request))
        if status is Status.OK:
            if held not in (None, node):
                self.broken.append(f"{name} was given to {node} while {held} had it")
            self.node[name] = node
            await self.api.attach(volume, node, DRIVER, attached=True)
        elif held != node:
            self.node[name] = held or node
            await self._take_back(name, volume, node)

    async def unpublish(self, name: str) -> None:
        if name in self.node:
            await self._take_back(name, VolumeId.from_name(name).text, self.node[name])

    async def _take_back(self, name: str, volume: str, node: str) -> None:
        """Take a volume from a node; its VolumeAttachment stays until that is certain."""
        request = csi.ControllerUnpublishVolumeRequest(volume_id=volume, node_id=node)
        status = await self.call(lambda: self.controller.controller_unpublish_volume(request))
        if status is Status.OK:
            await self.api.detach(volume, node)
            if self.node.get(name) == node:
                del self.node[name]
        else:
            self.unsettled[name] = lambda: self._take_back(name, volume, node)

    async def _put_volume(self, volume: str) -> None:
        if volume not in self.api.objects[VOLUMES]:
            spec = {"csi": {"driver": DRIVER, "volumeHandle": volume}}
            await self.api.put(VOLUMES, {"metadata": {"name": volume}, "spec": spec})

    async def settle(self) -> None:
        """Ask again whatever is open, until it is answered."""
        async with asyncio.timeout(120):
            while self.unsettled:
                _, again = self.unsettled.popitem()
                await again()


def _from(snapshot: str | None) -> csi.VolumeContentSource | None:
    if snapshot is None:
        return None
    source = csi.VolumeContentSourceSnapshotSource(snapshot_id=SnapshotId.from_name(snapshot).text)
    return csi.VolumeContentSource(snapshot=source)


async def trouble(
    chance: random.Random, device: RunningDevice, process: Killable, done: asyncio.Event
) -> None:
    """Let things go wrong until the clients are done."""
    round_ = 0
    while not done.is_set():
        round_ += 1
        match round_ % 6:
            case 0:
                await process.kill()
                await process.start()
            case 3:
                await device.restart(0.05)
            case _:
                device.faults.add(Fault(chance.choice(FAULTS), amount=chance.randint(0, 60)))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), chance.uniform(0.05, 0.5))


async def add_nodes(api: ApiServer) -> None:
    """Add the nodes that volumes are published to."""
    for name in WORKERS:
        await api.put(NODES, {"metadata": {"name": name}})
