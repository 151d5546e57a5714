"""Observe, plan one step, apply it, observe again, until nothing is left to do."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import structlog

from libs.core.errors import RdsCsiError, Refused
from libs.nvmeof import filesystems
from libs.nvmeof.blockdev import Hold, erase_unfinished, is_claimed, set_read_only
from libs.nvmeof.errors import DeviceInUse, NoDevice
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.mounter import make_node, node_number
from libs.nvmeof.mountopts import merge_options
from services.node.plan import stage as steps
from services.node.plan.stage import Seen, next_step, usable_device
from services.node.volume import Publication, Record
from services.node.workflow.desk import Desk
from services.node.workflow.formatting import (
    check_never_formatted,
    mark_formatted,
    mark_of,
    wait_until_unused,
)
from services.node.workflow.observe import look, observe
from services.node.workflow.sizes import wait_for_size

log = structlog.get_logger(__name__)

_MOST_STEPS = 24
"""More steps than any volume needs, but for one with very many publications."""

_HOST_SECONDS = 30.0
"""How long this host may take for one thing that it does, or says, about a device."""

_CLOSE_SECONDS = 5.0
"""How long a device that is closed is waited for: there may be no way for what is unwritten."""

_RESCAN_SECONDS = 5.0
"""How long a device may take to show the size that the controller published."""


Permit = Callable[[], Awaitable[None]]
"""Raises where the volume may not be touched."""

_TOUCHING = (steps.Connect, steps.Erase, steps.Format, steps.Check, steps.MountStaging)
"""Steps that reach the device in ways which another node's use of it would not survive."""


class Convergence:
    """One run towards a record; what has been done in it, and need not be done again.

    Args:
        desk: the outside.
        record: what is wanted.
        grown: whether the filesystem need not be made larger.
        permit: asked before each step that reaches the device; for what nobody asked for.
    """

    def __init__(
        self, desk: Desk, record: Record, *, grown: bool = False, permit: Permit | None = None
    ) -> None:
        self._desk = desk
        self._record = record
        self._permit = permit
        self._done = Seen(connection=None, grown=grown)
        self._hold: Hold | None = None

    async def run(self) -> BlockDevice:
        """Bring a volume in order, and return its device.

        Raises:
            RdsCsiError: that cannot be done now, or not at all.
        """
        try:
            return await self._run()
        finally:
            await self._let_go()

    async def _run(self) -> BlockDevice:
        for _ in range(_MOST_STEPS + 2 * len(self._record.publications)):
            seen = await self._observe()
            step = next_step(self._record, seen)
            device = usable_device(seen.connection)
            if step is None and device is not None:
                await self._settle_formatting()
                return device
            log.debug("step", volume=self._record.volume.text, step=type(step).__name__)
            if self._permit is not None and isinstance(step, _TOUCHING):
                await self._permit()
            await self._apply(step, device)
        raise Refused("the volume does not come in order: what is done for it is undone elsewhere")

    async def _observe(self) -> Seen:
        seen = await observe(self._desk, self._record)
        if self._hold is not None and usable_device(seen.connection) != self._hold.device:
            # What was found out is of another device, or of one that has another size by now.
            await self._let_go()
            self._done = replace(self._done, probe=None, claimed=False, checked=False)
        done = self._done
        return replace(
            seen,
            probe=done.probe,
            claimed=done.claimed,
            rescanned=done.rescanned,
            checked=done.checked,
            grown=done.grown,
        )

    async def _apply(self, step: steps.Step | None, device: BlockDevice | None) -> None:
        use, desk = self._record.use, self._desk
        match step:
            case steps.Connect():
                await self._connect()
            case steps.Clear():
                await self._clear(step)
            case steps.Bind(publication):
                await self._mount(
                    "bind",
                    desk.mounter.bind(
                        use.staging,
                        publication.path,
                        read_only=publication.read_only or use.is_read_only,
                    ),
                )
            case _ if device is None:
                raise NoDevice("the device is not there any more")
            case _:
                await self._apply_to(step, device)

    async def _apply_to(self, step: steps.Step | None, device: BlockDevice) -> None:
        use, desk = self._record.use, self._desk
        match step:
            case steps.Rescan():
                await wait_for_size(desk, use.nqn, use.size or 0, _RESCAN_SECONDS)
                self._done = replace(self._done, rescanned=True)
            case steps.Look():
                await self._look(device)
            case steps.Erase(uuid):
                await desk.offload.run(
                    use.nqn.text, lambda: erase_unfinished(device, uuid), limit=_HOST_SECONDS
                )
                self._done = replace(self._done, probe=None)
            case steps.Format():
                await self._format(device)
            case steps.Check():
                result = await filesystems.check(device, use.fs_type, desk.check_seconds)
                log.info("filesystem checked", volume=use.volume.text, result=result.value)
                self._done = replace(self._done, checked=True, probe=None)
            case steps.MountStaging():
                await self._mount_staging(device)
            case steps.Grow():
                await self._grow(device)
            case steps.MakeNode(publication):
                await self._make_node(publication, device)

    async def _look(self, device: BlockDevice) -> None:
        """Find out what is on the device, and be certain that it was this volume's meanwhile."""
        desk, nqn = self._desk, self._record.use.nqn
        await self._let_go()
        self._hold = Hold(device)
        await desk.offload.run(nqn.text, self._hold.take, limit=_HOST_SECONDS)
        found, claimed = await look(desk, self._record, device)
        connection = await desk.fabrics.find(nqn)
        if connection is None or usable_device(connection) != device:
            raise NoDevice("the volume's device changed while it was looked at")
        found = replace(found, nqn=connection.nqn)
        self._done = replace(self._done, probe=found, claimed=claimed)

    async def _let_go(self) -> None:
        hold, self._hold = self._hold, None
        if hold is not None:
            nqn = self._record.use.nqn.text
            await self._desk.offload.end(nqn, hold.release, limit=_CLOSE_SECONDS)

    async def _grow(self, device: BlockDevice) -> None:
        """Make the filesystem larger; a volume that stays smaller is still one that can be used."""
        use = self._record.use
        try:
            await filesystems.grow(device, use.fs_type, use.staging)
        except RdsCsiError as error:
            log.warning("not grown", volume=use.volume.text, why=error.message, detail=error.detail)
        self._done = replace(self._done, grown=True)

    async def _make_node(self, publication: Publication, device: BlockDevice) -> None:
        path, read_only = Path(publication.path), self._record.use.is_read_only
        mode = 0o440 if publication.read_only or read_only else 0o660

        def make() -> None:
            set_read_only(device, read_only=read_only)
            make_node(path, device.number, mode)

        await self._desk.offload.run(publication.path, make, limit=_HOST_SECONDS)

    async def _connect(self) -> None:
        use, desk = self._record.use, self._desk
        secret = desk.secrets.get(use.volume)
        if use.authenticated and secret is None:
            raise NoDevice(
                "the volume wants authentication, and its secret is not kept over restarts of "
                "the plugin: NodeStageVolume brings it"
            )
        started, ok = time.monotonic(), False
        try:
            await desk.fabrics.ensure_connected(replace(use.target, secret=secret))
            ok = True
        finally:
            desk.counts.connected(time.monotonic() - started, ok=ok)
        self._done = replace(self._done, probe=None)

    async def _mount_staging(self, device: BlockDevice) -> None:
        use = self._record.use
        options = merge_options(
            use.fs_type, use.options, read_only=use.is_read_only, untouched=use.is_shared
        )
        mounting = self._desk.mounter.mount(device, use.staging, use.fs_type, options)
        await self._mount("mount", mounting)

    async def _mount(self, operation: str, mounting: Awaitable[object]) -> None:
        ok = False
        try:
            await mounting
            ok = True
        finally:
            self._desk.counts.mounted(operation, ok=ok)

    async def _clear(self, step: steps.Clear) -> None:
        """Unmount what is stale; what is used stays, whatever it is worth."""
        desk = self._desk
        log.warning("stale mount", volume=self._record.volume.text, at=step.paths, why=step.reason)
        users = await desk.offload.run(
            step.mount.point, lambda: desk.find_users(step.mount, step.paths), limit=_HOST_SECONDS
        )
        if users:
            raise DeviceInUse(
                f"{step.reason}; it is in use and is left as it is: {'; '.join(users[:5])}. It "
                "comes in order when the pods that use it are restarted"
            )
        for path in step.paths:
            await desk.mounter.unmount(path)
            if self._record.at(path):
                # A container that starts meanwhile must not take the bare directory for the volume.
                await desk.mounter.place_nothing(path)
        await self._check_let_go(step)

    async def _check_let_go(self, step: steps.Clear) -> None:
        """Two devices with one filesystem must never be mounted at once."""
        path = Path(step.mount.source)
        number = step.mount.device
        if not number[0]:  # Btrfs makes one up
            found = await asyncio.to_thread(node_number, path)
            number = number if found is None else found
        old = BlockDevice(str(path), number, 0)
        try:
            held = await self._desk.offload.run(
                old.path, lambda: is_claimed(old), limit=_HOST_SECONDS
            )
        except NoDevice:
            return  # the name has gone with the device
        if held:
            raise DeviceInUse(f"{step.reason}; something on this node still holds {old.path}")

    async def _format(self, device: BlockDevice) -> None:
        """Make the filesystem, with its UUID in the record before the first byte is written."""
        use, desk = self._record.use, self._desk
        await check_never_formatted(desk, use.volume)
        await wait_until_unused(desk, device)
        found, claimed = await look(desk, self._record, device)
        if claimed or self._done.probe != replace(found, nqn=use.nqn.text):
            # What used it meanwhile, such as the mkfs of a plugin that was killed, has changed it.
            self._done = replace(self._done, probe=None)
            return
        uuid = uuid4()
        self._record = replace(self._record, begun=uuid)
        await desk.records.put(self._record)
        log.info("formatting", volume=use.volume.text, fs_type=use.fs_type, device=device.path)
        await filesystems.make(device, use.fs_type, uuid, use.mkfs_options)
        self._done = replace(self._done, probe=None, checked=True)

    async def _settle_formatting(self) -> None:
        """Keep with the volume that it is in use now, and must never be formatted again."""
        record = self._record
        if record.is_marked or (record.use.is_read_only and not record.use.is_block):
            return  # a filesystem that is only read is known by what is on the device
        found = self._done.probe.superblock if self._done.probe else None
        uuid = record.begun or (found.uuid if found else None)
        if await mark_formatted(self._desk, record, mark_of(record.use, uuid)):
            begun = record.begun if record.use.is_block else None  # a bare device proves nothing
            self._record = replace(record, begun=begun, is_marked=True)
            await self._desk.records.put(self._record)
