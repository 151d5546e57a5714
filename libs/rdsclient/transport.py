"""Command lines over one connection: in order, few at a time, together where many wait."""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog

from libs.core.errors import RdsCsiError
from libs.rdsclient.batch import join_commands, split_answers
from libs.rdsclient.commands import Command
from libs.rdsclient.config import RdsConfig
from libs.rdsclient.errors import CommandTimeout, ConnectionLost, QueueTimeout
from libs.rdsclient.execs import DiedUnsent, Reply
from libs.rdsclient.link import Link
from libs.rdsclient.observer import NoObserver, Observer
from libs.rdsclient.state import LinkState

log = structlog.get_logger(__name__)

_CLOSE_LIMIT = 2.0


@dataclass(eq=False)
class _Waiting:
    """A command and everybody who waits for its answer."""

    command: Command
    answer: "asyncio.Future[Reply]"
    since: float
    callers: int = 0
    sent: bool = False
    alone: bool = False
    exec: "_Exec | None" = None


@dataclass(eq=False)
class _Exec:
    """One exec under way, with the commands in it."""

    items: list[_Waiting]
    task: "asyncio.Task[None] | None" = field(default=None)

    def is_abandoned(self) -> bool:
        return not any(item.callers for item in self.items)


class SshTransport:
    """Runs command lines on the device. Made by `open_transport`, which owns its tasks.

    Attributes:
        link: the connection.
        observer: is told of what is sent.
        round_trips: counts the execs that were sent.
        commands: counts the commands that were sent in them.
    """

    def __init__(self, config: RdsConfig, observer: Observer | None = None) -> None:
        self.config = config
        self.observer = observer or NoObserver()
        self.link = Link(config, self._pump, self.observer)
        self.round_trips = 0
        self.commands = 0
        self._waiting: deque[_Waiting] = deque()
        self._questions: dict[str, _Waiting] = {}
        self._execs: set[_Exec] = set()
        self._pumping = False

    async def run(self, command: Command) -> Reply:
        """Send a command and return its answer, within `command_timeout` seconds.

        A question that is waiting to be sent is shared by all who ask it. A caller that is
        cancelled gives its answer up; where nobody waits any more the session is closed.

        Raises:
            Unreachable: nothing was sent: the device is away, or no session became free in time.
            OutcomeUnknown: it was sent, and no answer came.
        """
        item = self._enqueue(command)
        item.callers += 1
        try:
            async with asyncio.timeout(self.config.command_timeout):
                return await asyncio.shield(item.answer)
        except TimeoutError:
            raise self._timeout(item) from None
        finally:
            item.callers -= 1
            self._leave(item)

    def _enqueue(self, command: Command) -> _Waiting:
        if not command.changes and command.line in self._questions:
            return self._questions[command.line]
        loop = asyncio.get_running_loop()
        item = _Waiting(command, loop.create_future(), loop.time())
        # Whoever leaves early does not hear of it.
        item.answer.add_done_callback(lambda answer: answer.cancelled() or answer.exception())
        self._waiting.append(item)
        if not command.changes:
            self._questions[command.line] = item
        self._pump()
        return item

    def _timeout(self, item: _Waiting) -> RdsCsiError:
        limit = f"within {self.config.command_timeout:g} s"
        if item.sent:
            return CommandTimeout(f"the device at {self.config.address} did not answer {limit}")
        return QueueTimeout(
            f"no session to the device at {self.config.address} became free {limit}"
        )

    def _leave(self, item: _Waiting) -> None:
        if item.callers or item.answer.done():
            return
        if not item.sent:
            self._forget_question(item)
            self._waiting.remove(item)
            item.answer.cancel()
        elif item.exec is not None and item.exec.is_abandoned() and item.exec.task is not None:
            item.exec.task.cancel()

    def _forget_question(self, item: _Waiting) -> None:
        if self._questions.get(item.command.line) is item:
            del self._questions[item.command.line]

    # Sending

    def _pump(self) -> None:
        """Send what can be sent, once everybody who is ready has said what they want."""
        if not self._pumping:
            self._pumping = True
            asyncio.get_running_loop().call_soon(self._send_waiting)

    def _send_waiting(self) -> None:
        self._pumping = False
        if self.link.status.state is LinkState.AWAY:
            self._fail_waiting()
            return
        while self._waiting and self.link.is_usable:
            free = self.config.max_sessions - len(self._execs)
            if free <= 0:
                return
            self._start(self._next_batch(free))

    def _fail_waiting(self) -> None:
        problem = self.link.problem
        while self._waiting:
            item = self._waiting.popleft()
            self._forget_question(item)
            if not item.answer.done():
                item.answer.set_exception(type(problem)(problem.message, detail=problem.detail))

    def _next_batch(self, free: int) -> list[_Waiting]:
        if self._waiting[0].alone:
            count = 1
        else:
            together = [item.command for item in self._waiting if not item.alone]
            count = self.config.batch.count(together, free)
        batch: list[_Waiting] = []
        while len(batch) < count and self._waiting and not (batch and self._waiting[0].alone):
            batch.append(self._waiting.popleft())
        return batch

    def _start(self, items: list[_Waiting]) -> None:
        run, now = _Exec(items), asyncio.get_running_loop().time()
        for item in items:
            item.sent, item.exec = True, run
            self.observer.command_sent(now - item.since)
            self._forget_question(item)  # who asks now may want to know what happens from now on
        self._execs.add(run)
        self.round_trips += 1
        self.commands += len(items)
        self.observer.round_trip_begun()
        self.observer.channels_changed(len(self._execs))
        run.task = asyncio.create_task(self._run(run))
        # The session is free again when its channel is closed, not when its callers leave.
        run.task.add_done_callback(lambda _: self._ended(run))

    def _ended(self, run: _Exec) -> None:
        self._execs.discard(run)
        self.observer.channels_changed(len(self._execs))
        for item in run.items:
            if item.exec is run:
                _fail(item, ConnectionLost("the command was broken off"))
        self._pump()

    async def _run(self, run: _Exec) -> None:
        line = join_commands([item.command for item in run.items])
        try:
            reply = await self.link.run_line(line)
        except DiedUnsent:
            self._requeue(run.items)
            return
        except RdsCsiError as error:
            for item in run.items:
                _fail(item, type(error)(error.message, detail=error.detail))
            return
        answers = split_answers(reply.text, len(run.items))
        if answers is None:
            log.warning("the device did not take several commands at once", answer=reply.text)
            for item in run.items:
                item.alone = True
            self._requeue(run.items)
            return
        for item, text in zip(run.items, answers, strict=True):
            if not item.answer.done():
                item.answer.set_result(Reply(text, reply.status, reply.epoch))

    def _requeue(self, items: list[_Waiting]) -> None:
        """Put commands back that were certainly not run, before all others."""
        for item in reversed(items):
            if item.callers and not item.answer.done():
                item.sent, item.exec = False, None
                self._waiting.appendleft(item)

    async def aclose(self) -> None:
        """Close the connection; commands in hand end with OutcomeUnknown."""
        self.link.close()
        self._fail_waiting()
        tasks = {run.task for run in self._execs if run.task is not None}
        if tasks:
            await asyncio.wait(tasks, timeout=_CLOSE_LIMIT)


def _fail(item: _Waiting, error: RdsCsiError) -> None:
    if not item.answer.done():
        item.answer.set_exception(error)


@contextlib.asynccontextmanager
async def open_transport(
    config: RdsConfig, observer: Observer | None = None
) -> AsyncIterator[SshTransport]:
    """Own the connection to a device: start connecting, and close it at the end.

    A device that is away is not an error here; commands say so until it is back.
    """
    transport = SshTransport(config, observer)
    keeper = asyncio.create_task(transport.link.keep_connected())
    try:
        yield transport
    finally:
        keeper.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await keeper
        await transport.aclose()
