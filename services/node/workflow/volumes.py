"""Staging, publishing, and undoing both: the record first, then what it says."""

import asyncio
import contextlib
from dataclasses import replace
from pathlib import Path

import structlog

from libs.core.errors import (
    Busy,
    Conflict,
    Exhausted,
    InUse,
    NotFound,
    OutcomeUnknown,
    RdsCsiError,
    Unreachable,
)
from libs.core.ids import VolumeId
from libs.core.secret import Secret
from libs.nvmeof.blockdev import erase_unfinished
from libs.nvmeof.errors import DeviceInUse
from libs.nvmeof.model import LinkState
from services.node.plan.stage import usable_device
from services.node.plan.undo import check_place, check_publication, check_unpublished
from services.node.volume import Publication, Record, Use
from services.node.workflow.converge import Convergence
from services.node.workflow.desk import Desk
from services.node.workflow.formatting import mark_formatted, mark_of
from services.node.workflow.guard import Guard
from services.node.workflow.places import find_nodes, prepare, remove
from services.node.workflow.release import release_device
from services.node.workflow.revoked import drop_revoked, ensure_ours, was_revoked

log = structlog.get_logger(__name__)

_ERASE_SECONDS = 30.0

_NOT_FINAL = (Unreachable, OutcomeUnknown, Busy, Exhausted)
"""After these the kubelet goes on: it asks again, or for everything to be undone."""


class Volumes:
    """The volumes of this node. Its calls for one volume must not overlap."""

    def __init__(self, desk: Desk, guard: Guard) -> None:
        self._desk = desk
        self._guard = guard

    async def stage(self, use: Use, secret: Secret | None) -> None:
        """Connect a volume, and mount it at its staging path unless it is a raw block device.

        Raises:
            Conflict: it is staged otherwise already.
            InUse: another volume is there, or something uses what another attachment left.
            Unreachable: it is not known to be this node's now.
            RdsCsiError: it cannot be staged now, or not at all.
        """
        self._check_place(use.volume, use.staging)
        held = await ensure_ours(self._desk, use.volume)
        known = await self._still_true(use)
        if known and (known.publications or use.is_block):
            # A raw block device may be connected only because an earlier stage came to no end.
            began_bare = not known.publications
        else:
            # Without a record there may be something, too: another plugin's, or of a lost record.
            began_bare = not await self._is_there(use)
        if secret is not None:
            self._desk.secrets[use.volume] = secret
        record = replace(
            known or Record(use),
            use=use,
            boot=self._desk.boot,
            attachment=held,
        )
        await self._desk.records.put(record)
        try:
            await self._guard.run(use.volume, lambda: Convergence(self._desk, record).run())
        except Exception as error:
            if began_bare and not isinstance(error, _NOT_FINAL):
                await self._take_back(use, error)
            raise

    def _check_place(self, volume: VolumeId, path: str, *, publishes: bool = False) -> None:
        desk = self._desk
        check_place(desk.records.all(), desk.boot, volume, path, publishes=publishes)

    async def _still_true(self, use: Use) -> Record | None:
        """Return what is known of a volume, as far as it still counts."""
        desk, known = self._desk, self._desk.records.get(use.volume)
        if known is None:
            return None
        if known.boot != desk.boot:
            return Record(known.use, known.begun)
        if known.use.agrees_with(use):
            return known
        if known.publications or await self._is_there(known.use):
            raise Conflict(
                f"volume {use.volume} is staged at {known.use.staging} already, in another way"
            )
        if known.use.nqn != use.nqn:
            await release_device(desk, use.volume, known)
        return Record(use, known.begun)

    async def _take_back(self, use: Use, error: Exception) -> None:
        """Undo a stage that failed for good: the kubelet asks for no NodeUnstage after that.

        Raises:
            Unreachable: it cannot be undone yet, so the answer must not be final.
        """
        try:
            await self._undo(use.volume, use.staging)
        except RdsCsiError as problem:
            why = error.message if isinstance(error, RdsCsiError) else "an internal error"
            raise Unreachable(
                f"{why}; and what was done for it cannot be undone yet: {problem.message}",
                detail=problem.detail,
            ) from error

    async def publish(
        self,
        volume: VolumeId,
        wanted: Publication,
        asked: Use,
        adoptable: Use | None = None,
    ) -> None:
        """Show a staged volume at another path.

        Args:
            volume: which one.
            wanted: where, and whether it may be written to.
            asked: how the request says that it is staged.
            adoptable: how it was staged, if another plugin did that: the one that was here before.

        Raises:
            Conflict: it is published there otherwise already.
            InUse: it is not staged, or may be published at one path only, and is at another.
            Unreachable: it is not known to be this node's now.
            RdsCsiError: it cannot be published now.
        """
        self._check_place(volume, wanted.path, publishes=True)
        record = self._current(volume)
        if record is None and adoptable is not None and await self._is_there(adoptable):
            # No pod may have to go because the plugin was exchanged for this one.
            await self.stage(adoptable, None)
        elif record is not None:
            # A kubelet that has it staged does not stage it again, whatever has happened since.
            await ensure_ours(self._desk, volume)
        record = self._current(volume)
        alive = await self._alive(record) if record else frozenset()
        record = check_publication(record, volume, wanted, asked, alive)
        fresh = record.at(wanted.path) is None
        if (await self._desk.mounter.read_table()).at(wanted.path) is None:
            await asyncio.to_thread(prepare, Path(wanted.path), record.use)
        else:
            fresh = False  # a pod may have what is mounted there, whatever the record says
        record = record.with_publication(wanted)
        await self._desk.records.put(record)
        try:
            await self._guard.watch(
                volume, lambda: Convergence(self._desk, record, grown=True).run()
            )
        except Exception as error:
            if fresh and not isinstance(error, _NOT_FINAL):
                await self._take_back_publication(volume, wanted.path, error)
            raise

    async def _take_back_publication(self, volume: VolumeId, path: str, error: Exception) -> None:
        """Undo a publication that failed for good: nobody will take back what nobody was given."""
        try:
            await self.unpublish(volume, path)
        except RdsCsiError as problem:
            raise Unreachable(
                f"the volume cannot be published, and not taken back yet: {problem.message}",
                detail=problem.detail,
            ) from error

    def _current(self, volume: VolumeId) -> Record | None:
        """Return the record of a volume that was staged since the host was booted."""
        record = self._desk.records.get(volume)
        return record if record is not None and record.boot == self._desk.boot else None

    async def _alive(self, record: Record) -> frozenset[str]:
        """Return the publications of which there still is something."""
        table = await self._desk.mounter.read_table()
        nodes = await asyncio.to_thread(find_nodes, record) if record.use.is_block else set()
        return frozenset(nodes | {path for path in record.paths[1:] if table.at(path)})

    async def unpublish(self, volume: VolumeId, target: str) -> None:
        """Undo a publication, whatever there is of it.

        Raises:
            InUse: something uses it, or there is something else.
            RdsCsiError: it cannot be undone now.
        """
        self._check_place(volume, target, publishes=True)
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
        await asyncio.to_thread(remove, Path(target))
        if record is not None and record.at(target):
            await desk.records.put(record.without(target))

    async def unstage(self, volume: VolumeId, staging: str) -> None:
        """Unmount a volume and disconnect it; both have happened when this returns.

        Raises:
            InUse: it is still published, or something uses it.
            RdsCsiError: it cannot be undone now.
        """
        await self._undo(volume, staging)
        self._desk.secrets.pop(volume, None)
        self._guard.forget(volume)

    async def _undo(self, volume: VolumeId, staging: str) -> None:
        self._check_place(volume, staging)
        desk = self._desk
        record = desk.records.get(volume)
        table = await desk.mounter.read_table()
        if record is not None:
            mounted = record.use.is_block or table.at(record.use.staging) is not None
            check_unpublished(record, staging, await self._alive(record), mounted=mounted)
            if record.boot == desk.boot and await was_revoked(desk, record):
                await drop_revoked(desk, record)
        if (await desk.mounter.read_table()).at(staging) is not None:
            await self._unmount(volume, staging)
            if record is not None and record.begun:
                await mark_formatted(desk, record, mark_of(record.use, record.begun))
        elif record is not None and record.begun and not await self._is_erased(record):
            # Only the record says whose the half-made filesystem is. It waits for the next stage.
            await release_device(desk, volume, record)
            await desk.records.put(Record(record.use, record.begun))
            return
        await release_device(desk, volume, record)
        await desk.records.drop(volume)

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

    async def _is_erased(self, record: Record) -> bool:
        """Erase what a killed mkfs left, if it did; return whether nothing can be left of it."""
        connection = await self._desk.fabrics.find(record.use.nqn)
        device, begun = usable_device(connection), record.begun
        if device is None or begun is None:
            return False
        if connection is None or connection.state is not LinkState.LIVE:
            return False
        with contextlib.suppress(DeviceInUse):  # it was finished, or never begun
            await self._desk.offload.run(
                record.use.nqn.text, lambda: erase_unfinished(device, begun), limit=_ERASE_SECONDS
            )
        return True

    async def _is_there(self, use: Use) -> bool:
        """Whether a volume is mounted at its staging path; a raw block device, connected."""
        if use.is_block:
            return await self._desk.fabrics.find(use.nqn) is not None
        return (await self._desk.mounter.read_table()).at(use.staging) is not None

    def known(self, volume: VolumeId, path: str) -> Record:
        """Return the record of a volume that is staged or published at a path.

        Raises:
            NotFound: it is not.
        """
        record = self._current(volume)
        if record is None or (path != record.use.staging and record.at(path) is None):
            raise NotFound(f"volume {volume} is not on this node at {path}")
        return record
