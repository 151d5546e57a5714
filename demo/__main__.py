"""The main job, end to end: a volume's whole life on a simulated device, shown step by step.

Then what becomes of a volume whose node is gone.
"""

import argparse
import asyncio
import contextlib
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path

from grpclib import GRPCError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo.commands import count, shorten
from demo.host import Host, examine_host, tidy
from demo.processes import House, Surprise, open_house
from demo.repair import REPAIR, open_scene
from demo.steps import Step
from demo.walk import WALK
from libs.ops.logs import configure_logging

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Told(Exception):
    """The demo was told to end, by this signal."""

    def __init__(self, number: signal.Signals) -> None:
        super().__init__(number.name)
        self.number = number


async def _take(house: House, step: Step, table: Table, *, whole: bool) -> int:
    started = time.perf_counter()
    try:
        answer = await step.call(house)
    except (GRPCError, OSError) as error:
        said = f"{error.status.name}: {error.message}" if isinstance(error, GRPCError) else error
        raise Surprise(f"expected {step.name} to succeed; got {said}") from error
    elapsed = (time.perf_counter() - started) * 1000
    lines = await house.device.new_commands()
    trips = count(lines)
    if trips != step.round_trips:
        raise Surprise(
            f"expected {step.name} to cost {step.round_trips} round trips; it cost {trips}:\n"
            + "\n".join(lines)
        )
    shown = ["\n".join(lines) if whole else shorten(lines)]
    shown += house.node.new_actions(whole=whole) if house.node else []
    done = "\n".join(part for part in shown if part) or "-"
    table.add_row(step.name, answer, escape(done), f"{elapsed:.1f}", str(trips))
    return trips


async def _walk(house: House, table: Table, *, whole: bool) -> str:
    """Take every step that can be taken here; return a sentence about them."""
    total, skipped = 0, []
    await house.device.new_commands()
    for step in WALK:
        if why := house.host.missing.get(step.needs):
            table.add_row(step.name, f"[yellow]skipped[/]: {escape(why)}", "-", "-", "-")
            skipped.append(why)
        else:
            total += await _take(house, step, table, whole=whole)
    left = await house.device.leftovers()
    if left:
        raise Surprise(f"expected an empty device at the end; it still has {', '.join(left)}")
    return (
        f"{len(WALK) - len(skipped)} steps, {total} round trips to the device, and the device is "
        "empty again" + (f"; {len(skipped)} skipped ({skipped[0]})." if skipped else ".")
    )


async def _run(console: Console, latency: float, *, whole: bool, without_node: bool) -> None:
    table = Table(title="The life of a volume", header_style="bold", show_lines=True)
    table.add_column("CSI call", style="bold cyan", no_wrap=True)
    table.add_column("answer")
    table.add_column("on the device, or on this host", style="dim", ratio=1)
    table.add_column("ms", justify="right")
    table.add_column("round trips", justify="right")
    flags = (f"--latency={latency}", "--pool=raid10=100G:xfs")
    async with _own_directory() as directory:
        host = Host.without_node("--without-node was given")
        host = host if without_node else await examine_host(directory)
        plugin = "" if host.lacks_node else " and the node plugin"
        console.print(f"Starting a simulated device, the controller{plugin} ...", style="dim")
        async with open_house(directory, flags, host) as house:
            try:
                done = await _walk(house, table, whole=whole)
            finally:
                console.print(table)
    console.print(f"[bold green]✓[/] {escape(done)}")
    await _repair(console)


async def _repair(console: Console) -> None:
    """Show what becomes of a volume whose node is gone."""
    table = Table(title="A node is gone", header_style="bold", show_lines=True)
    table.add_column("what happens", style="bold cyan", no_wrap=True)
    table.add_column("what is seen", ratio=1)
    table.add_column("s", justify="right")
    async with _own_directory() as directory:
        console.print(
            "Starting a cluster's API, the reconciler and another controller ...", style="dim"
        )
        async with open_scene(directory) as scene:
            started = time.perf_counter()
            try:
                for name, step in REPAIR:
                    seen = await step(scene)
                    table.add_row(name, escape(seen), f"{time.perf_counter() - started:.1f}")
            finally:
                console.print(table)
    console.print(
        "[bold green]✓[/] What a lost node had can be attached elsewhere; nobody had to help."
    )


@contextlib.asynccontextmanager
async def _own_directory() -> AsyncIterator[Path]:
    """Own a directory of which nothing is left in the end: no file, mount or loop device.

    Raises:
        Surprise: all went well, and yet something was still mounted or connected.
    """
    with tempfile.TemporaryDirectory(prefix="rds-csi-demo-") as name:
        directory = await asyncio.to_thread(Path(name).resolve)  # as the table of mounts has it
        left: list[str] = []
        try:
            yield directory
        finally:
            # On the loop, where nothing else runs any more: so nothing cuts it short.
            left += tidy(directory)
    if left:
        raise Surprise(f"expected nothing mounted or connected at the end; got {', '.join(left)}")


async def _until_told(work: Coroutine[object, object, None]) -> None:
    """Do the work; the first signal ends it, and no other one disturbs the tidying up.

    Raises:
        Told: a signal came.
    """
    task = asyncio.ensure_future(work)
    told: list[signal.Signals] = []

    def tell(number: signal.Signals) -> None:
        told.append(number)
        if len(told) == 1:
            task.cancel()

    for number in _SIGNALS:
        if signal.getsignal(number) is not signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, tell, number)
    try:
        await task
    except asyncio.CancelledError:
        if not told:
            raise
    if told:
        raise Told(told[0])


def main() -> int:
    """Run the demo; return 0 where everything was as expected."""
    parser = argparse.ArgumentParser("demo", description=__doc__)
    parser.add_argument("--latency", type=float, default=0, help="ms that a device command takes")
    parser.add_argument("--whole", action="store_true", help="show whole command lines")
    parser.add_argument(
        "--without-node", action="store_true", help="leave out what needs root and loop devices"
    )
    options = parser.parse_args()
    configure_logging("error", "console")
    # Where nobody looks (CI, a pipe) the table must not be cut at 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 140)
    work = _run(console, options.latency, whole=options.whole, without_node=options.without_node)
    try:
        asyncio.run(_until_told(work))
    except Surprise as surprise:
        console.print(f"[bold red]✗[/] {escape(str(surprise))}")
        return 1
    except Told as told:
        console.print(f"[bold red]✗[/] ended by {told}; everything is tidied up.")
        return 128 + told.number
    return 0


if __name__ == "__main__":
    sys.exit(main())
