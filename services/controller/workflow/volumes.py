"""What the controller does with the volumes and snapshots of one device."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from functools import partial

from libs.core.errors import Busy, InUse, OutcomeUnknown, RdsCsiError, Unreachable
from libs.core.ids import Slot, SnapshotId, VolumeId
from libs.core.images import Layout
from libs.core.paths import DevicePath
from libs.core.secret import Secret
from libs.core.size import CapacityRange
from libs.rdsclient.model import FileDisk, Pool, SlotState
from services.controller.plan.abandon import is_half_made, plan_abandon
from services.controller.plan.clone import plan_clone
from services.controller.plan.copies import copies_in, plan_take_back
from services.controller.plan.snapshots import (
    Snapshot,
    found_snapshot,
    plan_delete_snapshot,
    plan_snapshot,
)
from services.controller.plan.steps import CopyFile, CreateDisk, From, Plan, Step, found, managed
from services.controller.plan.volumes import (
    Room,
    plan_create,
    plan_delete,
    plan_expand,
    pool_of,
)
from services.controller.ports import Attachment, Cluster
from services.controller.requests.snapshots import NewSnapshot
from services.controller.requests.volumes import NewVolume, Source
from services.controller.sites import Site
from services.controller.workflow.converge import Desk
from services.controller.workflow.living import living

_OPEN = (Busy, OutcomeUnknown, Unreachable)
"""Errors after which the caller comes back."""


class _Made:
    """Takes note of the steps that are sent, and of copies whose claims are to be looked at.

    Attributes:
        waiting: nodes of which it is not known whether they were given the source before the copy
            was begun, as of the last look.
    """

    def __init__(self, unchecked: set[str], steps: list[Step]) -> None:
        self._unchecked = unchecked
        self._steps = steps
        self.waiting: list[str] = []

    def append(self, step: Step) -> None:
        """Take note of a step that is about to be sent."""
        self._steps.append(step)
        if isinstance(step, CopyFile):
            self._unchecked.add(step.target.text)


class Volumes:
    """Makes, removes, grows and copies volumes; one instance for one device."""

    def __init__(self, desk: Desk, cluster: Cluster, site: Site) -> None:
        self._desk = desk
        self._cluster = cluster
        self._site = site
        self._bases = site.settings.volume_base_paths
        self._promises: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._unchecked: set[str] = set()
        self._checked: set[str] = set()

    async def create(self, wanted: NewVolume) -> FileDisk:
        """Provide a volume. One round trip for an empty one on a quiet device, or two with auth."""
        pool = wanted.parameters.directory.pool
        async with self._promising(pool):
            seen = await self._make(wanted, await self._room(pool))
        if wanted.password is not None:
            seen = await self._protect(wanted.volume, wanted.password)
        if wanted.changes is not None and wanted.changes.reconnect:
            await self._cluster.keep_parameters(wanted.volume, wanted.changes.reconnect)
        return found(wanted.volume, seen)

    async def _make(self, wanted: NewVolume, room: Room) -> SlotState | None:
        made: list[Step] = []
        try:
            if wanted.source is not None:
                return await self._clone(wanted, wanted.source, room, made)
            return await self._desk.converge(partial(plan_create, wanted, room), made=made)
        except _OPEN:
            raise
        except RdsCsiError as error:
            if wanted.source is not None or wanted.image.subvolume:
                await self._abandon(wanted, made, error)
            raise

    async def _protect(self, volume: VolumeId, password: Secret) -> SlotState:
        """Have a volume that is there require this password.

        What it requires now cannot be read, and it may have been made by an earlier call: without a
        password, or with one that was replaced since. The line that makes it does not say whether
        it did.

        Raises:
            OutcomeUnknown: it could not be set; whoever asked has to come back for the volume.
        """
        try:
            return await self._desk.device.ensure_password(volume.slot, password)
        except _OPEN:
            raise
        except RdsCsiError as error:
            raise OutcomeUnknown(
                f"volume {volume} is there, and its password is not set: {error.message}",
                detail=error.detail,
            ) from error

    async def _abandon(self, wanted: NewVolume, made: list[Step], error: RdsCsiError) -> None:
        """Leave nothing half made: after a final answer nobody asks again.

        Raises:
            OutcomeUnknown: something is left that may be finished, and may not be removed.
        """
        source = wanted.source.slot.text if wanted.source else ""
        paths = {step.target.text for step in made if isinstance(step, CopyFile)}
        paths |= {
            step.spec.path.text
            for step in made
            if isinstance(step, CreateDisk) and step.spec.branch
        }
        plan = partial(plan_abandon, wanted.volume, source, frozenset(paths))
        seen = await self._desk.converge(plan)
        if source and is_half_made(seen, source):
            raise OutcomeUnknown(
                f"volume {wanted.volume} is half made and cannot be finished: {error.message}",
                detail=error.detail,
            ) from error

    @contextlib.asynccontextmanager
    async def _promising(self, pool: str) -> AsyncIterator[None]:
        """Let one at a time promise room in a pool of thin files; others need not wait."""
        if not self._site.settings.overcommit:
            yield
            return
        async with self._promises[pool]:
            yield

    async def _room(self, pool: str) -> Room:
        """Return what a pool of thin files has promised."""
        if not self._site.settings.overcommit:
            return Room()
        disks = await self._desk.device.list_pool_disks(pool)
        return Room(sum(disk.size for disk in disks))

    async def _clone(
        self, wanted: NewVolume, source: Source, room: Room, made: list[Step]
    ) -> SlotState | None:
        original, seen = await self._read_both(source.slot, wanted.volume.slot)
        if source.is_snapshot:
            plan = partial(plan_clone, wanted, source, From(original), room)
            return await self._desk.converge(plan, seen, made=made)
        id_ = VolumeId(source.slot, self._site.suffix)
        plan = partial(plan_clone, wanted, source, From(original, await self._held(id_)), room)
        return await self._copy(plan, id_, seen, _Made(self._unchecked, made))

    async def _copy(
        self, plan: Plan, source: VolumeId, seen: SlotState, made: _Made
    ) -> SlotState | None:
        """Carry out a plan that may copy a volume's file.

        Whoever publishes looks at the device after its claim is made, and sees the copy; whoever
        copies looks at the claims after the copy is on the device. So one of the two sees the
        other, whichever replica it is in. One look by whoever began the copy is enough, and it
        comes before the copy is given out: a later claim is not granted before it is complete.
        """

        async def watch(seen: SlotState) -> None:
            made.waiting = []
            for copy in copies_in(seen.files):
                path = copy.image.path
                unseen = not copy.is_complete and path.text not in self._checked
                if copy.image.layout is Layout.FILE and (unseen or path.text in self._unchecked):
                    made.waiting += await self._check_untorn(source, seen.slot, path)
                    self._unchecked.discard(path.text)
                    if not made.waiting:
                        self._checked.add(path.text)
                if copy.is_complete:
                    self._checked.discard(path.text)

        return await self._desk.converge(plan, seen, watch, made)

    async def _check_untorn(self, source: VolumeId, slot: Slot, path: DevicePath) -> list[str]:
        """Take a copy back that a node may write into; return the nodes of which that is not known.

        A copy that this process began was not given out yet, so any claim counts. Another one may
        have been: by a process that has ended, or in another replica. It is taken back only where a
        claim has been granted while it is incomplete, which proves that nobody looked in time. One
        that is pending was most likely refused because of the copy. If not, external-attacher
        records it in a moment, and nobody writes before that. How old claim and copy are would tell
        the two apart only if the clocks of this machine, of the one that began the copy, and of the
        API server were the same.
        """
        if self._site.settings.copy_attached:
            return []
        held = [claim for claim in await self._held(source) if not claim.read_only]
        begun_here = path.text in self._unchecked
        nodes = sorted({claim.node for claim in held if begun_here or claim.attached})
        if nodes:
            await self._desk.converge(partial(plan_take_back, slot, path))
            self._unchecked.discard(path.text)
            raise InUse(
                f"volume {source} was attached to {', '.join(nodes)} while a copy of it was begun; "
                "the copy was taken back"
            )
        return sorted({claim.node for claim in held})

    async def _read_both(self, one: Slot, other: Slot) -> tuple[SlotState, SlotState]:
        """Read two slots at once; on a quiet device that is one round trip."""
        first, second = await asyncio.gather(self._desk.read(one), self._desk.read(other))
        return first, second

    async def delete(self, volume: VolumeId) -> None:
        """Remove a volume. One round trip where it lies in the default directory as a file."""
        await self._desk.converge(partial(plan_delete, volume, await self._held(volume)))
        await self._cluster.keep_parameters(volume, {})

    async def _held(self, volume: VolumeId) -> tuple[Attachment, ...]:
        claims = await self._cluster.of_volume(volume)
        return await living(self._cluster, volume, claims)

    async def expand(self, volume: VolumeId, size: CapacityRange) -> FileDisk:
        """Make a volume larger."""
        if not self._site.settings.overcommit:
            return found(
                volume, await self._desk.converge(partial(plan_expand, volume, size, Room()))
            )
        disk, _ = await self.read(volume)
        async with self._promising(pool_of(disk)):
            room = await self._room(pool_of(disk))
            return found(
                volume, await self._desk.converge(partial(plan_expand, volume, size, room))
            )

    async def read(self, volume: VolumeId) -> tuple[FileDisk, Pool | None]:
        """Return a volume's disk and its pool; no pool where it is not mounted.

        Raises:
            NotFound: there is none.
        """
        seen = await self._desk.read(managed(volume).slot)
        disk = found(volume, seen)
        return disk, seen.pool(pool_of(disk))

    async def read_room(self, directory: DevicePath) -> tuple[Pool | None, int]:
        """Return the pool that a directory lies in, and the bytes that its thin files may reach.

        The pool is None when it is not mounted; where files take their room at once, nothing more
        is promised.
        """
        room = await self._room(directory.pool)
        return await self._desk.device.read_pool(directory.pool), room.promised or 0

    # Snapshots

    async def take_snapshot(self, wanted: NewSnapshot) -> Snapshot:
        """Take a snapshot; it may become ready later.

        Raises:
            Busy: it is being made, and may yet have to be taken back.
        """
        original, seen = await self._read_both(wanted.volume.slot, wanted.snapshot.slot)
        held = await self._held(wanted.volume)
        plan = partial(plan_snapshot, wanted, From(original, held))
        made = _Made(self._unchecked, [])
        seen_last = await self._copy(plan, wanted.volume, seen, made)
        if made.waiting:
            raise Busy(
                f"snapshot {wanted.snapshot} is being made; {', '.join(made.waiting)} waits for "
                f"volume {wanted.volume}, and whether it got it before the copy was begun shows "
                "when it is attached, or when the copy is complete"
            )
        return found_snapshot(wanted.snapshot, self._bases, seen_last)

    async def delete_snapshot(self, snapshot: SnapshotId) -> None:
        """Remove a snapshot."""
        await self._desk.converge(partial(plan_delete_snapshot, snapshot))

    async def read_snapshot(self, snapshot: SnapshotId) -> Snapshot:
        """Return a snapshot.

        Raises:
            NotFound: there is none.
            Unreachable: there is none to be seen, and a pool is not mounted.
        """
        return found_snapshot(snapshot, self._bases, await self._desk.read(snapshot.slot))
