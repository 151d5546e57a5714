"""Seeing what there is of a volume on this node."""

import asyncio
from pathlib import Path

from libs.nvmeof.blockdev import is_claimed
from libs.nvmeof.filesystems import probe
from libs.nvmeof.fsplan import Probe
from libs.nvmeof.model import BlockDevice, LinkState
from libs.nvmeof.mounter import node_number
from libs.nvmeof.mountinfo import MountTable
from services.node.plan.stage import Place, Seen, usable_device
from services.node.volume import Publication, Record
from services.node.workflow.desk import Desk

_CLAIM_SECONDS = 10.0


async def observe(desk: Desk, record: Record) -> Seen:
    """Return what there is of a volume, without what only reading the device tells.

    Raises:
        RdsCsiError: the host does not say.
    """
    connection = await desk.fabrics.find(record.use.nqn)
    table = await desk.mounter.read_table()
    mount = None if record.use.is_block else table.at(record.use.staging)
    device = usable_device(connection)
    places = [await _place(record, each, table) for each in record.publications]
    # While the kernel tries a lost connection again, asking would only wait with everybody else.
    waits = connection is not None and connection.state is LinkState.CONNECTING
    return Seen(
        connection=connection,
        mount=mount,
        answers=mount is None or waits or await desk.mounter.answers(mount.point),
        elsewhere=_elsewhere(record, device, table),
        places=tuple(places),
    )


async def look(desk: Desk, record: Record, device: BlockDevice) -> tuple[Probe, bool]:
    """Return what is on a device, and whether something holds it exclusively.

    Raises:
        RdsCsiError: the device does not say.
    """
    key = record.use.nqn.text
    claimed = await desk.offload.run(key, lambda: is_claimed(device), limit=_CLAIM_SECONDS)
    return await probe(device, key, desk.offload), claimed


def _elsewhere(record: Record, device: BlockDevice | None, table: MountTable) -> tuple[str, ...]:
    if device is None:
        return ()
    points = (mount.point for mount in table.of_device(device.path, device.number))
    return tuple(point for point in points if point not in record.paths)


async def _place(record: Record, publication: Publication, table: MountTable) -> Place:
    mount = table.at(publication.path)
    if mount is not None and mount.is_placeholder:
        return Place(publication)
    if mount is not None:
        return Place(publication, mount)  # what is mounted there may hang, and is not touched
    path = Path(publication.path)
    needed = path.parent if record.use.is_block else path
    return Place(
        publication,
        node=await asyncio.to_thread(node_number, path),
        is_ready=await asyncio.to_thread(needed.is_dir),
    )
