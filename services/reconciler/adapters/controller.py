"""The controller's admin API, called."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Collection
from typing import TypeVar

import structlog

from libs.core.errors import OutcomeUnknown, RdsCsiError, Refused
from libs.csikit.channel import AdminChannel, peer_errors
from libs.csikit.collect import AttachmentListing, collect_attachments, collect_inventory
from libs.csikit.collect import DeviceListing as Collected
from protos.gen.rdscsi.controller import v1 as admin
from services.reconciler.adapters.messages import ITEM_KINDS, read_device, read_link, read_view
from services.reconciler.findings import Action
from services.reconciler.model import AttachmentView, DeviceListing, Listing
from services.reconciler.ports import Clock, DeviceLink
from services.reconciler.workflow.attaching import Told, Wanted
from services.reconciler.workflow.explaining import VolumeOnDevice
from services.reconciler.workflow.state import ControllerState

log = structlog.get_logger(__name__)

T = TypeVar("T")

INVENTORY_SECONDS = 90.0
"""How long the listing of all devices may take; older ones prove nothing anyway."""

VIEWS_SECONDS = 15.0
"""How long the listing of attachments may take: repair waits for it."""

ACTION_SECONDS = 45.0
"""How long one change may take: longer than a command on the device does at most."""

_PAUSES = (0.2, 0.5, 1.0, 2.0, 5.0)
"""Seconds before the watch of the connections is tried again."""

_PIECE = 200
"""Items that are read before others have their turn."""


class AdminController:
    """The controller, through its admin API."""

    def __init__(self, channel: AdminChannel, clock: Clock) -> None:
        self._stub = admin.ControllerAdminStub(channel)
        self._clock = clock
        self.state = ControllerState(channel.address)

    # Looking

    async def inventory(self, devices: Collection[str] = ()) -> Listing[DeviceListing]:
        """List what is on the devices of these names, or on all."""
        began = self._clock.now()
        try:
            found = await self._collect(devices)
        except RdsCsiError as error:
            return Listing((), complete=False, read_at=began, error=_words(error))
        # Beside the event loop: ten thousand items take a part of a second.
        reading = [asyncio.to_thread(read_device, one, began) for one in found.values()]
        return Listing(tuple(await asyncio.gather(*reading)), complete=True, read_at=began)

    async def _collect(self, devices: Collection[str]) -> dict[str, Collected]:
        request = admin.GetInventoryRequest(devices=sorted(devices))
        with peer_errors():
            async with asyncio.timeout(INVENTORY_SECONDS):
                return await collect_inventory(self._stub.get_inventory(request))

    async def views(self) -> Listing[AttachmentView]:
        """List the attachments, as the controller knows them."""
        began = self._clock.now()
        try:
            items = (await self._collect_attachments(admin.ListAttachmentsRequest())).attachments
        except RdsCsiError as error:
            return Listing((), complete=False, read_at=began, error=_words(error))
        views: list[AttachmentView] = []
        for start in range(0, len(items), _PIECE):
            views += map(read_view, items[start : start + _PIECE])
            await asyncio.sleep(0)
        return Listing(tuple(views), complete=True, read_at=began)

    async def _collect_attachments(
        self, request: admin.ListAttachmentsRequest
    ) -> AttachmentListing:
        with peer_errors():
            async with asyncio.timeout(VIEWS_SECONDS):
                parts = self._stub.list_attachments(request)
                return await collect_attachments(parts)

    async def attachments(self, wanted: Wanted) -> Told:
        """Return what the controller knows of attachments. It raises nothing."""
        began = self._clock.now()
        request = admin.ListAttachmentsRequest(volume_id=wanted.volume_id, node_id=wanted.node)
        try:
            found = await self._collect_attachments(request)
        except RdsCsiError as error:
            return Told(unknown=(f"what the controller knows of attachments: {_words(error)}",))
        unknown = [f"whom device {name} lets in: {why}" for name, why in found.unknown.items()]
        return Told(tuple(found.attachments), began, tuple(unknown))

    async def explain(self, volume_id: str) -> VolumeOnDevice:
        """Return all that is known of one volume. It raises nothing."""
        unknown: list[str] = []
        attachments: list[admin.Attachment] = []
        try:
            request = admin.ListAttachmentsRequest(volume_id=volume_id)
            attachments = (await self._collect_attachments(request)).attachments
        except RdsCsiError as error:
            unknown.append(f"who has the volume: {_words(error)}")
        try:
            found = await self._collect(())
        except RdsCsiError as error:
            unknown.append(f"what is on the devices: {_words(error)}")
            return VolumeOnDevice(attachments=tuple(attachments), unknown=tuple(unknown))
        return _pick(found, volume_id, tuple(attachments), unknown)

    async def watch_connections(self) -> AsyncIterator[tuple[DeviceLink, ...]]:
        """Yield the connections to all devices, now and after every change, for ever."""
        failures = 0
        while True:
            try:
                async for message in self._messages():
                    failures = 0
                    self.state.devices = tuple(message.connections)
                    self._note_link("")
                    yield tuple(map(read_link, message.connections))
            except RdsCsiError as error:
                self._note_link(_words(error))
            else:
                self._note_link("the controller ended the watch of the connections")
            await asyncio.sleep(_PAUSES[min(failures, len(_PAUSES) - 1)])
            failures += 1

    async def _messages(self) -> AsyncIterator[admin.WatchConnectionsResponse]:
        with peer_errors():
            # One generator, and so one HTTP/2 stream, which must not outlive its reader.
            stream = self._stub.watch_connections(admin.WatchConnectionsRequest())
            async with contextlib.aclosing(stream):  # type: ignore[type-var] # a generator, in fact
                async for message in stream:
                    yield message

    def _note_link(self, error: str) -> None:
        if self.state.connected and error:
            log.warning("controller lost", address=self.state.address, reason=error)
        elif not self.state.connected and not error:
            log.info("controller reached", address=self.state.address)
            self.state.times += 1
        self.state.connected, self.state.error = not error, error

    # Acting

    async def detach(self, action: Action) -> str:
        """Take a volume from a node; return what was done, in plain words."""
        request = admin.DetachRequest(
            volume_id=action.subject.volume_id,
            node_id=action.subject.node,
            reason=action.reason,
            attachment_uid=action.uid,
        )
        with peer_errors():
            return (await self._stub.detach(request, timeout=ACTION_SECONDS)).summary

    async def fence(self, action: Action) -> str:
        """Have the device shut a node out of a fenced volume."""
        request = admin.FenceRequest(
            volume_id=action.subject.volume_id,
            node_id=action.subject.node,
            reason=action.reason,
            attachment_uid=action.uid,
        )
        with peer_errors():
            return (await self._stub.fence(request, timeout=ACTION_SECONDS)).summary

    async def unfence(self, action: Action) -> str:
        """Have the device let in a node that the volume is attached to."""
        request = admin.UnfenceRequest(
            volume_id=action.subject.volume_id, node_id=action.subject.node, reason=action.reason
        )
        with peer_errors():
            return (await self._stub.unfence(request, timeout=ACTION_SECONDS)).summary

    async def delete_orphan(self, action: Action) -> str:
        """Remove something that nothing refers to."""
        if action.item is None:
            raise Refused("an orphan that is to be removed has to be of some kind")
        request = admin.DeleteOrphanRequest(
            kind=ITEM_KINDS[action.item],
            id=action.item_id,
            device=action.subject.device,
            fingerprint=action.fingerprint,
            reason=action.reason,
        )
        with peer_errors():
            return (await self._stub.delete_orphan(request, timeout=ACTION_SECONDS)).summary


def _words(error: RdsCsiError) -> str:
    if isinstance(error, OutcomeUnknown):  # of what only reads
        return f"the controller did not answer: {error.message}"
    return error.message


def _pick(
    found: dict[str, Collected],
    volume_id: str,
    attachments: tuple[admin.Attachment, ...],
    unknown: list[str],
) -> VolumeOnDevice:
    suffix = volume_id.partition("@")[2]
    listing = next((one for one in found.values() if _suffix(one) == suffix), None)
    if listing is None:
        unknown.append("the controller has no device of that name")
        return VolumeOnDevice(attachments=attachments, unknown=tuple(unknown))
    if listing.error:
        unknown.append(f"what is on device {listing.device}: {listing.error}")
    return VolumeOnDevice(
        device=listing.device,
        volume=next((v for v in listing.volumes if v.volume_id == volume_id), None),
        attachments=attachments,
        snapshots=tuple(s for s in listing.snapshots if s.source_volume_id == volume_id),
        leftovers=tuple(x for x in listing.leftovers if x.volume_id == volume_id),
        unknown=tuple(unknown),
    )


def _suffix(listing: Collected) -> str:
    return "" if listing.begin.is_default else listing.device
