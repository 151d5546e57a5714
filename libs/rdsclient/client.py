"""The device's verbs: each a line out, an answer in, and one round trip."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from functools import partial
from typing import TypeVar

import structlog

from libs.core.errors import OutcomeUnknown, RdsCsiError, Unsupported
from libs.core.ids import DevicePath, Slot
from libs.core.secret import Secret
from libs.rdsclient import commands, replies, subvolumes
from libs.rdsclient.commands import Command
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.errors import ConnectionLost, GarbledReply, ReadFailed
from libs.rdsclient.execs import Reply
from libs.rdsclient.link import LinkState, LinkStatus
from libs.rdsclient.model import (
    BackingFile,
    DiskSpec,
    Features,
    FileDisk,
    Pool,
    Release,
    SlotState,
    Subvolume,
    SystemInfo,
    Traffic,
)
from libs.rdsclient.transport import SshTransport, open_transport

log = structlog.get_logger(__name__)

T = TypeVar("T")

OLDEST_RELEASE = Release(7, 17)
"""The first release with disks that are files (console schema), for messages."""

_ASK_AGAIN = 1.0
"""Seconds between two tries to learn the release of a connection."""

_LARGE = 65_536
"""Characters of an answer above which reading it would hold the event loop noticeably."""


class RdsClient:
    """A RouterOS device. `open_rds` is the way in.

    Every method raises Unreachable when nothing was changed, OutcomeUnknown when a change may have
    happened, and otherwise the error that the device's text stands for (`errors`). Methods that
    change something are safe to repeat, and return what is there afterwards.
    """

    def __init__(self, transport: SshTransport) -> None:
        self._transport = transport
        self._asking: asyncio.Task[SystemInfo] | None = None
        self._system: SystemInfo | None = None
        self._system_epoch = -1

    @property
    def is_ready(self) -> bool:
        """Whether there is a connection at this moment, to a release that is supported."""
        return self._transport.link.status.state is LinkState.UP and self._is_known

    @property
    def round_trips(self) -> int:
        """How many execs have been sent since the client was opened."""
        return self._transport.round_trips

    @property
    def commands(self) -> int:
        """How many commands have been sent in them."""
        return self._transport.commands

    def watch(self) -> AsyncIterator[LinkStatus]:
        """Yield the state of the connection now, and whenever it has changed."""
        return self._transport.link.watch()

    # The device itself

    async def read_system(self) -> SystemInfo:
        """Read release and board; asked once per connection, since a device may be upgraded.

        Raises:
            Unsupported: the release is older than this driver can work with.
        """
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_system())
            self._asking.add_done_callback(lambda task: task.cancelled() or task.exception())
        return await asyncio.shield(self._asking)

    async def _ask_system(self) -> SystemInfo:
        if self._system is not None and self._is_known:
            return self._system
        reply = await self._send(commands.read_system())
        system = replies.parse_system(reply.text)
        if not system.features.file_disks:
            raise Unsupported(
                f"the device runs RouterOS {system.version}; this driver needs {OLDEST_RELEASE} "
                "or newer"
            )
        self._system, self._system_epoch = system, reply.epoch
        log.info("device release", version=system.version, board=system.board)
        return system

    @property
    def _is_known(self) -> bool:
        return self._system_epoch == self._transport.link.status.epoch

    async def read_features(self) -> Features:
        """Return what the connected release can do, in the form of answers that is configured."""
        system = self._system
        if system is None or not self._is_known:
            system = await self.read_system()
        form = self._transport.config.reply_form
        features = system.features
        return features if form == "auto" else replace(features, json=form == "json")

    async def keep_informed(self) -> None:
        """Ask every new connection for its release, for ever. `open_rds` runs it."""
        epoch = -1
        while True:
            epoch = await self._transport.link.wait_for_connection(after=epoch)
            while not self._is_known and epoch == self._transport.link.status.epoch:
                try:
                    await self.read_system()
                except Unsupported as error:
                    log.error("device unsupported", reason=error.message)  # noqa: TRY400 (no bug)
                    break  # it takes an upgrade, and so another connection
                except RdsCsiError as error:
                    log.warning("release unknown", reason=error.message, detail=error.detail)
                    await asyncio.sleep(_ASK_AGAIN)

    async def read_identity(self) -> str:
        """Read the device's name."""
        command = commands.read_identity(await self.read_features())
        return await self._ask(command, partial(replies.parse_identity, command=command))

    async def read_traffic(self, slot: Slot) -> Traffic:
        """Read a disk's traffic at this moment."""
        return await self._ask(commands.read_traffic(slot), replies.parse_traffic)

    # Disks

    async def list_disks(self, prefixes: tuple[str, ...]) -> tuple[FileDisk, ...]:
        """List the file disks whose slot begins with one of the prefixes."""
        command = commands.list_disks(await self.read_features(), prefixes)
        return await self._ask(command, partial(replies.parse_disks, command=command))

    async def read_slot(self, slot: Slot, pool: str) -> SlotState:
        """Read all about one slot, and the pool."""
        features = await self.read_features()
        return await self._on(slot, pool, commands.read_slot(features, slot, pool))

    async def read_pool(self, mount_point: str) -> Pool | None:
        """Read one pool; None when it is not mounted."""
        command = commands.read_pool(await self.read_features(), mount_point)
        return await self._ask(command, partial(replies.parse_pool, command=command))

    async def ensure_disk(self, spec: DiskSpec) -> SlotState:
        """Create the disk where the slot is free and there is room."""
        features = await self.read_features()
        return await self._on(spec.slot, spec.path.pool, commands.create_disk(features, spec))

    async def ensure_size(self, slot: Slot, size: int, added: int, pool: str) -> SlotState:
        """Grow the disk to at least `size` bytes, where the pool has `added` bytes left."""
        features = await self.read_features()
        command = commands.grow_disk(features, slot, size, added, pool)
        return await self._on(slot, pool, command)

    async def ensure_export(self, slot: Slot, pool: str, *, exported: bool) -> SlotState:
        """Offer the disk over NVMe/TCP, or stop offering it."""
        features = await self.read_features()
        return await self._on(
            slot, pool, commands.set_export(features, slot, pool, exported=exported)
        )

    async def ensure_allowed_host(self, slot: Slot, pool: str, host: str) -> SlotState:
        """Let only one host NQN connect; an empty one lifts the restriction."""
        features = await self.read_features()
        return await self._on(slot, pool, commands.set_allowed_host(features, slot, pool, host))

    async def ensure_password(self, slot: Slot, pool: str, password: Secret) -> SlotState:
        """Let only hosts connect that know the secret; an empty one lifts the restriction."""
        features = await self.read_features()
        return await self._on(slot, pool, commands.set_password(features, slot, pool, password))

    async def ensure_absent(self, slot: Slot, path: DevicePath) -> SlotState:
        """Remove export, item and file if they are at `path`."""
        features = await self.read_features()
        return await self._on(slot, path.pool, commands.remove_disk(features, slot, path))

    # Files

    async def list_files(self, directory: DevicePath) -> tuple[BackingFile, ...]:
        """List every file below a directory."""
        return await self._files(commands.list_files(await self.read_features(), directory))

    async def ensure_copy(self, source: DevicePath, target: DevicePath) -> tuple[BackingFile, ...]:
        """Start copying a file to a name that is free; return both as they are now.

        Raises:
            Unsupported: the release has no `/file/copy`.
        """
        features = await self.read_features()
        if not features.file_copy:
            raise Unsupported("copying a file needs RouterOS 7.23 or newer on the device")
        return await self._files(commands.copy_file(features, source, target))

    async def ensure_file_absent(self, path: DevicePath) -> tuple[BackingFile, ...]:
        """Remove a file that no disk refers to; return it if it is still there."""
        return await self._files(commands.remove_file(await self.read_features(), path))

    # Btrfs

    async def list_subvolumes(self, label: str, directory: str) -> tuple[Subvolume, ...]:
        """List the subvolumes whose full name begins with a directory."""
        features = await self._subvolumes()
        return await self._tree(subvolumes.list_subvolumes(features, label, directory))

    async def ensure_subvolume(
        self, label: str, name: str, *, parent: str = "", frozen: bool = False
    ) -> tuple[Subvolume, ...]:
        """Make a subvolume, or a snapshot of `parent`, where there is none of that name."""
        features = await self._subvolumes()
        return await self._tree(
            subvolumes.add_subvolume(features, label, name, parent=parent, frozen=frozen)
        )

    async def ensure_subvolume_absent(self, label: str, name: str) -> tuple[Subvolume, ...]:
        """Remove a subvolume; return it if it is still there."""
        features = await self._subvolumes()
        return await self._tree(subvolumes.remove_subvolume(features, label, name))

    async def _subvolumes(self) -> Features:
        features = await self.read_features()
        if not features.subvolumes:
            raise Unsupported("Btrfs subvolumes need RouterOS 7.18 or newer on the device")
        return features

    # One question, one answer

    async def _on(self, slot: Slot, pool: str, command: Command) -> SlotState:
        parse = partial(replies.parse_slot, command=command, slot=slot, pool=pool)
        return await self._ask(command, parse)

    async def _files(self, command: Command) -> tuple[BackingFile, ...]:
        return await self._ask(command, partial(replies.parse_files, command=command))

    async def _tree(self, command: Command) -> tuple[Subvolume, ...]:
        return await self._ask(command, partial(replies.parse_subvolumes, command=command))

    async def _ask(self, command: Command, parse: Callable[[str], T]) -> T:
        try:
            reply = await self._send(command)
            log.debug("device command", line=command.shown, status=reply.status, answer=reply.text)
            if len(reply.text) > _LARGE:
                value = await asyncio.to_thread(parse, reply.text)
            else:
                value = parse(reply.text)
            if reply.status:
                raise GarbledReply(
                    "the device reported a failure without saying which",
                    detail=f"status {reply.status}: {reply.text!r}",
                )
        except OutcomeUnknown as error:
            if command.changes:
                raise
            raise ReadFailed(error.message, detail=error.detail) from error
        except RdsCsiError as error:
            log.info("device refused", line=command.shown, error=str(error), detail=error.detail)
            raise
        return value

    async def _send(self, command: Command) -> Reply:
        try:
            return await self._transport.run(command)
        except ConnectionLost:
            if command.changes:
                raise
            return await self._transport.run(command)  # a question can be asked again


@contextlib.asynccontextmanager
async def open_rds(config: RdsConfig) -> AsyncIterator[RdsClient]:
    """Own a client and its connection. A device that is away is not an error here."""
    async with open_transport(config) as transport:
        client = RdsClient(transport)
        informer = asyncio.create_task(client.keep_informed())
        try:
            yield client
        finally:
            informer.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await informer
