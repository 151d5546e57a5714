"""A controller that a reconciler asks: as large as wanted, and made up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime

from libs.kube.attachments import attachment_name
from protos.gen.rdscsi.controller import v1 as admin

DRIVER = "rds.csi.srvlab.io"
SHARE = 10
"""Volumes on each node."""

_PART = 200


def volume_name(number: int) -> str:
    """Return the name of a volume."""
    return f"pvc-00000000-0000-0000-0000-{number:012}"


def node_name(number: int) -> str:
    """Return the name of the node that a volume is on."""
    return f"node-{number // SHARE:05}"


class Controller(admin.ControllerAdminBase):
    """Says that each volume is there, and attached to its node.

    Attributes:
        is_lost: whether the device has others instead.
    """

    def __init__(self, count: int, uids: list[str]) -> None:
        self._count = count
        self._uids = uids
        self.is_lost = False

    def _pieces(self) -> Iterator[range]:
        for start in range(0, self._count, _PART):
            yield range(start, min(start + _PART, self._count))

    async def get_inventory(
        self,
        message: admin.GetInventoryRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.GetInventoryResponse]:
        """Say what is on the device."""
        begin = admin.DeviceBegin(
            is_default=True, base_paths=["/raid10/volumes"], managed_prefixes=["pvc-"]
        )
        yield admin.GetInventoryResponse(device="rds", begin=begin)
        first = self._count if self.is_lost else 0
        for numbers in self._pieces():
            items = admin.DeviceItems(volumes=[_volume(first + number) for number in numbers])
            yield admin.GetInventoryResponse(device="rds", items=items)
        end = admin.DeviceEnd(reachable=True, taken_at=datetime.now(UTC), volumes=self._count)
        yield admin.GetInventoryResponse(device="rds", end=end)

    async def list_attachments(
        self,
        message: admin.ListAttachmentsRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.ListAttachmentsResponse]:
        """Say where each volume is attached."""
        for numbers in self._pieces():
            part = [self._attachment(number) for number in numbers]
            yield admin.ListAttachmentsResponse(attachments=part, taken_at=datetime.now(UTC))
        yield admin.ListAttachmentsResponse(last=True)

    def _attachment(self, number: int) -> admin.Attachment:
        node = node_name(number)
        return admin.Attachment(
            volume_id=volume_name(number),
            node_id=node,
            state=admin.AttachmentState.ATTACHED,
            attachment_uid=self._uids[number],
            attachment_name=attachment_name(volume_name(number), DRIVER, node),
            since=datetime.now(UTC),
            node_exists=True,
            node_host_nqn=f"nqn.2014-08.org.nvmexpress:uuid:{node}",
            admission=admin.Admission.EVERYBODY,
            volume_known=True,
        )

    async def watch_connections(
        self,
        message: admin.WatchConnectionsRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.WatchConnectionsResponse]:
        """Say that the device is reached, and that nothing changes."""
        link = admin.Connection(device="rds", state=admin.ConnectionState.UP)
        yield admin.WatchConnectionsResponse(connections=[link])
        await asyncio.Event().wait()


def _volume(number: int) -> admin.Volume:
    slot = volume_name(number)
    return admin.Volume(
        volume_id=slot,
        slot=slot,
        size_bytes=2**30,
        path=f"/raid10/volumes/{slot}.img",
        file_present=True,
        layout=admin.Layout.FILE,
        exported=True,
        nqn=f"nqn.2000-02.com.mikrotik:{slot}",
        port=4420,
        half_state=admin.HalfState.WHOLE,
        fingerprint=f"print of {slot}",
    )
