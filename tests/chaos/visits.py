"""A volume on a node: attached, staged, published, written to, and taken away again."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from grpclib.const import Status

from libs.core.ids import SnapshotId
from libs.core.images import Image
from protos.gen.csi import v1 as csi
from tests.chaos import disk
from tests.chaos.house import House
from tests.chaos.machine import Machine
from tests.chaos.pattern import SLOTS
from tests.component.node.rig import mounted, raw

T = TypeVar("T")

_IMPATIENCE = 0.1
_LOOK_AGAIN = 0.1


@dataclass
class Own:
    """One of a client's volumes.

    Attributes:
        name: it is the volume's ID, too.
        block: whether it is used as a block device.
        context: what the controller said of it.
        written: how many blocks were written to it.
    """

    name: str
    block: bool
    context: Mapping[str, str] = field(default_factory=dict)
    written: int = 0

    @property
    def capability(self) -> csi.VolumeCapability:
        return raw() if self.block else mounted()


class Visit:
    """A volume's time on a node.

    Args:
        house: everything.
        chance: what decides.
        own: the volume.
        machine: the node.
    """

    def __init__(self, house: House, chance: random.Random, own: Own, machine: Machine) -> None:
        self.house = house
        self.chance = chance
        self.own = own
        self.machine = machine
        self._losses = machine.losses
        self._context: Mapping[str, str] = {}

    @property
    def _name(self) -> str:
        return self.own.name

    def _check(self) -> None:
        self.machine.check(self._losses)

    async def _call(self, method: str, make: Callable[[float], Awaitable[T]]) -> T:
        """Make a call until it succeeds, or the node is lost; now and then twice at once."""
        self._check()
        calls = self.house.calls
        if self.chance.random() < _IMPATIENCE:
            await asyncio.gather(calls.once(method, make), calls.once(method, make))
        return await calls.insist(method, make, self._check)

    # As external-attacher

    async def arrive(self) -> None:
        """Attach, stage and publish the volume.

        Raises:
            NodeLost: it is, at any time from here on.
        """
        await self.house.cluster.want_attached(self._name, self.machine.name)
        answer = await self._call("ControllerPublishVolume", self._publishing(self.machine))
        self._context = answer.publish_context
        self.house.promises.given(self._name, self.machine.name)
        await self.house.cluster.set_attached(self._name, self.machine.name)
        await self._mount()

    def _publishing(
        self, machine: Machine
    ) -> Callable[[float], Awaitable[csi.ControllerPublishVolumeResponse]]:
        request = csi.ControllerPublishVolumeRequest(
            volume_id=self._name,
            node_id=machine.name,
            volume_capability=self.own.capability,
            volume_context=dict(self.own.context),
        )
        house = self.house
        return lambda limit: house.controller.controller_publish_volume(request, timeout=limit)

    async def contend(self, other: Machine) -> None:
        """Ask for the volume on another node, too, which must not be granted."""
        await self.house.cluster.want_attached(self._name, other.name)
        losses = other.losses
        for _ in range(2):
            answer = await self.house.calls.once("ControllerPublishVolume", self._publishing(other))
            whole = not (self.machine.is_off or self.machine.losses != self._losses)
            if answer.status is Status.OK and whole and other.losses == losses:
                self.house.promises.given(self._name, other.name)
        await self.detach(other)

    async def intrude(self) -> None:
        """Try to copy and to delete the volume while a pod has it, which must not be done."""
        house, snapshot = self.house, f"s-{self.chance.getrandbits(64):x}"
        copy = csi.CreateSnapshotRequest(name=snapshot, source_volume_id=self._name)
        copied = await house.calls.once(
            "CreateSnapshot", lambda limit: house.controller.create_snapshot(copy, timeout=limit)
        )
        drop = csi.DeleteSnapshotRequest(snapshot_id=SnapshotId.from_name(snapshot).text)
        await house.calls.insist(
            "DeleteSnapshot", lambda limit: house.controller.delete_snapshot(drop, timeout=limit)
        )
        end = csi.DeleteVolumeRequest(volume_id=self._name)
        # While the node is there: one that is gone from the cluster holds nothing up.
        async with self.machine.writing(self._losses):
            ended = await house.calls.once(
                "DeleteVolume", lambda limit: house.controller.delete_volume(end, timeout=limit)
            )
        self._check()  # of a node that is lost the reconciler may have taken it
        if copied.status is Status.OK:
            house.complain(f"{self._name} was copied while {self.machine.name} had it")
        if ended.status is Status.OK:
            house.complain(f"{self._name} was deleted while {self.machine.name} had it")

    async def detach(self, machine: Machine) -> None:
        """Take the volume from a node; where that is lost the reconciler may be first."""
        cluster = self.house.cluster
        request = csi.ControllerUnpublishVolumeRequest(volume_id=self._name, node_id=machine.name)
        while (wanted := await cluster.is_wanted(self._name, machine.name)) is not None:
            if wanted and machine.is_off:
                await asyncio.sleep(_LOOK_AGAIN)  # until it is back, or the reconciler has acted
            elif wanted:
                await cluster.want_detached(self._name, machine.name)
            else:
                await self.house.calls.insist(
                    "ControllerUnpublishVolume",
                    lambda limit: self.house.controller.controller_unpublish_volume(
                        request, timeout=limit
                    ),
                )
                await cluster.let_go(self._name, machine.name)
        self.house.promises.taken(self._name, machine.name)

    # As the kubelet

    async def _mount(self) -> None:
        staging = self.machine.staging(self._name)
        self._check()
        staging.mkdir(parents=True, exist_ok=True)
        stage = csi.NodeStageVolumeRequest(
            volume_id=self._name,
            publish_context=dict(self._context),
            staging_target_path=str(staging),
            volume_capability=self.own.capability,
            volume_context=dict(self.own.context),
        )
        stub = self.machine.stub
        await self._call(
            "NodeStageVolume", lambda limit: stub.node_stage_volume(stage, timeout=limit)
        )
        target = self.machine.target(self._name)
        target.parent.mkdir(parents=True, exist_ok=True)
        publish = csi.NodePublishVolumeRequest(
            volume_id=self._name,
            publish_context=dict(self._context),
            staging_target_path=str(staging),
            target_path=str(target),
            volume_capability=self.own.capability,
            volume_context=dict(self.own.context),
        )
        await self._call(
            "NodePublishVolume", lambda limit: stub.node_publish_volume(publish, timeout=limit)
        )

    async def depart(self) -> None:
        """Unpublish and unstage the volume."""
        stub, name = self.machine.stub, self._name
        unpublish = csi.NodeUnpublishVolumeRequest(
            volume_id=name, target_path=str(self.machine.target(name))
        )
        await self._call(
            "NodeUnpublishVolume",
            lambda limit: stub.node_unpublish_volume(unpublish, timeout=limit),
        )
        unstage = csi.NodeUnstageVolumeRequest(
            volume_id=name, staging_target_path=str(self.machine.staging(name))
        )
        await self._call(
            "NodeUnstageVolume", lambda limit: stub.node_unstage_volume(unstage, timeout=limit)
        )
        if name in self.machine.connected():
            self.house.complain(f"{name} was unstaged, and {self.machine.name} is connected to it")

    async def grow(self, size: int) -> None:
        """Have the node take a new size."""
        request = csi.NodeExpandVolumeRequest(
            volume_id=self._name,
            volume_path=str(self.machine.target(self._name)),
            staging_target_path=str(self.machine.staging(self._name)),
            capacity_range=csi.CapacityRange(required_bytes=size),
            volume_capability=self.own.capability,
        )
        stub = self.machine.stub
        await self._call(
            "NodeExpandVolume", lambda limit: stub.node_expand_volume(request, timeout=limit)
        )

    async def look(self) -> None:
        """Ask for what the kubelet shows in its metrics."""
        request = csi.NodeGetVolumeStatsRequest(
            volume_id=self._name,
            volume_path=str(self.machine.target(self._name)),
            staging_target_path=str(self.machine.staging(self._name)),
        )
        stub = self.machine.stub
        await self._call(
            "NodeGetVolumeStats",
            lambda limit: stub.node_get_volume_stats(request, timeout=limit),
        )

    # As the pod

    async def read(self) -> None:
        """Read all blocks."""
        promises = self.house.promises
        try:
            async with self.machine.writing(self._losses):
                blocks = await asyncio.to_thread(disk.read_blocks, self._target, raw=self.own.block)
        except OSError as error:
            self.house.complain(f"{self._name} could not be read on {self.machine.name}: {error}")
            return
        self.house.reads += 1
        promises.read(self._name, promises.volumes[self._name], blocks)

    async def write(self, count: int) -> None:
        """Write some blocks, each for good."""
        for _ in range(count):
            self.own.written += 1
            block = self.chance.randrange(SLOTS)
            await self._write(block, f"{self._name} {block} {self.own.written}")

    async def _write(self, block: int, mark: str) -> None:
        promises = self.house.promises
        try:
            async with self.machine.writing(self._losses):
                promises.ask_write(self._name, block, mark)
                await asyncio.to_thread(
                    disk.write_block, self._target, block, mark, raw=self.own.block
                )
                promises.wrote(self._name, block, mark)
                if not self.own.block:
                    thing = promises.volumes[self._name]
                    promises.holds(self._name, thing, disk.filesystem_of(self._image()))
        except OSError as error:
            self.house.complain(
                f"{self._name} could not be written to on {self.machine.name}: {error}"
            )
            return
        self.house.writes += 1

    @property
    def _target(self) -> Path:
        return self.machine.target(self._name)

    def _image(self) -> Path:
        for loop in self.machine.loops():
            image = Image.parse(loop.file)
            if image is not None and image.slot.text == self._name:
                return Path(loop.file)
        raise FileNotFoundError(self._name)
