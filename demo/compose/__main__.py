"""The demo of docker-compose.yml: a volume's whole life across its containers, and their keys."""

import argparse
import asyncio
import secrets
import sys
import time
from pathlib import Path

from grpclib import GRPCError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from demo.children import Surprise
from demo.commands import count, shorten
from demo.compose.house import Places, Town, open_town
from demo.compose.keys import ensure_keys
from demo.compose.walk import FIRST, SECOND, Act
from libs.ops.logs import configure_logging

_PARTS = {"all": FIRST + SECOND, "first": FIRST, "second": SECOND}


async def _take(town: Town, act: Act, table: Table, long: list[str]) -> None:
    """Take a step, and show it; what is too long for the table goes into the list."""
    started = time.perf_counter()
    try:
        answer = await act.call(town)
    except (GRPCError, OSError) as error:
        said = f"{error.status.name}: {error.message}" if isinstance(error, GRPCError) else error
        raise Surprise(f"expected {act.name} to succeed; got {said}") from error
    elapsed = (time.perf_counter() - started) * 1000
    lines = await town.device.new_commands()
    shown = escape(shorten(lines)) if lines and count(lines) else "-"
    if "\n" in answer:
        long.append(f"\n--- {act.name}\n{answer}")
        answer = "(below)"
    table.add_row(act.who, act.name, escape(answer), shown, f"{elapsed:.0f}")


async def _walk(console: Console, run: str, part: str) -> None:
    table = Table(title="The life of a volume", header_style="bold", show_lines=True)
    table.add_column("as", style="bold cyan")
    table.add_column("does")
    table.add_column("answer", ratio=3)
    table.add_column("on the device", style="dim", ratio=3)
    table.add_column("ms", justify="right")
    async with open_town(Places(), run) as town:
        await town.device.new_commands()
        long: list[str] = []
        try:
            for act in _PARTS[part]:
                await _take(town, act, table, long)
        finally:
            console.print(table)
            for text in long:
                console.print(escape(text))
    console.print(f"[bold green]✓[/] {len(_PARTS[part])} steps (--part={part} --run={run})")


def main() -> int:
    """Run what is asked for; return 0 where everything was as expected."""
    parser = argparse.ArgumentParser("demo", description=__doc__)
    parser.add_argument("--part", choices=_PARTS, default="all", help="of the walk (all)")
    parser.add_argument(
        "--run", default=secrets.token_hex(4), help="name of the run, the same for both parts"
    )
    parser.add_argument("--keys", type=Path, help="make the keys in this directory, and end")
    options = parser.parse_args()
    configure_logging("error", "console")
    console = Console(width=None if sys.stdout.isatty() else 150)
    try:
        if options.keys is not None:
            console.print(ensure_keys(options.keys))
        else:
            asyncio.run(_walk(console, options.run, options.part))
    except Surprise as surprise:
        console.print(f"[bold red]✗[/] {escape(str(surprise))}")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
