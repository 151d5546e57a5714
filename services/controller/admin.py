"""The controller's admin service: parse, hand over, render. About five lines an RPC."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass

from libs.core.ids import NodeId, VolumeId
from libs.core.security import SecurityEvent
from libs.csikit.calls import note
from libs.csikit.counts import CallCounts
from libs.csikit.keylock import KeyedTasks
from protos.gen.rdscsi.controller import v1 as admin
from services.controller import admin_answers as answers
from services.controller.admin_requests import parse_orphan, parse_pair
from services.controller.ports import Cluster, Monitored
from services.controller.sites import Site, Sites
from services.controller.workflow.catalog import Catalog
from services.controller.workflow.keys import keys_of
from services.controller.workflow.links import Links
from services.controller.workflow.repair import Repairer
from services.controller.workflow.stock import Stocktaker


@dataclass(frozen=True, slots=True)
class Parts:
    """What the admin service is made of.

    Attributes:
        sites: the devices.
        repairers: what repairs things on each, by the suffix of the device.
        stock: reads all of them.
        links: their connections.
        monitored: what counts round trips, by device.
        catalog: what lists volumes for CSI, and has to know when one is gone.
        cluster: what knows the machines that use volumes.
        tasks: what runs changes one at a time per volume, the same as CSI's.
        counts: what counts calls, of all endpoints.
    """

    sites: Sites
    repairers: Mapping[str, Repairer]
    stock: Stocktaker
    links: Links
    monitored: Sequence[tuple[Site, Monitored]]
    catalog: Catalog
    cluster: Cluster
    tasks: KeyedTasks
    counts: CallCounts


class AdminServicer(admin.ControllerAdminBase):
    """What the reconciler asks of the controller."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._began = time.time()

    def _of(self, item: VolumeId) -> Repairer:
        return self._parts.repairers[self._parts.sites.of_suffix(item.device).suffix]

    # Reading

    async def get_inventory(
        self, message: admin.GetInventoryRequest
    ) -> AsyncIterator[admin.GetInventoryResponse]:
        """List all that is on the devices."""
        for stock in await self._parts.stock.take(message.devices):
            for part in answers.render_stock(stock):
                yield part
                await asyncio.sleep(0)  # others have their turn between two parts

    async def list_attachments(
        self, message: admin.ListAttachmentsRequest
    ) -> AsyncIterator[admin.ListAttachmentsResponse]:
        """List which node has which volume."""
        volume = VolumeId.parse(message.volume_id) if message.volume_id else None
        node = NodeId.parse(message.node_id) if message.node_id else None
        for part in answers.render_holdings(await self._parts.stock.holdings(volume, node)):
            yield part
            await asyncio.sleep(0)

    async def watch_connections(
        self,
        message: admin.WatchConnectionsRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.WatchConnectionsResponse]:
        """Tell of the connections, now and after every change."""
        async for links in self._parts.links.watch():
            yield answers.render_links(links)

    async def get_counters(
        self,
        message: admin.GetCountersRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> admin.GetCountersResponse:
        """Tell what has been counted."""
        return admin.GetCountersResponse(
            counters=list(self._counters()), since=answers.moment(self._began)
        )

    def _counters(self) -> Iterator[admin.Counter]:
        for (method, code), count in sorted(self._parts.counts.read().items()):
            yield answers.render_counter("calls", {"method": method, "code": code}, count)
        for site, device in self._parts.monitored:
            device_label = {"device": site.name}
            yield answers.render_counter("device_round_trips", device_label, device.round_trips)
            yield answers.render_counter("device_commands", device_label, device.commands)
        for link in self._parts.links.now:
            label = {"device": link.device}
            yield answers.render_counter("device_reconnects", label, link.reconnects)

    # Changing

    async def detach(self, message: admin.DetachRequest) -> admin.DetachResponse:
        """Take a volume from a node."""
        pair = parse_pair(message)
        repairer = self._of(pair.volume)
        done = await self._parts.tasks.run(
            await keys_of(self._parts.cluster, pair.volume),
            lambda: repairer.detach(pair.volume, pair.node, pair.claim),
        )
        answer = answers.render_detached(pair.volume, pair.node, done)
        note(done=answer.summary, security=SecurityEvent.FORCED_DETACH.value)
        return answer

    async def fence(self, message: admin.FenceRequest) -> admin.FenceResponse:
        """Have the device shut a node out of a volume."""
        pair = parse_pair(message)
        repairer = self._of(pair.volume)
        done = await self._parts.tasks.run(
            await keys_of(self._parts.cluster, pair.volume),
            lambda: repairer.fence(pair.volume, pair.node, pair.claim),
        )
        answer = answers.render_fenced(pair.volume, pair.node, done)
        note(done=answer.summary, security=SecurityEvent.FENCED.value)
        return answer

    async def unfence(self, message: admin.UnfenceRequest) -> admin.UnfenceResponse:
        """Have the device let a node in to a volume again."""
        pair = parse_pair(message)
        repairer = self._of(pair.volume)
        done = await self._parts.tasks.run(
            await keys_of(self._parts.cluster, pair.volume),
            lambda: repairer.unfence(pair.volume, pair.node),
        )
        answer = answers.render_unfenced(pair.volume, pair.node, done)
        note(done=answer.summary, security=SecurityEvent.ADMITTED.value)
        return answer

    async def delete_orphan(self, message: admin.DeleteOrphanRequest) -> admin.DeleteOrphanResponse:
        """Remove something that nothing needs."""
        site, orphan = parse_orphan(message, self._parts.sites)
        note(kind=orphan.kind.value, item=message.id, device=site.name)
        repairer = self._parts.repairers[site.suffix]
        size = await self._parts.tasks.run(
            orphan.subject.text, lambda: repairer.delete_orphan(orphan)
        )
        self._parts.catalog.forget()
        answer = answers.render_removed(orphan, size)
        note(done=answer.summary, security=SecurityEvent.REMOVED.value)
        return answer
