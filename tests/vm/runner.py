"""Runs groups of tests, each in a machine of its own, two machines at a time."""

import asyncio
import contextlib
import shutil
import socket
import sys
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TextIO

from tests.vm.guest import Identity
from tests.vm.kernel import Kernel
from tests.vm.machine import DIED, TIMED_OUT, Command, Machine, Show
from tests.vm.peer.wire import CONTROL, PEER_UUID, STORAGE
from tests.vm.plan import Group, arguments_of
from tests.vm.report import Outcome

_LAST_LINES = 40

_LINES = ("-v", "--no-header", "-o", "console_output_style=times")
"""Pytest's options for a line with each test, and its seconds."""


PYTEST = (
    *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider"),
    *("-p", "pytest_asyncio.plugin", "-p", "pytest_timeout", "--confcutdir=tests/vm/inside"),
    # Importing what the first test of a machine needs takes its time on a busy host.
    "--timeout=300",
)
"""Pytest with what the tests in a machine use, and no more: importing costs seconds in there."""


@dataclass(frozen=True)
class Host:
    """What all groups share.

    Attributes:
        root: the project.
        build: where reports and consoles are kept.
        scratch: a directory that goes at the end.
        environment: of the commands.
        memory: of each machine, as QEMU spells it.
        cpus: of each machine; None: as the group says.
        seconds: until a machine is killed.
        at_once: how many groups run at a time; each keeps about one processor busy.
        hot: files that are in the machines' memory from the start.
    """

    root: Path
    build: Path
    scratch: Path
    environment: dict[str, str]
    memory: str
    cpus: int | None
    seconds: float
    at_once: int = 2
    hot: tuple[Path, ...] = ()


class Lines:
    """Shows what comes in whole lines, so that those of two machines do not mix."""

    def __init__(self, prefix: str, out: TextIO) -> None:
        self._prefix = prefix
        self._out = out
        self._rest = b""

    def __call__(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        self._write(lines)

    def close(self) -> None:
        """Show what has no end of line."""
        if self._rest:
            self._write([self._rest])
            self._rest = b""

    def _write(self, lines: list[bytes]) -> None:
        text = (line.decode(errors="replace").rstrip("\r") for line in lines)
        self._out.write("".join(f"{self._prefix}{line}\n" for line in text))
        self._out.flush()


async def run_groups(
    host: Host, groups: Sequence[tuple[Group, Kernel]], arguments: Sequence[str]
) -> list[Outcome]:
    """Run all groups, and return what became of them in their order."""
    slots = asyncio.Semaphore(host.at_once)
    width = max(len(group.name) for group, _ in groups)

    async def run(group: Group, kernel: Kernel) -> Outcome:
        async with slots:
            with contextlib.closing(Lines(f"{group.name:<{width}} | ", sys.stdout)) as lines:
                outcome = await run_group(host, group, kernel, [*_LINES, *arguments], lines)
                log(f"{group.name} ended with {outcome.status} after {outcome.seconds:.0f} s")
                return outcome

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(run(group, kernel)) for group, kernel in groups]
    return [task.result() for task in running]


async def run_chosen(
    host: Host, groups: Sequence[tuple[Group, Kernel]], arguments: Sequence[str]
) -> list[Outcome]:
    """Run one group alone; its output is shown as it comes."""
    return [
        await run_group(host, group, kernel, arguments, show_as_it_comes)
        for group, kernel in groups
    ]


def show_as_it_comes(chunk: bytes) -> None:
    sys.stdout.buffer.write(chunk)
    sys.stdout.buffer.flush()


async def run_group(
    host: Host,
    group: Group,
    kernel: Kernel,
    arguments: Sequence[str],
    show: Show,
) -> Outcome:
    """Run a group's tests in a machine, with another beside it if that is wanted."""
    started, clock = time.time(), time.monotonic()
    machine = machine_of(host, group.name, kernel, group.cpus)
    command = pytest_command(host, group, machine.results, arguments)
    others = []
    async with contextlib.AsyncExitStack() as stack:
        if group.peer:
            links, peer = await stack.enter_async_context(_peer(host, group, kernel, show))
            identity = replace(machine.identity, addresses=(STORAGE[0], CONTROL[0]))
            machine = replace(machine, identity=identity, links=links)
            others.append(peer)
        status = await machine.run(command, show)
    for each in (machine, *others):
        keep_console(host, each, status)
    report = machine.results / "vm.xml"
    return Outcome(
        group.name,
        status,
        time.monotonic() - clock,
        machine.boot_seconds(started),
        report.read_text() if report.exists() and report.stat().st_size else "",
        {TIMED_OUT: f"no end within {host.seconds:g} s", DIED: "the machine died"}.get(status, ""),
    )


def machine_of(host: Host, name: str, kernel: Kernel, cpus: int = 1) -> Machine:
    """Return a machine with fresh directories."""
    scratch, results = host.scratch / name, host.scratch / name / "results"
    results.mkdir(parents=True)
    return Machine(
        scratch,
        results,
        kernel,
        Identity(f"vm-{name}"),
        memory=host.memory,
        cpus=host.cpus or cpus,
        seconds=host.seconds,
        hot=host.hot,
    )


def pytest_command(host: Host, group: Group, results: Path, arguments: Sequence[str]) -> Command:
    environment = {**host.environment, "RDS_CSI_VM": str(results)}
    if group.peer:
        environment["RDS_CSI_VM_PEER"] = CONTROL[1]
    argv = [*PYTEST, f"--junitxml={results / 'vm.xml'}", *arguments, *arguments_of(group)]
    return Command(argv, host.root, environment)


@contextlib.asynccontextmanager
async def _peer(
    host: Host, group: Group, kernel: Kernel, show: Show
) -> AsyncIterator[tuple[tuple[int, ...], Machine]]:
    """Own a second machine, and give our ends of the two wires to it."""
    with contextlib.ExitStack() as stack:
        pairs = [socket.socketpair() for _ in (STORAGE, CONTROL)]
        for each in (end for pair in pairs for end in pair):
            stack.enter_context(each)
        machine = replace(
            machine_of(host, f"{group.name}-peer", kernel, group.cpus),
            identity=Identity(f"vm-{group.name}-peer", PEER_UUID, (STORAGE[1], CONTROL[1])),
            links=tuple(theirs.fileno() for _, theirs in pairs),
        )
        environment = {**host.environment, "RDS_CSI_VM": str(machine.results)}
        command = Command([sys.executable, "-m", "tests.vm.peer"], host.root, environment)
        task = asyncio.create_task(machine.run(command, show))
        try:
            yield tuple(ours.fileno() for ours, _ in pairs), machine
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


def keep_console(host: Host, machine: Machine, status: int) -> None:
    """Keep the console of a machine with which not all went well."""
    kept = host.build / f"vm-console-{machine.scratch.name}.txt"
    if status and machine.console.exists():
        shutil.copy(machine.console, kept)
    if status in {TIMED_OUT, DIED} and kept.exists():
        lines = kept.read_text(errors="replace").splitlines(keepends=True)
        log(f"the end of {kept}:\n{''.join(lines[-_LAST_LINES:])}")


def log(text: str) -> None:
    """Say something about the machines."""
    sys.stderr.write(f"vm: {text}\n")
    sys.stderr.flush()
