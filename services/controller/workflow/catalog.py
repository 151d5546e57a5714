"""What is on all devices, a page at a time."""

import asyncio
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.core.ids import MANAGED_PREFIXES, Slot, SnapshotId, VolumeId
from services.controller.answers import Listed
from services.controller.plan.snapshots import Snapshot, snapshots_in
from services.controller.ports import Attachment, Cluster, Device
from services.controller.requests.snapshots import SnapshotQuery
from services.controller.sites import Site

_REUSE_SECONDS = 10.0
"""How old a listing may be that the later pages are taken from."""


@dataclass(slots=True)
class _Listing:
    """All volumes, in the order of their IDs."""

    volumes: list[Listed] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)
    read_at: float = float("-inf")


class Catalog:
    """Lists volumes and snapshots. Tokens are the last ID of a page.

    So they survive whatever is added or removed meanwhile, and work in any replica. The first page
    is read from the devices; the next ones may come from the same reading.
    """

    def __init__(self, devices: Sequence[tuple[Site, Device]], cluster: Cluster) -> None:
        self._devices = tuple(devices)
        self._cluster = cluster
        self._listing = _Listing()

    def forget(self) -> None:
        """Read anew for the next page: something has changed."""
        self._listing = _Listing()

    async def volumes(
        self, count: int, after: str
    ) -> tuple[list[tuple[Listed, tuple[Attachment, ...]]], str]:
        """Return up to `count` volumes with the claims to them, and the token of the next page.

        A device that does not answer fails the whole: a listing with a gap looks like volumes lost.
        """
        listing = self._listing
        if not after or time.monotonic() - listing.read_at > _REUSE_SECONDS:
            before = listing
            listing = await self._read()
            if self._listing is before:  # nothing has changed meanwhile
                self._listing = listing
        held = await self._cluster.by_volume()
        start = bisect_right(listing.ids, after) if after else 0
        page = listing.volumes[start : start + count]
        is_last = start + count >= len(listing.volumes)
        if is_last:
            self.forget()
        token = "" if is_last else page[-1].id
        return [(listed, held.get(listed.id, ())) for listed in page], token

    async def _read(self) -> _Listing:
        parts = await asyncio.gather(*(self._read_site(*pair) for pair in self._devices))
        volumes = sorted((listed for part in parts for listed in part), key=lambda v: v.id)
        return _Listing(volumes, [listed.id for listed in volumes], time.monotonic())

    async def _read_site(self, site: Site, device: Device) -> list[Listed]:
        disks, pools = await device.list_inventory(MANAGED_PREFIXES)
        ending = f"@{site.suffix}" if site.suffix else ""
        return [Listed(disk.slot + ending, disk, site, pools) for disk in disks]

    async def snapshots(
        self, query: SnapshotQuery
    ) -> tuple[list[tuple[SnapshotId, VolumeId, Snapshot]], str]:
        """Return a page of snapshots, each with its ID and its volume's, and the next token."""
        if query.is_empty:
            return [], ""
        found = await asyncio.gather(*(self._snapshots_of(*pair) for pair in self._devices))
        every = sorted(
            (entry for part in found for entry in part if _is_asked_for(query, entry)),
            key=lambda entry: entry[0].text,
        )
        left = [entry for entry in every if entry[0].text > query.after]
        page = left[: query.count]
        return page, page[-1][0].text if len(left) > query.count else ""

    async def _snapshots_of(
        self, site: Site, device: Device
    ) -> list[tuple[SnapshotId, VolumeId, Snapshot]]:
        return [
            (
                SnapshotId(Slot(snapshot.name), site.suffix),
                VolumeId(Slot(snapshot.source), site.suffix),
                snapshot,
            )
            for snapshot in snapshots_in(*await device.list_snapshots())
        ]


def _is_asked_for(query: SnapshotQuery, entry: tuple[SnapshotId, VolumeId, Snapshot]) -> bool:
    snapshot, volume, _ = entry
    return query.snapshot in (None, snapshot) and query.volume in (None, volume)
