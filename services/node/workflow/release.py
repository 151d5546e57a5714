"""Letting go of a device: only when nothing needs it, and after everything was written."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from libs.core.ids import Nqn, VolumeId
from libs.nvmeof.blockdev import flush, is_claimed
from libs.nvmeof.errors import DeviceInUse, NoDevice, NotManaged
from libs.nvmeof.model import BlockDevice, Connection, LinkState
from libs.nvmeof.mountinfo import Mount
from libs.nvmeof.usage_holders import list_holders
from services.node.volume import Record
from services.node.workflow.desk import Desk

log = structlog.get_logger(__name__)

_FLUSH_SECONDS = 60.0
_LOOK_SECONDS = 15.0
_LOOKS, _LOOK_AGAIN = 4, 0.5
"""Tools such as mkfs.btrfs, and udev, open every block device for a moment."""


async def release_device(desk: Desk, volume: VolumeId, record: Record | None) -> None:
    """Disconnect a volume's subsystem, if it is connected or may yet be.

    Without a record, a connection is the volume's when its NQN ends with the volume's slot.

    Raises:
        DeviceInUse: a mount, a holder or an open file needs it.
        HostHangs: the kernel did not do it in time.
    """
    if record is not None:
        found = await desk.fabrics.find(record.use.nqn)
        if found is None:
            await _end_late_connect(desk, record.use.nqn)
        connections = [found] if found else []
    else:
        suffix = f":{volume.slot.text}"
        others = {each.use.nqn.text for each in desk.records.all()}
        connections = [
            each
            for each in await desk.fabrics.list_connections()
            if each.nqn.endswith(suffix) and each.nqn not in others
        ]
        if len(connections) > 1:
            log.warning("several connections may be this volume's, and stay", volume=volume.text)
            return
    for connection in connections:
        await disconnect(desk, connection, record.paths if record else ())


async def disconnect(desk: Desk, connection: Connection, paths: Sequence[str] = ()) -> None:
    """Disconnect, unless something uses the device; what is not written yet is written first.

    Args:
        desk: the outside.
        connection: to what.
        paths: at which there are, or were, nodes of the device.

    Raises:
        DeviceInUse: something does.
        HostHangs: the kernel did not do it in time.
    """
    device = connection.device
    if not connection.is_certain:
        raise NoDevice(
            f"subsystem {connection.nqn} has disks of which none is certainly the volume: it stays "
            "connected"
        )
    if device is not None:
        users = await find_needs(desk, device, paths)
        for _ in range(_LOOKS):
            if not users:
                break
            await asyncio.sleep(_LOOK_AGAIN)
            users = await find_needs(desk, device, paths)
        if users:
            raise DeviceInUse(
                f"{device.path} stays connected, because it is in use: {'; '.join(users[:5])}"
            )
        if connection.state is not LinkState.DEAD:
            # While the kernel tries again this waits, and the caller with it: what a pod has
            # written is still in memory, though no process shows it any more.
            await _flush(desk, device)
    await desk.fabrics.ensure_disconnected(_nqn(connection))


async def _end_late_connect(desk: Desk, nqn: Nqn) -> None:
    """Have a connect that the kernel is still at come to nothing; until it has, nobody sees it.

    Raises:
        HostHangs: the kernel is still at it.
    """
    # What is not managed any more was not connected since the plugin was started.
    with contextlib.suppress(NotManaged):
        await desk.fabrics.ensure_disconnected(nqn)


async def find_needs(desk: Desk, device: BlockDevice, paths: Sequence[str] = ()) -> Sequence[str]:
    """Return in words what needs a device: mounts, holders, and processes that have it open.

    Args:
        desk: the outside.
        device: the device.
        paths: at which there are, or were, nodes of it.

    Raises:
        HostHangs: the host does not say in time.
        NoDevice: it has gone, or another one is in its place.
    """
    mounts = (await desk.mounter.read_table()).of_device(device.path, device.number)
    if mounts:
        return [f"it is mounted at {mount.point}" for mount in mounts]
    bare = Mount(
        id=0,
        parent=0,
        device=device.number,
        root="/",
        point=device.path,
        options=frozenset(),
        fs_type="",
        source=device.path,
        super_options=frozenset(),
    )

    def look() -> Sequence[str]:
        holders = list_holders(device.number, (device.path, *paths))
        users = (*(f"{name} is built on it" for name in holders), *desk.find_users(bare, ()))
        if not users and is_claimed(device):
            return ("a mount in another mount namespace, or another block device, holds it",)
        return users

    return await desk.offload.run(device.path, look, limit=_LOOK_SECONDS)


async def _flush(desk: Desk, device: BlockDevice) -> None:
    try:
        await desk.offload.run(device.path, lambda: flush(device), limit=_FLUSH_SECONDS)
    except NoDevice as error:
        log.warning("not everything could be written", device=device.path, why=error.detail)


def _nqn(connection: Connection) -> Nqn:
    return Nqn.parse(connection.nqn)
