"""A small controller behind a real socket, which fails when it is told to."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from libs.core.errors import InUse, OutcomeUnknown, Refused, Unreachable
from libs.csikit.calls import Calls
from libs.csikit.server import open_admin_server
from protos.gen.rdscsi.controller import v1 as admin
from tests.fakes.apiserver import ATTACHMENTS, NODES, ApiServer

GIB = 1024**3


def now() -> datetime:
    return datetime.now(UTC)


@dataclass(eq=False)
class FakeController(admin.ControllerAdminBase):
    """Attachments are the cluster's, as with the real one; what is on the device is told to it.

    Attributes:
        api: the cluster.
        volumes: IDs on the device; `fenced` are those that are fenced, with whom they let in.
        failing: IDs of volumes for which every change fails.
        cut: whether listings of the device break off before their end.
        lying: whether their end counts one more than there was.
        away: whether it answers nothing but UNAVAILABLE.
        forgetful: IDs of volumes that are removed without an answer.
        hanging: IDs of volumes for which changes do not end.
        calls: the changes that were asked for, in order.
        reconnects: of the device.
        reason: why there is no connection to the device; empty where there is one.
    """

    api: ApiServer
    volumes: list[str] = field(default_factory=list)
    fenced: dict[str, set[str]] = field(default_factory=dict)
    failing: set[str] = field(default_factory=set)
    cut: bool = False
    lying: bool = False
    away: bool = False
    forgetful: set[str] = field(default_factory=set)
    hanging: set[str] = field(default_factory=set)
    detached: set[str] = field(default_factory=set)
    calls: list[tuple[str, str, str]] = field(default_factory=list)
    inventories: int = 0
    listing: asyncio.Event = field(default_factory=asyncio.Event)
    reconnects: int = 0
    reason: str = ""
    told: int = 0
    changed: asyncio.Condition = field(default_factory=asyncio.Condition)

    def __post_init__(self) -> None:
        self.listing.set()

    def _check(self, what: str, volume: str, node: str) -> None:
        if self.away:
            raise Unreachable("the controller is away")
        self.calls.append((what, volume, node))
        if volume in self.failing:
            raise Refused("the device said no")

    async def _wait(self, volume: str) -> None:
        if volume in self.hanging:
            await asyncio.Event().wait()

    async def get_inventory(
        self,
        message: admin.GetInventoryRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.GetInventoryResponse]:
        if self.away:
            raise Unreachable("the controller is away")
        self.inventories += 1
        await self.listing.wait()
        begin = admin.DeviceBegin(
            is_default=True,
            base_paths=["/raid10/volumes"],
            managed_prefixes=["pvc-", "vol-", "snap-"],
        )
        yield admin.GetInventoryResponse(device="rds", begin=begin)
        volumes = [self._volume(name) for name in self.volumes]
        items = admin.DeviceItems(volumes=volumes)
        yield admin.GetInventoryResponse(device="rds", items=items)
        if self.cut:
            raise OutcomeUnknown("the listing broke off")
        count = len(volumes) + self.lying
        end = admin.DeviceEnd(reachable=True, taken_at=now(), volumes=count)
        yield admin.GetInventoryResponse(device="rds", end=end)

    def _volume(self, name: str) -> admin.Volume:
        return admin.Volume(
            volume_id=name,
            slot=name,
            size_bytes=GIB,
            path=f"/raid10/volumes/{name}.img",
            file_present=True,
            layout=admin.Layout.FILE,
            exported=True,
            nqn=f"nqn.2000-02.com.mikrotik:{name}",
            port=4420,
            fenced=name in self.fenced,
            allowed_hosts=sorted(self.fenced.get(name, ())),
            half_state=admin.HalfState.WHOLE,
            fingerprint=f"print of {name}",
        )

    async def list_attachments(
        self, message: admin.ListAttachmentsRequest
    ) -> AsyncIterator[admin.ListAttachmentsResponse]:
        if self.away:
            raise Unreachable("the controller is away")
        found = [self._attachment(item) for item in self.api.objects[ATTACHMENTS].values()]
        wanted = [a for a in found if message.volume_id in ("", a.volume_id)]
        yield admin.ListAttachmentsResponse(attachments=wanted, taken_at=now(), last=True)

    def _attachment(self, item: dict[str, object]) -> admin.Attachment:
        spec, metadata = item["spec"], item["metadata"]
        assert isinstance(spec, dict)
        assert isinstance(metadata, dict)
        volume, node, uid = _volume_of(item), spec["nodeName"], metadata["uid"]
        state = admin.AttachmentState.ATTACHED
        if uid in self.detached:
            state = admin.AttachmentState.DETACHED
        admission = admin.Admission.EVERYBODY
        if volume in self.fenced:
            is_in = node in self.fenced[volume]
            admission = admin.Admission.ADMITTED if is_in else admin.Admission.SHUT_OUT
        return admin.Attachment(
            volume_id=volume,
            node_id=node,
            state=state,
            attachment_uid=uid,
            attachment_name=metadata["name"],
            node_exists=node in self.api.objects[NODES],
            admission=admission,
            volume_known=True,
        )

    async def detach(self, message: admin.DetachRequest) -> admin.DetachResponse:
        self._check("detach", message.volume_id, message.node_id)
        await self._wait(message.volume_id)
        own = [
            str(item["metadata"]["uid"])
            for item in self.api.objects[ATTACHMENTS].values()
            if (_volume_of(item), item["spec"]["nodeName"]) == (message.volume_id, message.node_id)
        ]
        if message.attachment_uid and own and own != [message.attachment_uid]:
            raise InUse("the node has come back for the volume")
        self.fenced.get(message.volume_id, set()).discard(message.node_id)
        self.detached.update(own)
        return admin.DetachResponse(was_attached=bool(own), attachment_uids=own, summary="done")

    async def fence(self, message: admin.FenceRequest) -> admin.FenceResponse:
        self._check("fence", message.volume_id, message.node_id)
        self.fenced[message.volume_id].discard(message.node_id)
        return admin.FenceResponse(fencing=admin.FencingResult.CHANGED, summary="done")

    async def unfence(self, message: admin.UnfenceRequest) -> admin.UnfenceResponse:
        self._check("unfence", message.volume_id, message.node_id)
        self.fenced[message.volume_id].add(message.node_id)
        return admin.UnfenceResponse(fencing=admin.FencingResult.CHANGED, summary="done")

    async def delete_orphan(self, message: admin.DeleteOrphanRequest) -> admin.DeleteOrphanResponse:
        self._check("delete", message.id, "")
        if message.fingerprint != f"print of {message.id}":
            raise InUse("it is not any more what was listed")
        self.volumes.remove(message.id)
        if message.id in self.forgetful:
            raise OutcomeUnknown("the device did not answer")
        return admin.DeleteOrphanResponse(removed=True, freed_bytes=GIB, summary="done")

    async def watch_connections(
        self,
        message: admin.WatchConnectionsRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.WatchConnectionsResponse]:
        if self.away:
            raise Unreachable("the controller is away")
        while True:
            before = self.told
            state = admin.ConnectionState.AWAY if self.reason else admin.ConnectionState.UP
            link = admin.Connection(
                device="rds", state=state, reason=self.reason, reconnects=self.reconnects
            )
            yield admin.WatchConnectionsResponse(connections=[link])
            async with self.changed:
                while self.told == before:
                    await self.changed.wait()

    async def reconnect(self) -> None:
        """Have the device away for a moment."""
        self.reconnects += 1
        await self._tell()

    async def lose_device(self, reason: str) -> None:
        """Have the device away until it is reconnected."""
        self.reason = reason
        await self._tell()

    async def find_device(self) -> None:
        """Have the device back."""
        self.reason = ""
        await self.reconnect()

    async def _tell(self) -> None:
        async with self.changed:
            self.told += 1
            self.changed.notify_all()


def _volume_of(item: dict[str, object]) -> str:
    spec = item["spec"]
    assert isinstance(spec, dict)
    return str(spec["source"]["persistentVolumeName"])


@contextlib.asynccontextmanager
async def running_controller(fake: FakeController, socket: Path) -> AsyncIterator[None]:
    async with open_admin_server((fake,), socket, Calls(), drain_seconds=0.1):
        yield
