"""Staging, publishing, and undoing both: the record first, then what it says."""

import asyncio
import contextlib
import os
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import structlog

from libs.core.errors import Conflict, InUse, NotFound, RdsCsiError
from libs.core.ids import VolumeId
from libs.core.secret import Secret
from libs.nvmeof.blockdev import erase_unfinished
from libs.nvmeof.errors import DeviceInUse, NoDevice
from libs.nvmeof.model import LinkState
from libs.nvmeof.mounter import drop_unplaced_node, node_number
from services.node.plan.stage import usable_device
from services.node.plan.undo import check_publication, check_unpublished
from services.node.volume import Publication, Record, Use
from services.node.workflow.converge import Convergence
from services.node.workflow.desk import Desk
from services.node.workflow.guard import Guard
from services.node.workflow.release import release_device

log = structlog.get_logger(__name__)

_ERASE_SECONDS = 30.0


class Volumes:
    """The volumes of this node. Its calls for one volume must not overlap."""

    def __init__(self, desk: Desk, guard: Guard) -> None:
        self._desk = desk
        self._guard = guard

    async def stage(self, use: Use, secret: Secret | None) -> None:
        """Connect a volume, and mount it at its staging path unless it is a raw block device.

        Raises:
            Conflict: it is staged otherwise already.
            RdsCsiError: it cannot be staged now, or not at all.
        """
        known = self._desk.records.get(use.volume)
        if known is not None and known.boot != self._desk.boot:
            known = Record(known.use, known.begun)
        if known is not None and not known.use.agrees_with(use):
            if known.publications or await self._is_mounted(known):
                raise Conflict(
                    f"volume {use.volume} is staged at {known.use.staging} already, in another way"
                )
            if known.use.nqn != use.nqn:
                await release_device(self._desk, use.volume, known)
            known = Record(use, known.begun)
        if secret is not None:
            self._desk.secrets[use.volume] = secret
        record = replace(known or Record(use), use=use, boot=self._desk.boot)
        await self._desk.records.put(record)
        await self._guard.run(use.volume, lambda: Convergence(self._desk, record).run())

    async def publish(self, volume: VolumeId, wanted: Publication, asked: Use) -> None:
        """Show a staged volume at another path.

        Args:
            volume: which one.
            wanted: where, and whether it may be written to.
            asked: how the request says that it is staged.

        Raises:
            Conflict: it is published there otherwise already.
            InUse: it is not staged, or may be published at one path only, and is at another.
            RdsCsiError: it cannot be published now.
        """
        record = self._desk.records.get(volume)
        record = check_publication(record, volume, wanted, asked)
        fresh = record.at(wanted.path) is None
        if (await self._desk.mounter.read_table()).at(wanted.path) is None:
            await asyncio.to_thread(_prepare, Path(wanted.path), record.use)
        record = record.with_publication(wanted)
        await self._desk.records.put(record)
        try:
            await self._guard.run(volume, lambda: Convergence(self._desk, record, grown=True).run())
        except RdsCsiError:
            if fresh:
                # Nobody will take back what nobody was given.
                with contextlib.suppress(RdsCsiError):
                    await self.unpublish(volume, wanted.path)
            raise

    async def unpublish(self, volume: VolumeId, target: str) -> None:
        """Undo a publication, whatever there is of it.

        Raises:
            InUse: something uses it, or there is something else.
            RdsCsiError: it cannot be undone now.
        """
        desk = self._desk
        record = desk.records.get(volume)
        mount = (await desk.mounter.read_table()).at(target)
        if mount is not None:
            ok, known = False, record.paths if record else ()
            try:
                await desk.mounter.unmount(
                    target, lambda found: desk.find_users(found, (*known, target))
                )
                ok = True
            finally:
                desk.counts.mounted("unbind", ok=ok)
        await asyncio.to_thread(_remove, Path(target))
        if record is not None and record.at(target):
            await desk.records.put(record.without(target))

    async def unstage(self, volume: VolumeId, staging: str) -> None:
        """Unmount a volume and disconnect it; both have happened when this returns.

        Raises:
            InUse: it is still published, or something uses it.
            RdsCsiError: it cannot be undone now.
        """
        desk = self._desk
        record = desk.records.get(volume)
        table = await desk.mounter.read_table()
        mount = table.at(staging)
        if record is not None:
            alive = {each.path for each in record.publications if table.at(each.path)}
            nodes = await asyncio.to_thread(_nodes, record) if record.use.is_block else set()
            mounted = record.use.is_block or table.at(record.use.staging) is not None
            check_unpublished(record, staging, alive | nodes, mounted=mounted)
        if mount is not None:
            await self._unmount(volume, staging)
            if record is not None and record.begun:
                await self._mark(record)
        elif record is not None and record.begun:
            await self._erase_unfinished(record, record.begun)
        await release_device(desk, volume, record)
        await desk.records.drop(volume)
        desk.secrets.pop(volume, None)
        self._guard.forget(volume)

    async def _unmount(self, volume: VolumeId, staging: str) -> None:
        desk, ok = self._desk, False
        try:
            await desk.mounter.unmount(staging, lambda found: desk.find_users(found, (staging,)))
            ok = True
        except DeviceInUse as error:
            raise InUse(
                f"volume {volume} stays staged: {error.message}", detail=error.detail
            ) from None
        finally:
            desk.counts.mounted("unmount", ok=ok)

    async def _mark(self, record: Record) -> None:
        text = f"{record.use.fs_type} {record.begun}"
        await self._desk.records.mark_formatted(record.volume, text)
        with contextlib.suppress(RdsCsiError):
            await self._desk.cluster.mark_formatted(record.volume, text)

    async def _erase_unfinished(self, record: Record, begun: UUID) -> None:
        """Erase what a killed mkfs left: without the record, nobody could tell whose it is."""
        connection = await self._desk.fabrics.find(record.use.nqn)
        device = usable_device(connection)
        if device is None or connection is None or connection.state is not LinkState.LIVE:
            return
        with contextlib.suppress(DeviceInUse, NoDevice):  # it was finished, or never begun
            await self._desk.offload.run(
                record.use.nqn.text, lambda: erase_unfinished(device, begun), limit=_ERASE_SECONDS
            )

    async def _is_mounted(self, record: Record) -> bool:
        if record.use.is_block:
            return await self._desk.fabrics.find(record.use.nqn) is not None
        return (await self._desk.mounter.read_table()).at(record.use.staging) is not None

    def known(self, volume: VolumeId, path: str) -> Record:
        """Return the record of a volume that is staged or published at a path.

        Raises:
            NotFound: it is not.
        """
        record = self._desk.records.get(volume)
        if record is None or (path != record.use.staging and record.at(path) is None):
            raise NotFound(f"volume {volume} is not on this node at {path}")
        return record


def _prepare(target: Path, use: Use) -> None:
    """Make what a publication is put on; kubelet makes the directory above."""
    try:
        if use.is_block:
            target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            taken = os.path.lexists(target) and not _is_node_or_empty(target)
        else:
            taken = False
            target.mkdir(mode=0o750, parents=True, exist_ok=True)
    except FileExistsError:
        taken = True
    except OSError as error:
        raise NoDevice(f"{target} cannot be made", detail=repr(error)) from error
    if taken:
        raise Conflict(f"there is something else at {target}")


def _remove(target: Path) -> None:
    """Remove an empty directory, a device node or an empty file; anything else is not ours."""
    try:
        drop_unplaced_node(target)
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        elif _is_node_or_empty(target):
            target.unlink()
        elif target.is_symlink() or target.exists():
            raise InUse(f"what is at {target} is not the volume, and is left alone")
    except FileNotFoundError:
        pass
    except OSError as error:
        raise InUse(f"{target} cannot be removed", detail=repr(error)) from error


def _is_node_or_empty(target: Path) -> bool:
    if node_number(target) is not None:
        return True
    return target.is_file() and not target.is_symlink() and target.lstat().st_size == 0


def _nodes(record: Record) -> set[str]:
    return {each.path for each in record.publications if node_number(Path(each.path)) is not None}
