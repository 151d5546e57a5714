"""Clients: each provisions, attaches, mounts, writes, copies and deletes volumes of its own.

One client is external-provisioner, external-attacher, external-snapshotter, the kubelet and the pod
of its volumes at once. It waits until a call has succeeded before it goes on, as they do.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TypeVar
from uuid import UUID

from grpclib.const import Status

from libs.core.ids import SnapshotId
from libs.core.size import MIB
from protos.gen.csi import v1 as csi
from tests.chaos.calls import Answer
from tests.chaos.house import House
from tests.chaos.machine import NodeLost
from tests.chaos.promises import Thing
from tests.chaos.visits import Own, Visit
from tests.component.node.rig import may_grow_ext4

T = TypeVar("T")

SIZES = (16 * MIB, 24 * MIB, 32 * MIB)
MOST_VOLUMES = 5
MOST_SNAPSHOTS = 2
_LARGEST = 48 * MIB
_BEFORE_LEAVING = 3
"""How often a creation is tried at most before its claim is deleted and nobody asks any more."""

_DEEDS: Mapping[str, int] = {
    "use": 14,
    "create": 4,
    "delete": 2,
    "snapshot": 2,
    "drop": 1,
    "clone": 2,
    "leave": 1,
}
"""What a client does, and how often in comparison."""

_IMPATIENCE = 0.1
"""How often a call is made twice at once, as by two sidecars when a lease changes hands."""


class Client:
    """One client.

    Args:
        number: tells it from others.
        seed: of the run.
        house: everything that it talks to.
    """

    def __init__(self, number: int, seed: int, house: House) -> None:
        self.house = house
        self.chance = random.Random(f"client {seed} {number}")  # noqa: S311 (the same each time)
        self.volumes: list[Own] = []
        self.snapshots: dict[str, Own] = {}
        self.doing = ""
        self.deeds = 0

    async def live(self) -> None:
        """Do one thing after the other until the house is closing; nothing is open then."""
        while not self.house.closing.is_set():
            self.doing = self.chance.choices(list(_DEEDS), list(_DEEDS.values()))[0]
            await getattr(self, self.doing)()
            self.deeds += 1
            await asyncio.sleep(0)  # others, where there was nothing to do
        self.doing = ""

    async def call(self, method: str, make: Callable[[float], Awaitable[T]]) -> T:
        """Make a call of the controller until it succeeds; now and then twice at once."""
        calls = self.house.calls
        if self.chance.random() < _IMPATIENCE:
            await asyncio.gather(calls.once(method, make), calls.once(method, make))
        return await calls.insist(method, make)

    # Volumes

    async def create(self) -> None:
        """Make an empty volume, unless there are enough."""
        if len(self.volumes) < MOST_VOLUMES:
            block = self.chance.random() < 0.4
            await self._make(self._new(block=block), self.chance.choice(SIZES))

    def _new(self, *, block: bool) -> Own:
        return Own(f"pvc-{UUID(int=self.chance.getrandbits(128), version=4)}", block)

    async def _make(
        self,
        own: Own,
        size: int,
        source: csi.VolumeContentSource | None = None,
        of: Thing | None = None,
    ) -> None:
        promises = self.house.promises
        promises.ask_volume(own.name, size, of)
        request = self._request(own, size, source)
        made = await self.call(
            "CreateVolume",
            lambda limit: self.house.controller.create_volume(request, timeout=limit),
        )
        assert made.volume is not None
        own.context = made.volume.volume_context
        promises.made(promises.volumes[own.name], made.volume.capacity_bytes)
        await self.house.cluster.add_volume(made.volume, block=own.block)
        self.volumes.append(own)

    def _request(
        self, own: Own, size: int, source: csi.VolumeContentSource | None = None
    ) -> csi.CreateVolumeRequest:
        return csi.CreateVolumeRequest(
            name=own.name,
            capacity_range=csi.CapacityRange(required_bytes=size),
            volume_capabilities=[own.capability],
            parameters={"fencing": "host"} if self.chance.random() < 0.5 else {},
            volume_content_source=source,
        )

    async def delete(self) -> None:
        """Delete a volume."""
        if not self.volumes:
            return
        own = self.volumes.pop(self.chance.randrange(len(self.volumes)))
        promises = self.house.promises
        promises.ask_gone(promises.volumes[own.name])
        request = csi.DeleteVolumeRequest(volume_id=own.name)
        await self.call(
            "DeleteVolume",
            lambda limit: self.house.controller.delete_volume(request, timeout=limit),
        )
        promises.gone(own.name, promises.volumes[own.name])
        await self.house.cluster.drop_volume(own.name)

    async def leave(self) -> None:
        """Ask for a volume, and go away before it is there: the claim was deleted meanwhile."""
        own, promises = self._new(block=True), self.house.promises
        promises.ask_volume(own.name, SIZES[0])
        request = self._request(own, SIZES[0])

        async def ask() -> Answer[csi.CreateVolumeResponse]:
            return await self.house.calls.once(
                "CreateVolume",
                lambda limit: self.house.controller.create_volume(request, timeout=limit),
            )

        answer = await ask()
        for _ in range(self.chance.randrange(_BEFORE_LEAVING)):
            if not answer.is_open:
                break
            answer = await ask()
        thing = promises.volumes[own.name]
        if answer.is_open or answer.status is Status.OK:
            promises.left(thing, time.monotonic())
        else:  # final: nobody would come to delete it
            promises.gone(own.name, thing)

    # Copies

    async def snapshot(self) -> None:
        """Take a snapshot of a volume that no node has."""
        if not self.volumes or len(self.snapshots) >= MOST_SNAPSHOTS:
            return
        own, promises = self.chance.choice(self.volumes), self.house.promises
        name = f"s-{self.chance.getrandbits(64):x}"
        snapshot = SnapshotId.from_name(name).text
        await self.house.cluster.add_content(snapshot, own.name)
        promises.ask_snapshot(snapshot, own.name)
        request = csi.CreateSnapshotRequest(name=name, source_volume_id=own.name)
        made = await self.call(
            "CreateSnapshot",
            lambda limit: self.house.controller.create_snapshot(request, timeout=limit),
        )
        assert made.snapshot is not None
        promises.made(promises.snapshots[snapshot], made.snapshot.size_bytes)
        await self.house.cluster.set_content(snapshot, made.snapshot.snapshot_id)
        self.snapshots[snapshot] = own

    async def drop(self) -> None:
        """Delete a snapshot."""
        if not self.snapshots:
            return
        snapshot = self.chance.choice(sorted(self.snapshots))
        del self.snapshots[snapshot]
        promises = self.house.promises
        promises.ask_gone(promises.snapshots[snapshot])
        request = csi.DeleteSnapshotRequest(snapshot_id=snapshot)
        await self.call(
            "DeleteSnapshot",
            lambda limit: self.house.controller.delete_snapshot(request, timeout=limit),
        )
        promises.gone(snapshot, promises.snapshots[snapshot])
        await self.house.cluster.drop_content(snapshot)

    async def clone(self) -> None:
        """Make a volume of a snapshot, or of another volume."""
        if len(self.volumes) >= MOST_VOLUMES or not self.volumes:
            return
        promises = self.house.promises
        if self.snapshots and self.chance.random() < 0.7:
            name = self.chance.choice(sorted(self.snapshots))
            thing, block = promises.snapshots[name], self.snapshots[name].block
            one = csi.VolumeContentSourceSnapshotSource(snapshot_id=name)
            source = csi.VolumeContentSource(snapshot=one)
        else:
            own = self.chance.choice(self.volumes)
            thing, block = promises.volumes[own.name], own.block
            other = csi.VolumeContentSourceVolumeSource(volume_id=own.name)
            source = csi.VolumeContentSource(volume=other)
        await self._make(self._new(block=block), thing.size, source, thing)

    # What volumes are for

    async def use(self) -> None:
        """Have a pod with a volume run on a node for a while."""
        if not self.volumes:
            return
        own = self.chance.choice(self.volumes)
        machines = [machine for machine in self.house.machines if not machine.is_off]
        visit = Visit(self.house, self.chance, own, self.chance.choice(machines))
        try:
            await visit.arrive()
            await visit.read()
            await visit.write(self.chance.randint(1, 5))
            if self.chance.random() < 0.15:
                others = [one for one in machines if one is not visit.machine]
                await visit.contend(self.chance.choice(others or machines))
            if self.chance.random() < 0.15:
                await visit.intrude()
            if self.chance.random() < 0.1 and (own.block or may_grow_ext4()):
                await self._grow(own, visit)
            await visit.look()
            await visit.read()
            await visit.depart()
        except NodeLost:
            self.house.lost_visits += 1
        await visit.detach(visit.machine)

    async def _grow(self, own: Own, visit: Visit) -> None:
        size = self.house.promises.volumes[own.name].size + 4 * MIB
        if size > _LARGEST:
            return
        request = csi.ControllerExpandVolumeRequest(
            volume_id=own.name,
            capacity_range=csi.CapacityRange(required_bytes=size),
            volume_capability=own.capability,
        )
        grown = await self.call(
            "ControllerExpandVolume",
            lambda limit: self.house.controller.controller_expand_volume(request, timeout=limit),
        )
        self.house.promises.grew(own.name, grown.capacity_bytes, size)
        if grown.node_expansion_required:
            await visit.grow(grown.capacity_bytes)
