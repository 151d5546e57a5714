"""Where each service spends CPU time on its hottest path: processes under a profiler."""

import os
import pstats
import signal
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path

from grpclib.client import Channel
from rich.console import Console
from rich.table import Table

from bench.byhand import LIFE, clean
from bench.controller import operations_of
from bench.node import Place, insist, node_calls, open_plugin, volume_of
from bench.reconciler_process import open_leader
from bench.shares import Spent, read_entries, shares
from bench.startup import open_device
from demo.children import open_process, wait_until_ready
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.reconciler import v1 as api

_FUNCTIONS = 12
_PASSES = 5


async def show_hottest(*, quick: bool) -> None:
    """Print where CPU time goes: a CreateVolume, a volume's life on a node, a pass."""
    console = Console(width=None if sys.stdout.isatty() else 140)
    count, lives, volumes = (100, 3, 300) if quick else (500, 20, 2_000)
    profiling = {
        f"controller: {count} CreateVolume": _controller(count),
        f"node: {lives} volumes staged and unstaged": _node(lives),
        f"reconciler: {_PASSES} passes over {volumes} volumes": _reconciler(volumes),
    }
    for name, work in profiling.items():
        for table in _tables(name, await work):
            console.print(table)


def _tables(name: str, spent: Sequence[Spent]) -> tuple[Table, Table]:
    parts, functions = Table(title=name), Table(title=f"{name}: functions")
    parts.add_column("part")
    parts.add_column("share of CPU", justify="right")
    for part, share in shares(spent):
        parts.add_row(part, f"{share:.0%}")
    for column in ("ms", "calls", "function"):
        functions.add_column(column, justify="left" if column == "function" else "right")
    for one in sorted(spent, key=lambda one: one.seconds, reverse=True)[:_FUNCTIONS]:
        where = "/".join(Path(one.file).parts[-3:])
        functions.add_row(f"{one.seconds * 1000:.0f}", f"{one.calls}", f"{where} {one.function}")
    return parts, functions


def _read(file: Path) -> list[Spent]:
    entries = pstats.Stats(str(file)).stats  # type: ignore[attr-defined] # not in typeshed
    return [one for one in read_entries(entries) if "_lsprof" not in one.function]


async def _repeat(pid: int, count: int, work: Callable[[int], Awaitable[object]]) -> None:
    """Do something once, and then so many times under the profiler."""
    await work(0)
    os.kill(pid, signal.SIGUSR1)
    for number in range(1, count + 1):
        await work(number)


async def _controller(count: int) -> list[Spent]:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        async with open_device(root) as settings:
            flags = [f"--{key}={value}" for key, value in settings.items()]
            flags += ["--attachments=memory", "--log-level=warning"]
            arguments = [f"{root}/profile", "services.controller", *flags]
            async with open_process("bench.profiled", arguments, root) as process:
                await _create_volumes(root, process.pid, count)
        return _read(root / "profile")


async def _create_volumes(root: Path, pid: int, count: int) -> None:
    channel = Channel(path=f"{root}/csi.sock")
    try:
        await wait_until_ready("controller", csi.IdentityStub(channel), root)
        await _repeat(pid, count, operations_of(csi.ControllerStub(channel), {})["CreateVolume"])
    finally:
        channel.close()


async def _node(lives: int) -> list[Spent]:
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name))
        place.make()
        command = ("bench.profiled", f"{name}/profile", "services.node")
        with clean(place.root, place.target, place.staging):
            async with open_plugin(place, command) as (pid, node):
                steps = node_calls(place, node, "ext4")

                async def live(number: int) -> None:
                    place.image(volume_of("ext4", number), "ext4")
                    for call in LIFE:
                        await insist(partial(steps[call], number))

                await _repeat(pid, lives, live)
            return _read(place.root / "profile")


async def _reconciler(volumes: int) -> list[Spent]:
    with tempfile.TemporaryDirectory() as name:
        command = ("bench.profiled", f"{name}/profile", "services.reconciler")
        async with open_leader(Path(name), volumes, command) as leader:
            await _repeat(leader.pid, _PASSES, lambda _: leader.stub.run_pass(api.RunPassRequest()))
        return _read(Path(name) / "profile")
