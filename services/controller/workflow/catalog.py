"""What is on all devices, a page at a time."""

import asyncio
import contextlib
import time
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field

from libs.core.errors import Conflict, RdsCsiError
from libs.core.ids import MANAGED_PREFIXES, Slot, SnapshotId, VolumeId
from services.controller.answers import Listed
from services.controller.plan.copies import within
from services.controller.plan.snapshots import Snapshot, snapshots_in
from services.controller.plan.steps import check_listed
from services.controller.ports import Attachment, Cluster, Device
from services.controller.requests.snapshots import SnapshotQuery
from services.controller.sites import Site

_OTHERS_SECONDS = 2.0
"""How long the other devices have to say whether they have a volume already."""

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

    async def check_nowhere_else(self, volume: VolumeId) -> None:
        """Check that no other device has a volume whose device was chosen by topology.

        A device that does not answer at once, or not as it should, is passed over: a call that was
        cut off there is repeated by the provisioner with the same topology.

        Raises:
            Conflict: one has it.
        """

        async def is_on(site: Site, device: Device) -> bool:
            with contextlib.suppress(RdsCsiError, TimeoutError):
                async with asyncio.timeout(_OTHERS_SECONDS):
                    seen = await device.read_slot(volume.slot)
                    seen = within(seen, site.settings.volume_base_paths)
                    return bool(seen.disk or seen.files or seen.subvolumes)
            return False

        others = [pair for pair in self._devices if pair[0].suffix != volume.device]
        answers = await asyncio.gather(*(is_on(*pair) for pair in others))
        for (site, _), there in zip(others, answers, strict=True):
            if there:
                there_id = VolumeId(volume.slot, site.suffix)
                raise Conflict(f"volume {there_id} exists on device {site.name}")

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
        start = bisect_right(listing.ids, after) if after else 0
        page = listing.volumes[start : start + count]
        is_last = start + count >= len(listing.volumes)
        if is_last:
            self.forget()
        token = "" if is_last else page[-1].id
        held = await self._cluster.known_of([listed.volume for listed in page])
        return [(listed, held[listed.volume]) for listed in page], token

    async def _read(self) -> _Listing:
        parts = await asyncio.gather(*(self._read_site(*pair) for pair in self._devices))
        volumes = sorted((listed for part in parts for listed in part), key=lambda v: v.id)
        return _Listing(volumes, [listed.id for listed in volumes], time.monotonic())

    async def _read_site(self, site: Site, device: Device) -> list[Listed]:
        disks, pools = await device.list_inventory(MANAGED_PREFIXES)
        volumes = ((VolumeId(Slot(disk.slot), site.suffix), disk) for disk in disks)
        return [
            Listed(volume, volume.text, disk, site, pools)
            for volume, disk in volumes
            if volume.is_managed  # and not only named a little like it
        ]

    async def snapshots(
        self, query: SnapshotQuery
    ) -> tuple[list[tuple[SnapshotId, VolumeId, Snapshot]], str]:
        """Return a page of snapshots, each with its ID and its volume's, and the next token.

        What is asked of one snapshot or one volume is asked of its device alone. A device whose
        pools are not all mounted fails the whole, unless it is asked for one snapshot and has it.
        """
        if query.is_empty:
            return [], ""
        only = query.snapshot or query.volume
        sites = [pair for pair in self._devices if only is None or pair[0].suffix == only.device]
        found = await asyncio.gather(*(self._snapshots_of(*pair, query) for pair in sites))
        left = sorted(
            (entry for part in found for entry in part if entry[0].text > query.after),
            key=lambda entry: entry[0].text,
        )
        page = left[: query.count]
        return page, page[-1][0].text if len(left) > query.count else ""

    async def _snapshots_of(
        self, site: Site, device: Device, query: SnapshotQuery
    ) -> list[tuple[SnapshotId, VolumeId, Snapshot]]:
        if query.snapshot is not None and not query.snapshot.is_managed:
            return []
        if query.snapshot is None:
            seen = await device.list_snapshots()
        else:
            seen = await device.read_slot(query.snapshot.slot)

        bases = site.settings.volume_base_paths

        def read() -> tuple[Snapshot, ...]:
            ours = within(seen, bases)
            return snapshots_in(ours.files, ours.subvolumes)

        # Beside the event loop: ten thousand names take a quarter of a second to read.
        snapshots = await asyncio.to_thread(read)
        if query.snapshot is None or not snapshots:
            what = f"snapshot {query.snapshot}" if query.snapshot else "the snapshots"
            check_listed(what, bases, seen.pools)
        entries = (
            (
                SnapshotId(Slot(snapshot.name), site.suffix),
                VolumeId(Slot(snapshot.source), site.suffix),
                snapshot,
            )
            for snapshot in snapshots
        )
        return [e for e in entries if query.volume in (None, e[1]) and e[0].is_managed]
