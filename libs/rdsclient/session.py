"""One connection's release, and one question at a time: what every verb of the client needs."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import TypeVar

import structlog

from libs.core.errors import OutcomeUnknown, RdsCsiError, Unsupported
from libs.core.spans import span
from libs.rdsclient import commands, facts
from libs.rdsclient.commands import Command
from libs.rdsclient.errors import ConnectionLost, GarbledReply, ReadFailed
from libs.rdsclient.execs import Reply
from libs.rdsclient.model import Features, Release, SystemInfo
from libs.rdsclient.observer import result_of
from libs.rdsclient.state import LinkState, LinkStatus
from libs.rdsclient.transport import SshTransport

log = structlog.get_logger(__name__)

T = TypeVar("T")

OLDEST_RELEASE = Release(7, 17)
"""The first release with disks that are files (console schema), for messages."""

_ASK_AGAIN = 1.0
"""Seconds between two tries to learn the release of a connection."""

_LARGE = 65_536
"""Characters of an answer above which reading it would hold the event loop noticeably."""


class Session:
    """Asks a device, and knows what its release can do."""

    def __init__(self, transport: SshTransport) -> None:
        self._transport = transport
        self._observer = transport.observer
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
        with self._observed("read_system"):
            reply = await self._send(commands.read_system())
            system = facts.parse_system(reply.text)
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

    async def ask(self, verb: str, command: Command, parse: Callable[[str], T]) -> T:
        """Send a command, and return what `parse` makes of the answer.

        Args:
            verb: what the command is for, as observers are told it: one of a few names.
            command: what is sent.
            parse: makes a value of the text of an answer.
        """
        with span("device command", {"verb": verb}) as own, self._observed(verb):
            try:
                return await self._ask(command, parse)
            except RdsCsiError as error:
                own.fail(error.message)
                raise

    @contextlib.contextmanager
    def _observed(self, verb: str) -> Iterator[None]:
        """Tell the observer how what the block does ended, and how long it took."""
        clock = asyncio.get_running_loop().time
        begun, failure = clock(), None
        try:
            yield
        except BaseException as error:
            failure = error
            raise
        finally:
            self._observer.command_ended(verb, result_of(failure), clock() - begun)

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
