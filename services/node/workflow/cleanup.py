"""What an earlier process left behind: connections that nothing needs."""

import structlog

from libs.core.errors import InvalidRequest, RdsCsiError
from libs.core.ids import Slot
from libs.nvmeof.errors import DeviceInUse
from services.node.volume import Record
from services.node.workflow.desk import Desk
from services.node.workflow.release import disconnect

log = structlog.get_logger(__name__)


async def clean_up(desk: Desk) -> int:
    """Disconnect managed subsystems that no record knows and nothing uses; return how many.

    One that has a mount, a holder or an open file is left alone, and so is everything that cannot
    be told for certain. A volume that the cluster says is attached here may have been staged by
    another plugin, the one before this: a raw block device that a pod has not opened yet has
    nothing else to be known by. Nothing here keeps the plugin from starting.
    """
    for record in desk.records.all():
        await _forget_if_over(desk, record)
    known = {record.use.nqn.text for record in desk.records.all()}
    try:
        connections = await desk.fabrics.list_connections()
    except RdsCsiError as error:
        log.warning("left-over connections cannot be looked for", why=error.message)
        return 0
    count = 0
    for connection in connections:
        if connection.nqn in known:
            continue
        try:
            if await _is_attached(desk, connection.nqn):
                log.info("a connection without a record is this node's", nqn=connection.nqn)
                continue
            await disconnect(desk, connection)
        except DeviceInUse as error:
            log.warning(
                "a connection of no volume is in use", nqn=connection.nqn, why=error.message
            )
        except RdsCsiError as error:
            log.warning("a connection of no volume stays", nqn=connection.nqn, why=error.message)
        else:
            log.info("a connection of no volume is removed", nqn=connection.nqn)
            count += 1
    return count


async def _is_attached(desk: Desk, nqn: str) -> bool:
    """Whether the cluster says that the volume of a name such as ours is attached to this node.

    Raises:
        Unreachable: it cannot be asked.
    """
    try:
        slot = Slot.parse(nqn.rpartition(":")[2])
    except InvalidRequest:
        return False
    # The attachment is named after the whole ID, in which there may be a device.
    return bool(await desk.cluster.attachment(await desk.cluster.identify(slot)))


async def _forget_if_over(desk: Desk, record: Record) -> None:
    """Forget a volume that was never mounted or published, and is certainly not this node's."""
    if record.publications or record.begun:
        return
    try:
        mounted = (await desk.mounter.read_table()).at(record.use.staging) is not None
        if not mounted and await desk.cluster.attachment(record.volume) is None:
            await desk.records.drop(record.volume)
            log.info("a volume that is not this node's is forgotten", volume=record.volume.text)
    except RdsCsiError as error:
        log.warning("not known whose a volume is", volume=record.volume.text, why=error.message)
