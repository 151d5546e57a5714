"""Observe, plan one step, apply it, observe again, until nothing is left to do."""

import time
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import structlog

from libs.core.errors import RdsCsiError, Refused
from libs.nvmeof import filesystems
from libs.nvmeof.blockdev import erase_unfinished, is_claimed
from libs.nvmeof.errors import DeviceInUse, NoDevice, NotCertainlyEmpty
from libs.nvmeof.model import BlockDevice
from libs.nvmeof.mounter import make_node
from libs.nvmeof.mountopts import merge_options
from services.node.plan import stage as steps
from services.node.plan.stage import Seen, next_step, usable_device
from services.node.volume import Record
from services.node.workflow.desk import Desk
from services.node.workflow.observe import look, observe
from services.node.workflow.release import find_needs

log = structlog.get_logger(__name__)

_MOST_STEPS = 24
"""More steps than any volume needs, but for one with very many publications."""

_ERASE_SECONDS = 30.0


class Convergence:
    """One run towards a record; what has been done in it, and need not be done again."""

    def __init__(self, desk: Desk, record: Record, *, grown: bool = False) -> None:
        self._desk = desk
        self._record = record
        self._done = Seen(connection=None, grown=grown)

    async def run(self) -> BlockDevice:
        """Bring a volume in order, and return its device.

        Raises:
            RdsCsiError: that cannot be done now, or not at all.
        """
        for _ in range(_MOST_STEPS + 2 * len(self._record.publications)):
            seen = await self._observe()
            step = next_step(self._record, seen)
            device = usable_device(seen.connection)
            if step is None and device is not None:
                await self._settle_formatting(device)
                return device
            log.debug("step", volume=self._record.volume.text, step=type(step).__name__)
            await self._apply(step, device)
        raise Refused("the volume does not come in order: what is done for it is undone elsewhere")

    async def _observe(self) -> Seen:
        seen = await observe(self._desk, self._record)
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
                await desk.fabrics.rescan(use.nqn)
                self._done = replace(self._done, rescanned=True)
            case steps.Look():
                found, claimed = await look(desk, self._record, device)
                self._done = replace(self._done, probe=found, claimed=claimed)
            case steps.Erase(uuid):
                await desk.offload.run(
                    use.nqn.text, lambda: erase_unfinished(device, uuid), limit=_ERASE_SECONDS
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
                await filesystems.grow(device, use.fs_type, use.staging)
                self._done = replace(self._done, grown=True)
            case steps.MakeNode(publication):
                path = Path(publication.path)
                await desk.offload.run(
                    str(path), lambda: make_node(path, device.number), limit=_ERASE_SECONDS
                )

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

    async def _mount(self, operation: str, mounting: object) -> None:
        ok = False
        try:
            await mounting  # type: ignore[misc] # a coroutine of the mounter
            ok = True
        finally:
            self._desk.counts.mounted(operation, ok=ok)

    async def _clear(self, step: steps.Clear) -> None:
        """Unmount what is stale; what is used stays, whatever it is worth."""
        desk = self._desk
        log.warning("stale mount", volume=self._record.volume.text, at=step.paths, why=step.reason)
        users = await desk.offload.run(
            step.mount.point, lambda: desk.find_users(step.mount, step.paths), limit=_ERASE_SECONDS
        )
        if users:
            raise DeviceInUse(
                f"{step.reason}; it is in use and is left as it is: {'; '.join(users[:5])}. It "
                "comes in order when the pods that use it are restarted"
            )
        for path in step.paths:
            await desk.mounter.unmount(path)
        await self._check_let_go(step)

    async def _check_let_go(self, step: steps.Clear) -> None:
        """Two devices with one filesystem must never be mounted at once."""
        old = BlockDevice(step.mount.source, step.mount.device, 0)
        if not old.number[0]:
            return
        try:
            held = await self._desk.offload.run(
                old.path, lambda: is_claimed(old), limit=_ERASE_SECONDS
            )
        except NoDevice:
            return  # the name has gone with the device
        if held:
            raise DeviceInUse(f"{step.reason}; something on this node still holds {old.path}")

    # Formatting: once in a volume's life

    async def _format(self, device: BlockDevice) -> None:
        use, desk = self._record.use, self._desk
        await self._check_never_formatted()
        await self._check_unused(device)
        uuid = uuid4()
        self._record = replace(self._record, begun=uuid)
        await desk.records.put(self._record)
        log.info("formatting", volume=use.volume.text, fs_type=use.fs_type, device=device.path)
        await filesystems.make(device, use.fs_type, uuid, use.mkfs_options)
        self._done = replace(self._done, probe=None, checked=True)

    async def _check_never_formatted(self) -> None:
        volume = self._record.volume
        marks = await self._desk.cluster.read_marks(volume)
        formatted = marks.formatted if marks else ""
        formatted = formatted or await self._desk.records.was_formatted(volume)
        if formatted:
            raise NotCertainlyEmpty(
                f"the device is empty, but the volume was formatted before ({formatted}): its data "
                "is missing. It is not formatted again while its mark is there"
            )

    async def _check_unused(self, device: BlockDevice) -> None:
        """A mkfs whose plugin was killed may still run, and that of Btrfs holds no device."""
        needs = await find_needs(self._desk, device)
        if needs:
            raise DeviceInUse(
                f"no filesystem is made on {device.path} while it is in use: {'; '.join(needs[:5])}"
            )

    async def _settle_formatting(self, device: BlockDevice) -> None:
        """Keep with the volume that it was formatted, now that its filesystem has been mounted."""
        record, desk = self._record, self._desk
        if record.begun is None or record.use.is_block:
            return
        text = f"{record.use.fs_type} {record.begun}"
        try:
            await desk.records.mark_formatted(record.volume, text)
            if await desk.cluster.read_marks(record.volume) is not None:
                await desk.cluster.mark_formatted(record.volume, text)
        except RdsCsiError as error:
            log.warning("not marked as formatted yet", volume=record.volume.text, why=str(error))
            return
        log.debug("marked as formatted", volume=record.volume.text, device=device.path)
        self._record = replace(record, begun=None)
        await desk.records.put(self._record)
