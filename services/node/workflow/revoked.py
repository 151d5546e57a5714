"""Volumes that were taken from this node: what it has of them must reach the device no more.

Another node may have written meanwhile. What is left in memory here, or queued for a connection
that comes back, would be written over that.
"""

from collections.abc import Sequence

import structlog

from libs.core.errors import InUse, Unreachable
from libs.core.ids import VolumeId
from libs.nvmeof.errors import DeviceInUse, HostHangs
from libs.nvmeof.model import LinkState
from libs.nvmeof.mountinfo import Mount
from services.node.ports import ClusterAway
from services.node.volume import Record
from services.node.workflow.desk import Desk
from services.node.workflow.release import find_needs

log = structlog.get_logger(__name__)

_LOOK_SECONDS = 15.0


class NotOurs(InUse):
    """The cluster does not mean this node to have a volume."""


class Questions:
    """Whose volumes are, asked in one round: once the cluster does not answer, no more is asked.

    With many volumes a round would otherwise take as many times the limit of a request.
    """

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._is_away = False

    async def was_revoked(self, record: Record) -> bool | None:
        """Whether a volume was taken from this node; None where the cluster does not answer."""
        if self._is_away:
            return None
        try:
            return await is_revoked(self._desk, record)
        except Unreachable as error:
            self._is_away = True
            log.warning("not known whose a volume is", volume=record.volume.text, why=error.message)
            return None


async def is_revoked(desk: Desk, record: Record) -> bool:
    """Whether a volume was certainly taken from this node since it was staged.

    Raises:
        Unreachable: the cluster does not answer.
    """
    held = await desk.cluster.attachment(record.volume)
    return held is None or (bool(record.attachment) and held != record.attachment)


async def ensure_ours(desk: Desk, volume: VolumeId) -> str:
    """Make certain that what there is of a volume is of the attachment that this node has now.

    Behind a mount from an earlier attachment another node may have written: it goes, and so does
    one whose attachment is not known. Whoever asks for the volume has just read its attachment, so
    to wait for the cluster's answer costs little here.

    Returns:
        The attachment's UID; nothing where there is no cluster.

    Raises:
        ClusterAway: the cluster does not answer.
        Unreachable: it says that the volume is not this node's now.
        DeviceInUse: something uses what another attachment left.
        RdsCsiError: that could not be taken down.
    """
    try:
        held = await desk.cluster.attachment(volume)
    except Unreachable as error:
        raise ClusterAway(
            f"it is not known whether volume {volume} is this node's: {error.message}",
            detail=error.detail,
        ) from error
    record = desk.records.get(volume)
    is_known = record is not None and record.boot == desk.boot
    if record is not None and is_known and held not in {"", record.attachment}:
        await drop_revoked(desk, record)
        if held:
            fresh = Record(record.use, record.begun, boot=record.boot, attachment=held)
            await desk.records.put(fresh)
    if held is None:
        raise Unreachable(f"the cluster does not say that volume {volume} is attached to this node")
    return held


async def check_ours(desk: Desk, record: Record) -> None:
    """Check that this node may touch a volume without being asked to.

    Raises:
        NotOurs: it may not.
        Unreachable: the cluster does not answer.
    """
    if await is_revoked(desk, record):
        raise NotOurs(
            "the volume is not attached to this node any more: it is not connected or mounted "
            "again here, because another node may have it"
        )


async def was_revoked(desk: Desk, record: Record) -> bool:
    """Tell the same where a cluster that does not answer must hold nothing up."""
    try:
        return await is_revoked(desk, record)
    except Unreachable as error:
        log.warning("not known whose a volume is", volume=record.volume.text, why=error.message)
        return False


async def drop_revoked(desk: Desk, record: Record) -> None:
    """Take down what this node has of a volume that is not its own any more.

    The connection goes first, so that nothing which waits in memory is written.

    Raises:
        DeviceInUse: something uses it; the pods have to end first.
        HostHangs: the connection is still there; no mount was touched.
        RdsCsiError: the host did not do it.
    """
    table = await desk.mounter.read_table()
    mounts = [mount for path in reversed(record.paths) if (mount := table.at(path))]
    users = await _find_users(desk, record, mounts)
    if users:
        raise DeviceInUse(
            f"volume {record.volume} was taken from this node, and is still in use here: "
            f"{'; '.join(users[:5])}"
        )
    log.warning("a volume that was taken from this node is taken down", volume=record.volume.text)
    try:
        await desk.fabrics.ensure_disconnected(record.use.nqn)
    except HostHangs as error:
        # It may not even have been asked to: then what is unmounted would be written out.
        connection = await desk.fabrics.find(record.use.nqn)
        if connection is not None and connection.state is not LinkState.DEAD:
            raise
        log.info("the connection goes with its mounts", volume=record.volume.text, why=str(error))
    for mount in mounts:
        await desk.mounter.unmount(mount.point)
    if await desk.fabrics.find(record.use.nqn) is not None:
        await desk.fabrics.ensure_disconnected(record.use.nqn)


async def _find_users(desk: Desk, record: Record, mounts: Sequence[Mount]) -> Sequence[str]:
    if mounts:
        last = mounts[-1]
        return await desk.offload.run(
            last.point, lambda: desk.find_users(last, record.paths), limit=_LOOK_SECONDS
        )
    connection = await desk.fabrics.find(record.use.nqn)
    if connection is None or connection.device is None:
        return ()
    return await find_needs(desk, connection.device, record.paths)
