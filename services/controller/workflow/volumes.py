"""What the controller does with the volumes and snapshots of one device."""

import asyncio
from collections import defaultdict
from functools import partial

import structlog

from libs.core.errors import Busy, InUse, OutcomeUnknown, RdsCsiError, Unreachable
from libs.core.ids import Slot, SnapshotId, VolumeId
from libs.core.paths import DevicePath
from libs.core.size import CapacityRange
from libs.rdsclient.model import FileDisk, Pool, SlotState
from services.controller.plan.clone import plan_clone
from services.controller.plan.copies import plan_take_back
from services.controller.plan.snapshots import (
    Snapshot,
    found_snapshot,
    plan_delete_snapshot,
    plan_snapshot,
)
from services.controller.plan.steps import From, found, managed
from services.controller.plan.volumes import (
    Room,
    plan_abandon,
    plan_create,
    plan_delete,
    plan_expand,
    pool_of,
)
from services.controller.ports import Attachment, Cluster, Device
from services.controller.requests.snapshots import NewSnapshot
from services.controller.requests.volumes import NewVolume, Source
from services.controller.sites import Site
from services.controller.workflow.converge import Desk
from services.controller.workflow.living import living

log = structlog.get_logger(__name__)

_OPEN = (Busy, OutcomeUnknown, Unreachable)
"""Errors after which the caller comes back."""


class Volumes:
    """Makes, removes, grows and copies volumes; one instance for one device."""

    def __init__(self, device: Device, cluster: Cluster, site: Site) -> None:
        self._desk = Desk(device, site)
        self._cluster = cluster
        self._site = site
        self._promising: defaultdict[str, int] = defaultdict(int)

    async def create(self, wanted: NewVolume) -> FileDisk:
        """Provide a volume. One round trip for an empty one on a quiet device."""
        pool = wanted.parameters.directory.pool
        size = wanted.size.required or self._site.settings.default_volume_bytes
        self._promising[pool] += size
        try:
            room = await self._room(pool, but=size)
            seen = await self._make(wanted, room)
        finally:
            self._promising[pool] -= size
        if wanted.changes is not None and wanted.changes.reconnect:
            await self._cluster.keep_parameters(wanted.volume, wanted.changes.reconnect)
        return found(wanted.volume, seen)

    async def _make(self, wanted: NewVolume, room: Room) -> SlotState | None:
        try:
            if wanted.source is not None:
                return await self._clone(wanted, wanted.source, room)
            plan = partial(plan_create, wanted, room, self._desk.terms())
            return await self._desk.converge(plan)
        except _OPEN:
            raise
        except RdsCsiError:
            if wanted.source is not None or wanted.image.subvolume:
                # After a final answer nobody asks again, so nothing may be left half made.
                terms = self._desk.terms()
                await self._desk.converge(partial(plan_abandon, wanted.volume, terms))
            raise

    async def _room(self, pool: str, but: int = 0) -> Room:
        """Return what a pool of thin files has promised, and is about to promise to others."""
        if not self._site.settings.overcommit:
            return Room()
        disks = await self._desk.device.list_pool_disks(pool)
        return Room(sum(disk.size for disk in disks) + self._promising[pool] - but)

    async def _clone(self, wanted: NewVolume, source: Source, room: Room) -> SlotState | None:
        original, seen = await self._read_both(source.slot, wanted.volume.slot)
        id_ = VolumeId(source.slot, self._site.suffix)
        held = () if source.is_snapshot else await self._held(id_)
        from_ = From(original, held)
        plan = partial(plan_clone, wanted, source, from_, room, self._desk.terms())
        try:
            return await self._desk.converge(plan, seen)
        finally:
            if not source.is_snapshot:
                await self._check_untorn(id_, wanted.volume.slot)

    async def _read_both(self, one: Slot, other: Slot) -> tuple[SlotState, SlotState]:
        """Read two slots at once; on a quiet device that is one round trip."""
        first, second = await asyncio.gather(self._desk.read(one), self._desk.read(other))
        return first, second

    async def delete(self, volume: VolumeId) -> None:
        """Remove a volume. One round trip where it lies in the default directory as a file."""
        held = await self._held(volume)
        await self._desk.converge(partial(plan_delete, volume, held, self._desk.terms()))
        await self._cluster.keep_parameters(volume, {})

    async def _held(self, volume: VolumeId) -> tuple[Attachment, ...]:
        claims = await self._cluster.of_volume(volume)
        return await living(self._cluster, volume, claims)

    async def expand(self, volume: VolumeId, size: CapacityRange) -> FileDisk:
        """Make a volume larger."""
        room = Room()
        if self._site.settings.overcommit:
            disk, _ = await self.read(volume)
            room = await self._room(pool_of(disk))
        plan = partial(plan_expand, volume, size, room, self._desk.terms())
        return found(volume, await self._desk.converge(plan))

    async def read(self, volume: VolumeId) -> tuple[FileDisk, Pool | None]:
        """Return a volume's disk and its pool; no pool where it is not mounted.

        Raises:
            NotFound: there is none.
        """
        seen = await self._desk.read(managed(volume).slot)
        disk = found(volume, seen)
        return disk, seen.pool(pool_of(disk))

    async def has(self, volume: VolumeId) -> bool:
        """Whether there is anything of a volume on this device."""
        seen = await self._desk.read(volume.slot)
        return bool(seen.disk or seen.files or seen.subvolumes)

    async def read_room(self, directory: DevicePath) -> tuple[Pool | None, int]:
        """Return the pool that a directory lies in, and the bytes that its thin files may reach.

        The pool is None when it is not mounted; where files take their room at once, nothing more
        is promised.
        """
        room = await self._room(directory.pool)
        return await self._desk.device.read_pool(directory.pool), room.promised or 0

    # Snapshots

    async def take_snapshot(self, wanted: NewSnapshot) -> Snapshot:
        """Take a snapshot; it may become ready later."""
        original, seen = await self._read_both(wanted.volume.slot, wanted.snapshot.slot)
        held = await self._held(wanted.volume)
        plan = partial(plan_snapshot, wanted, From(original, held), self._desk.terms())
        try:
            return found_snapshot(wanted.snapshot, await self._desk.converge(plan, seen))
        finally:
            await self._check_untorn(wanted.volume, wanted.snapshot.slot)

    async def _check_untorn(self, source: VolumeId, copy: Slot) -> None:
        """Take back a copy of a file that was begun just now, if a node has claimed the file.

        Whoever publishes looks at the device after its claim is made, and sees the copy; whoever
        copies looks at the claims after the copy is begun. So one of the two sees the other,
        whichever replica it is in.

        Raises:
            InUse: there is such a node.
        """
        target = self._desk.take_begun(copy)
        if target is None or self._site.settings.copy_attached:
            return
        nodes = sorted({c.node for c in await self._held(source) if not c.read_only})
        if nodes:
            await self._desk.converge(partial(plan_take_back, copy, target))
            raise InUse(
                f"volume {source} was attached to {', '.join(nodes)} while a copy of it was begun; "
                "the copy was taken back"
            )

    async def delete_snapshot(self, snapshot: SnapshotId) -> None:
        """Remove a snapshot."""
        await self._desk.converge(partial(plan_delete_snapshot, snapshot, self._desk.terms()))

    async def read_snapshot(self, snapshot: SnapshotId) -> Snapshot:
        """Return a snapshot.

        Raises:
            NotFound: there is none.
        """
        return found_snapshot(snapshot, await self._desk.read(snapshot.slot))
