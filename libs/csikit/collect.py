"""The controller's listings, put together from their parts: whole, or known not to be."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime

from libs.core.errors import OutcomeUnknown
from protos.gen.rdscsi.controller import v1 as admin

_CUT_OFF = "the listing was cut off"


@dataclass(slots=True)
class DeviceListing:
    """What is on one device.

    Attributes:
        device: its name.
        begin: what its listing began with.
        error: why nothing may be concluded from the listing; empty for a whole one.
        reachable: whether the device answered.
        taken_at: when the reading began; None where it never did.
        volumes: the volumes, none unless the listing is whole; the rest likewise.
        snapshots: the snapshots.
        leftovers: files and subvolumes that no disk uses.
        pools: the mounted pools.
    """

    device: str
    begin: admin.DeviceBegin = field(default_factory=admin.DeviceBegin)
    error: str = _CUT_OFF
    reachable: bool = False
    taken_at: datetime | None = None
    volumes: list[admin.Volume] = field(default_factory=list)
    snapshots: list[admin.Snapshot] = field(default_factory=list)
    leftovers: list[admin.Leftover] = field(default_factory=list)
    pools: list[admin.Pool] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        """Whether what is not listed is not there."""
        return not self.error

    def _take(self, part: admin.GetInventoryResponse) -> None:
        if part.begin is not None:
            self.begin = part.begin
        if part.items is not None:
            self.volumes += part.items.volumes
            self.snapshots += part.items.snapshots
            self.leftovers += part.items.leftovers
        if part.end is not None:
            self._end(part.end)

    def _end(self, end: admin.DeviceEnd) -> None:
        self.reachable, self.taken_at, self.pools = end.reachable, end.taken_at, end.pools
        came = (len(self.volumes), len(self.snapshots), len(self.leftovers))
        self.error = end.error
        if not end.error and came != (end.volumes, end.snapshots, end.leftovers):
            self.error = _CUT_OFF

    def _close(self) -> None:
        if self.error:
            self.volumes, self.snapshots, self.leftovers = [], [], []


async def collect_inventory(
    parts: AsyncIterator[admin.GetInventoryResponse],
) -> dict[str, DeviceListing]:
    """Return what is on each device, by its name; one whose end did not come is not whole."""
    found: dict[str, DeviceListing] = {}
    async for part in parts:
        listing = found.setdefault(part.device, DeviceListing(part.device))
        listing._take(part)  # noqa: SLF001 (of this module)
    for listing in found.values():
        listing._close()  # noqa: SLF001 (of this module)
    return found


@dataclass(slots=True)
class AttachmentListing:
    """All attachments, and the errors of the devices that could not be asked, by their names."""

    attachments: list[admin.Attachment] = field(default_factory=list)
    unknown: dict[str, str] = field(default_factory=dict)
    taken_at: datetime | None = None


async def collect_attachments(
    parts: AsyncIterator[admin.ListAttachmentsResponse],
) -> AttachmentListing:
    """Return all attachments.

    Raises:
        OutcomeUnknown: the last part did not come.
    """
    found = AttachmentListing()
    is_whole = False
    async for part in parts:
        found.attachments += part.attachments
        found.unknown |= {unknown.device: unknown.error for unknown in part.unknown}
        found.taken_at = part.taken_at or found.taken_at
        is_whole = part.last
    if not is_whole:
        raise OutcomeUnknown(_CUT_OFF)
    return found
