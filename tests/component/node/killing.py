"""A node plugin in a process of its own, killed at a chosen moment and started again."""

import asyncio
import contextlib
import hashlib
import multiprocessing
import os
import random
import signal
import stat
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum
from multiprocessing.process import BaseProcess
from pathlib import Path

from grpclib import GRPCError
from grpclib.exceptions import StreamTerminatedError

from services.node.app import run
from services.node.config import NodeSettings
from tests.component.node.children import Children, freeze, has_ended, name_of
from tests.component.node.process import flags, open_calls
from tests.component.node.rig import Calls, loops_below, mount_table

LOST = (OSError, StreamTerminatedError, GRPCError)
"""What a caller sees whose server dies."""
CONTENT = b"what must not be lost\n" * 10_000
SUM = hashlib.sha256(CONTENT).hexdigest()

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["services.node.app"])  # a start then costs no import


# When and how it is killed


class Ending(Enum):
    """What becomes of the tool that runs when the plugin is killed."""

    WITH_TOOL = "killed with its tool"
    ALONE = "killed alone"
    AFTER_TOOL = "killed after its tool"


Death = Callable[[Children, int, threading.Event], bool]
"""Kills a process, with the children that it has; returns whether it came to that."""


def at_tool(number: int, ending: Ending) -> Death:
    """Kill when the process has started, or has ended, its tool of this number."""

    def wait(children: Children, pid: int, stop: threading.Event) -> bool:
        while len(children.look()) <= number:
            if stop.is_set():
                return False
        tool = children.found[number]
        while not (has_ended(tool) if ending is Ending.AFTER_TOOL else children.is_tool(tool)):
            os.sched_yield()
        kill(children, pid, with_tools=ending is Ending.WITH_TOOL)
        return True

    return wait


def after(seconds: float, *, with_tools: bool) -> Death:
    """Kill at a moment that has to do with nothing."""

    def wait(children: Children, pid: int, stop: threading.Event) -> bool:
        time.sleep(seconds)
        if stop.is_set():
            return False
        kill(children, pid, with_tools=with_tools)
        return True

    return wait


def kill(children: Children, pid: int, *, with_tools: bool) -> None:
    """Kill a process, and with it its children where a whole container dies."""
    freeze(pid)  # so that it starts none meanwhile
    tools = children.look()
    os.kill(pid, signal.SIGKILL)
    if with_tools:
        for tool in tools:
            with contextlib.suppress(ProcessLookupError):
                os.kill(tool, signal.SIGKILL)
        wait_until_ended(tools)


def wait_until_ended(pids: Sequence[int], limit: float = 20.0) -> None:
    deadline = time.monotonic() + limit
    while not all(has_ended(pid) for pid in pids):
        assert time.monotonic() < deadline, f"{[name_of(pid) for pid in pids]} did not end"
        time.sleep(0.001)


# The plugin


@dataclass
class Victim:
    """A node plugin that can be started again; the kubelet calls it anew after each death."""

    settings: NodeSettings
    path: Path
    process: BaseProcess | None = None
    calls: Calls | None = None
    deaths: int = 0
    is_dead: bool = False
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def start(self) -> Calls:
        self.process = _CONTEXT.Process(target=run, args=(flags(self.settings), {}), daemon=True)
        self.process.start()
        self.calls = await self._stack.enter_async_context(open_calls(self.settings))
        return self.calls

    async def ready(self) -> Calls:
        return self.calls or await self.start()

    async def end(self) -> None:
        await self._stack.aclose()
        if self.process is not None:
            self.process.kill()
            await asyncio.to_thread(self.process.join, 10)

    async def restart(self) -> Calls:
        await self.end()
        self.deaths += 1
        self.is_dead = False
        return await self.start()

    @contextlib.asynccontextmanager
    async def dying(self, death: Death | None) -> AsyncIterator[Children]:
        """Have it die meanwhile; a call that is lost by that ends the block."""
        assert self.process is not None
        assert self.process.pid is not None
        children, stop = Children(self.process.pid), threading.Event()
        if death is None:
            yield children
            return
        killer = asyncio.create_task(asyncio.to_thread(death, children, self.process.pid, stop))
        try:
            yield children
        except LOST:
            stop.set()
            if not await killer:
                raise
        finally:
            stop.set()
            self.is_dead = await killer


Step = Callable[[Calls], Awaitable[object]]


async def live(victim: Victim, steps: Sequence[Step], death: Death | None, first: int = 0) -> None:
    """Do all steps; where the plugin dies, start it again and repeat the step that it died in.

    Args:
        victim: the plugin.
        steps: the calls.
        death: when it dies.
        first: the step with which waiting for that begins.
    """
    calls = await victim.ready()
    for step in steps[:first]:
        await step(calls)
    left = list(steps[first:])
    async with victim.dying(death) as children:
        while left:
            await left[0](calls)
            left.pop(0)
    if victim.is_dead:
        calls = await victim.restart()
    for step in left:
        await _again(step, calls, children)


async def _again(step: Step, calls: Calls, children: Children) -> None:
    """Repeat a call, once more where a tool that has lost its plugin was still in the way."""
    left = [pid for pid in children.found if not has_ended(pid)]
    try:
        await step(calls)
    except GRPCError:
        if not left:
            raise
        await asyncio.to_thread(wait_until_ended, left)
        await step(calls)


@contextlib.asynccontextmanager
async def open_victim(settings: NodeSettings, path: Path) -> AsyncIterator[Victim]:
    """Own a plugin, through all its lives."""
    victim = Victim(settings, path)
    await victim.start()
    try:
        yield victim
    finally:
        await victim.end()


def leftovers(path: Path) -> list[str]:
    """Return what a volume that was taken back must not leave."""

    def find() -> Iterator[str]:
        yield from (f"mount {mount.point}" for mount in mount_table().below(str(path / "kubelet")))
        yield from (f"loop {loop}" for loop in loops_below(path / "images"))
        yield from (f"record {each.name}" for each in (path / "state" / "volumes").iterdir())
        yield from (f"temporary {each}" for each in path.rglob(".*.new"))
        yield from (f"target {each}" for each in (path / "kubelet" / "pods").glob("*/*/*"))
        for each in (path / "kubelet").rglob("*"):
            if stat.S_ISBLK(each.lstat().st_mode):
                yield f"device node {each}"

    return list(find())


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 (the same moments in every run)


# What it must not lose


def write(path: Path) -> None:
    """Write the data unless it is there; a pod's own syncs are no business of the plugin."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    try:
        os.write(descriptor, CONTENT)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sum_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.sha256(file.read(len(CONTENT))).hexdigest()
