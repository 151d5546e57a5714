"""The device's verbs: each a line out, an answer in, and one round trip."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import TypeVar

import structlog

from libs.core.errors import OutcomeUnknown, RdsCsiError, Unsupported
from libs.core.ids import DevicePath, Slot
from libs.rdsclient import commands, replies
from libs.rdsclient.commands import Command
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.errors import CommandRefused, ConnectionLost, ReadFailed
from libs.rdsclient.execs import Reply
from libs.rdsclient.model import (
    DiskSpec,
    FileDisk,
    Pool,
    Release,
    SlotState,
    SystemInfo,
)
from libs.rdsclient.transport import LinkState, SshTransport, open_transport

log = structlog.get_logger(__name__)

T = TypeVar("T")

OLDEST_RELEASE = Release(7, 21)
"""The first release with `nvme-tcp-server-nqn` (console schema); before it, the NQN is the slot."""


class RdsClient:
    """A RouterOS device. `open_rds` is the way in.

    Every method raises Unreachable when nothing was sent, OutcomeUnknown when a change may have
    happened, and otherwise the error that the device's text stands for (`errors`).
    """

    def __init__(self, transport: SshTransport) -> None:
        self._transport = transport
        self._asking = asyncio.Lock()
        self._system: SystemInfo | None = None
        self._system_epoch = -1

    @property
    def is_ready(self) -> bool:
        """Whether there is a connection at this moment, to a release that is supported."""
        return self._transport.state is LinkState.UP and self._is_known

    @property
    def round_trips(self) -> int:
        """How many execs have been sent since the client was opened."""
        return self._transport.round_trips

    async def read_system(self) -> SystemInfo:
        """Read release and board; asked once per connection, since a device may be upgraded.

        Raises:
            Unsupported: the release is older than this driver can work with.
        """
        async with self._asking:
            if self._system is None or not self._is_known:
                reply = await self._send(commands.read_system())
                system = replies.parse_system(reply.text)
                if system.release < OLDEST_RELEASE:
                    raise Unsupported(
                        f"the device runs RouterOS {system.version}; this driver needs "
                        f"{OLDEST_RELEASE} or newer"
                    )
                self._system, self._system_epoch = system, reply.epoch
                log.info("device release", version=system.version, board=system.board)
            return self._system

    @property
    def _is_known(self) -> bool:
        return self._system_epoch == self._transport.epoch

    async def keep_informed(self) -> None:
        """Ask every new connection for its release, for ever. `open_rds` runs it."""
        epoch = -1
        while True:
            epoch = await self._transport.wait_for_connection(after=epoch)
            try:
                await self.read_system()
            except Unsupported as error:
                log.error("device unsupported", reason=error.message)  # noqa: TRY400 (no bug)
            except RdsCsiError as error:
                log.warning("device release unknown", reason=error.message, detail=error.detail)

    async def list_disks(self, prefixes: tuple[str, ...]) -> tuple[FileDisk, ...]:
        """List the file disks whose slot begins with one of the prefixes."""
        command = commands.list_disks(prefixes)
        return await self._run(command, lambda text: replies.parse_disks(text, command))

    async def read_slot(self, slot: Slot, pool: str) -> SlotState:
        """Read all about one slot, and the pool."""
        return await self._slot_command(commands.read_slot(slot, pool), slot)

    async def read_pool(self, mount_point: str) -> Pool | None:
        """Read one pool; None when it is not mounted."""
        command = commands.read_pool(mount_point)
        return await self._run(command, lambda text: replies.parse_pool(text, command))

    async def ensure_disk(self, spec: DiskSpec) -> SlotState:
        """Create the disk where the slot is free and there is room; return what is there now."""
        return await self._slot_command(commands.create_disk(spec), spec.slot)

    async def ensure_size(self, slot: Slot, size: int, pool: str) -> SlotState:
        """Grow the disk to at least `size` bytes; return what is there now."""
        return await self._slot_command(commands.grow_disk(slot, size, pool), slot)

    async def ensure_absent(self, slot: Slot, path: DevicePath) -> SlotState:
        """Remove export, item and file if they are at `path`; return what is there now."""
        return await self._slot_command(commands.remove_disk(slot, path), slot)

    async def _slot_command(self, command: Command, slot: Slot) -> SlotState:
        return await self._run(command, lambda text: replies.parse_slot(text, command, slot))

    async def _run(self, command: Command, parse: Callable[[str], T]) -> T:
        if not self._is_known:
            await self.read_system()
        return await self._ask(command, parse)

    async def _ask(self, command: Command, parse: Callable[[str], T]) -> T:
        try:
            reply = await self._send(command)
            log.debug("device command", line=command.line, status=reply.status, answer=reply.text)
            value = parse(reply.text)
        except OutcomeUnknown as error:
            if command.changes:
                raise
            raise ReadFailed(error.message, detail=error.detail) from error
        except RdsCsiError as error:
            log.info("device refused", line=command.line, error=str(error), detail=error.detail)
            raise
        if reply.status:
            raise CommandRefused(
                "the device reported a failure without saying which",
                detail=f"status {reply.status}: {reply.text!r}",
            )
        return value

    async def _send(self, command: Command) -> Reply:
        try:
            return await self._transport.run(command.line)
        except ConnectionLost:
            if command.changes:
                raise
            return await self._transport.run(command.line)  # a question can be asked again


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
