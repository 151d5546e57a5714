"""What the controller does with the volumes and snapshots of one device."""

import asyncio
from functools import partial

from libs.core.ids import Slot, SnapshotId, VolumeId
from libs.core.paths import DevicePath
from libs.core.size import CapacityRange
from libs.rdsclient.model import FileDisk, Pool, SlotState
from services.controller.plan.clone import plan_clone
from services.controller.plan.snapshots import (
    Snapshot,
    found_snapshot,
    plan_delete_snapshot,
    plan_snapshot,
)
from services.controller.plan.steps import From, found, managed
from services.controller.plan.volumes import Room, plan_create, plan_delete, plan_expand
from services.controller.ports import Attachment, Cluster, Device
from services.controller.requests.snapshots import NewSnapshot
from services.controller.requests.volumes import NewVolume, Source
from services.controller.sites import Site
from services.controller.workflow.converge import converge, terms_of


class Volumes:
    """Makes, removes, grows and copies volumes; one instance for one device."""

    def __init__(self, device: Device, cluster: Cluster, site: Site) -> None:
        self._device = device
        self._cluster = cluster
        self._site = site
        self._pool = site.settings.volume_base_paths[0].pool

    async def create(self, wanted: NewVolume) -> FileDisk:
        """Provide a volume. One round trip for an empty one on a quiet device."""
        if wanted.source is not None:
            seen = await self._clone(wanted, wanted.source)
        else:
            room = await self._room(wanted.parameters.directory.pool)
            seen = await converge(
                self._device, partial(plan_create, wanted, room, terms_of(self._site))
            )
        if wanted.changes is not None and wanted.changes.reconnect:
            await self._cluster.keep_parameters(wanted.volume, wanted.changes.reconnect)
        return found(wanted.volume, seen)

    async def _room(self, pool: str) -> Room:
        if not self._site.settings.overcommit:
            return Room()
        disks = await self._device.list_pool_disks(pool)
        return Room(sum(disk.size for disk in disks))

    async def _clone(self, wanted: NewVolume, source: Source) -> SlotState | None:
        pool = wanted.parameters.directory.pool
        original, seen = await self._read_both(source.slot, wanted.volume.slot, pool)
        held: tuple[Attachment, ...] = ()
        if not source.is_snapshot:
            held = await self._cluster.of_volume(VolumeId(source.slot, self._site.suffix))
        plan = partial(plan_clone, wanted, source, From(original, held), terms_of(self._site))
        return await converge(self._device, plan, seen)

    async def _read_both(self, one: Slot, other: Slot, pool: str) -> tuple[SlotState, SlotState]:
        """Read two slots at once; on a quiet device that is one round trip."""
        read = self._device.read_slot
        first, second = await asyncio.gather(read(one, pool), read(other, pool))
        return first, second

    async def delete(self, volume: VolumeId) -> None:
        """Remove a volume. One round trip where it lies in the default directory as a file."""
        held = await self._cluster.of_volume(volume)
        plan = partial(plan_delete, volume, held, terms_of(self._site))
        await converge(self._device, plan)
        await self._cluster.keep_parameters(volume, {})

    async def expand(self, volume: VolumeId, size: CapacityRange) -> FileDisk:
        """Make a volume larger."""
        plan = partial(plan_expand, volume, size, terms_of(self._site))
        return found(volume, await converge(self._device, plan))

    async def read(self, volume: VolumeId) -> tuple[FileDisk, Pool | None]:
        """Return a volume's disk and its pool; no pool where it is not mounted.

        Raises:
            NotFound: there is none.
        """
        slot = managed(volume).slot
        seen = await self._device.read_slot(slot, self._pool)
        pool = DevicePath(found(volume, seen).path).pool
        if pool != seen.asked_pool:
            seen = await self._device.read_slot(slot, pool)
        return found(volume, seen), seen.pool

    async def read_room(self, directory: DevicePath) -> tuple[Pool | None, int]:
        """Return the pool that a directory lies in, and the bytes that its thin files may reach.

        The pool is None when it is not mounted; where files take their room at once, nothing more
        is promised.
        """
        room = await self._room(directory.pool)
        return await self._device.read_pool(directory.pool), room.promised or 0

    # Snapshots

    async def take_snapshot(self, wanted: NewSnapshot) -> Snapshot:
        """Take a snapshot; it may become ready later."""
        original, seen = await self._read_both(wanted.volume.slot, wanted.snapshot.slot, self._pool)
        held = await self._cluster.of_volume(wanted.volume)
        plan = partial(plan_snapshot, wanted, From(original, held), terms_of(self._site))
        return found_snapshot(wanted.snapshot, await converge(self._device, plan, seen))

    async def delete_snapshot(self, snapshot: SnapshotId) -> None:
        """Remove a snapshot."""
        plan = partial(plan_delete_snapshot, snapshot, terms_of(self._site))
        await converge(self._device, plan)

    async def read_snapshot(self, snapshot: SnapshotId) -> Snapshot:
        """Return a snapshot.

        Raises:
            NotFound: there is none.
        """
        seen = await self._device.read_slot(snapshot.slot, self._pool)
        return found_snapshot(snapshot, seen)
