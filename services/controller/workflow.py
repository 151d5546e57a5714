"""Observe, plan, apply, confirm: the shell around the plans. No policy lives here."""

from collections.abc import Sequence
from functools import partial

from libs.core.errors import NotFound, Refused
from libs.core.ids import MANAGED_PREFIXES, DevicePath, NodeId, VolumeId
from libs.core.size import CapacityRange
from libs.rdsclient.errors import EntryExists
from libs.rdsclient.model import FileDisk, Pool, SlotState
from services.controller.plan import (
    CreateDisk,
    GrowDisk,
    Limits,
    Look,
    Plan,
    RemoveDisk,
    Step,
    found,
    managed,
    plan_create,
    plan_delete,
    plan_expand,
    plan_publish,
)
from services.controller.ports import Attachment, Attachments, Device
from services.controller.requests import NewVolume, Publication

_ROUNDS = 4


class Volumes:
    """What the controller does with volumes; one instance for one device."""

    def __init__(
        self,
        device: Device,
        attachments: Attachments,
        limits: Limits,
        bases: Sequence[DevicePath],
    ) -> None:
        self._device = device
        self._attachments = attachments
        self._limits = limits
        self._bases = tuple(bases)
        self._pool = self._bases[0].pool

    async def create(self, wanted: NewVolume) -> FileDisk:
        """Provide a volume. One round trip on a quiet device."""
        seen = await self._converge(partial(plan_create, wanted, self._limits))
        return found(wanted.volume, seen)

    async def delete(self, volume: VolumeId) -> None:
        """Remove a volume. One round trip where it lies in the default directory."""
        held = await self._attachments.of_volume(volume)
        await self._converge(partial(plan_delete, volume, self._bases, held))

    async def expand(self, volume: VolumeId, size: CapacityRange) -> FileDisk:
        """Make a volume larger."""
        seen = await self._converge(partial(plan_expand, volume, size, self._limits, self._pool))
        return found(volume, seen)

    async def publish(self, wanted: Publication) -> FileDisk:
        """Let a node use a volume. One round trip."""
        held = await self._attachments.of_volume(wanted.volume)
        seen = await self._converge(partial(plan_publish, wanted, held, self._pool))
        await self._attachments.record(wanted.volume, wanted.node)
        return found(wanted.volume, seen)

    async def unpublish(self, volume: VolumeId, node: NodeId | None) -> None:
        """Take a volume from a node, or from all; needs nothing from the node or the device."""
        await self._attachments.forget(volume, node)

    async def read(self, volume: VolumeId) -> FileDisk:
        """Return a volume's disk.

        Raises:
            NotFound: there is none.
        """
        return found(volume, await self._device.read_slot(managed(volume).slot, self._pool))

    async def read_page(
        self, count: int, after: str
    ) -> tuple[list[tuple[FileDisk, tuple[Attachment, ...]]], str]:
        """Return up to `count` volumes in the order of their IDs, and the token of the next page.

        A token is the last ID of its page, so it survives whatever is added or removed meanwhile.
        """
        disks = await self._device.list_disks(MANAGED_PREFIXES)
        held = await self._attachments.by_volume()
        left = sorted((disk for disk in disks if disk.slot > after), key=lambda disk: disk.slot)
        page = left[:count]
        token = page[-1].slot if len(left) > count else ""
        return [(disk, held.get(disk.slot, ())) for disk in page], token

    async def read_pool(self, directory: DevicePath) -> Pool | None:
        """Return the pool that a directory lies in; None when it is not mounted."""
        return await self._device.read_pool(directory.pool)

    async def _converge(self, plan: Plan) -> SlotState | None:
        seen: SlotState | None = None
        for _ in range(_ROUNDS):
            steps = plan(seen)
            if not steps:
                return seen
            for step in steps:
                seen = await self._apply(step)
        raise Refused(
            "the device accepts the commands but does not end up as they say",
            detail=f"last seen: {seen}",
        )

    async def _apply(self, step: Step) -> SlotState:
        match step:
            case Look(slot, pool):
                return await self._device.read_slot(slot, pool)
            case CreateDisk(spec):
                try:
                    return await self._device.ensure_disk(spec)
                except EntryExists:
                    # Somebody was faster: what they made may be just what is wanted.
                    seen = await self._device.read_slot(spec.slot, spec.path.pool)
                    if seen.disk is None:
                        raise
                    return seen
            case GrowDisk(slot, size, added, pool):
                return await self._device.ensure_size(slot, size, added, pool)
            case RemoveDisk(slot, path):
                try:
                    return await self._device.ensure_absent(slot, path)
                except NotFound:
                    # Somebody removed it between the search and the removal.
                    return await self._device.read_slot(slot, path.pool)
