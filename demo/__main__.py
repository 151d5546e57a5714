"""The main job, end to end: a volume's whole life on a simulated device, shown step by step."""

import argparse
import asyncio
import sys
import tempfile
import time
from pathlib import Path

from grpclib import GRPCError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo.commands import count, shorten
from demo.processes import House, Surprise, open_house
from demo.walk import WALK, Step


async def _take(house: House, step: Step, table: Table, *, whole: bool) -> int:
    started = time.perf_counter()
    try:
        answer = await step.call(house)
    except GRPCError as error:
        raise Surprise(
            f"expected {step.name} to succeed; got {error.status.name}: {error.message}"
        ) from error
    elapsed = (time.perf_counter() - started) * 1000
    lines = await house.device.new_commands()
    trips = count(lines)
    if trips != step.round_trips:
        raise Surprise(
            f"expected {step.name} to cost {step.round_trips} round trips; it cost {trips}:\n"
            + "\n".join(lines)
        )
    commands = "\n".join(lines) if whole else shorten(lines)
    table.add_row(step.name, answer, escape(commands) or "-", f"{elapsed:.1f}", str(trips))
    return trips


async def _run(console: Console, latency: float, *, whole: bool) -> None:
    table = Table(title="The life of a volume", header_style="bold", show_lines=True)
    table.add_column("CSI call", style="bold cyan", no_wrap=True)
    table.add_column("answer")
    table.add_column("on the device", style="dim", ratio=1)
    table.add_column("ms", justify="right")
    table.add_column("round trips", justify="right")
    total = 0
    console.print("Starting a simulated device and the controller ...", style="dim")
    with tempfile.TemporaryDirectory(prefix="rds-csi-demo-") as directory:
        async with open_house(
            Path(directory), (f"--latency={latency}", "--pool=raid10=100G:xfs")
        ) as house:
            await house.device.new_commands()
            try:
                for step in WALK:
                    total += await _take(house, step, table, whole=whole)
            finally:
                console.print(table)
            left = await house.device.leftovers()
    if left:
        raise Surprise(f"expected an empty device at the end; it still has {', '.join(left)}")
    console.print(
        f"[bold green]✓[/] {len(WALK)} calls, {total} round trips to the device, and the device is "
        "empty again."
    )


def main() -> int:
    """Run the demo; return 0 where everything was as expected."""
    parser = argparse.ArgumentParser("demo", description=__doc__)
    parser.add_argument("--latency", type=float, default=0, help="ms that a device command takes")
    parser.add_argument("--whole", action="store_true", help="show whole command lines")
    options = parser.parse_args()
    # Where nobody looks (CI, a pipe) the table must not be cut at 80 columns.
    console = Console(width=None if sys.stdout.isatty() else 140)
    try:
        asyncio.run(_run(console, options.latency, whole=options.whole))
    except Surprise as surprise:
        console.print(f"[bold red]✗[/] {escape(str(surprise))}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
