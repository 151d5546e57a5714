"""Blocks on a terminal, or as plain text."""

import json
import os
from collections.abc import Mapping, Sequence
from typing import TextIO

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from rdsctl.blocks import Block, Cell, Facts, Line, Table
from rdsctl.words import clean

_DEFAULT_WIDTH = 80
_WORDY = 24
"""Columns that a sentence needs at least; what is shorter is not folded."""

_GAP = 3
"""Columns between two columns of a table, at most."""

_NO_LIMIT = 100_000
"""Columns where nobody looks: a row is a line, for grep and awk."""


def width_of(stream: TextIO, environ: Mapping[str, str]) -> int:
    """Return how many columns there are to write in."""
    given = environ.get("COLUMNS", "")
    if given.isascii() and given.isdecimal() and int(given) > 0:
        return int(given)
    if not stream.isatty():
        return _NO_LIMIT
    try:
        return os.get_terminal_size(stream.fileno()).columns or _DEFAULT_WIDTH
    except OSError:
        return _DEFAULT_WIDTH


class Printer:
    """Writes blocks to a stream: in colours and with a rule on a terminal, and else plainly."""

    def __init__(self, stream: TextIO, environ: Mapping[str, str]) -> None:
        self._stream = stream
        self._terminal = stream.isatty()
        colours = (
            self._terminal and not environ.get("NO_COLOR") and environ.get("TERM", "") != "dumb"
        )
        self._console = Console(
            file=stream,
            width=width_of(stream, environ),
            color_system="standard" if colours else None,
            force_terminal=colours,
            highlight=False,
            markup=False,
            emoji=False,
            legacy_windows=False,
        )

    def write(self, blocks: Sequence[Block]) -> None:
        """Write blocks, and have them seen at once."""
        written = False
        for block in blocks:
            written = self._write(block, after_another=written) or written
        self._stream.flush()

    def write_document(self, document: object, *, indent: int | None) -> None:
        """Write a JSON document, and have it seen at once."""
        self._stream.write(json.dumps(document, indent=indent) + "\n")
        self._stream.flush()

    def _write(self, block: Block, *, after_another: bool) -> bool:
        if isinstance(block, Line):
            self._emit(_text(Cell(block.text, block.tone)))
            return True
        if isinstance(block, Table) and not block.rows:
            return False
        if after_another and block.title:
            self._emit(Text())
        if block.title:
            self._emit(Text(block.title, style="bold"))
        self._emit(_grid(block) if isinstance(block, Facts) else self._table(block))
        return True

    def _emit(self, content: Text | RichTable) -> None:
        with self._console.capture() as capture:
            self._console.print(content, soft_wrap=False)
        lines = capture.get().splitlines()
        self._stream.writelines(f"{line.rstrip()}\n" for line in lines or [""])

    def _table(self, block: Table) -> RichTable:
        table = RichTable(
            box=SIMPLE_HEAD if self._terminal and block.headings else None,
            show_header=bool(block.headings),
            show_edge=False,
            pad_edge=False,
            padding=(0, 2, 0, 0),
            header_style="bold",
        )
        kept = _kept_whole(block, self._console.width)
        for index in range(len(block.rows[0])):
            heading = block.headings[index] if block.headings else ""
            least = block.widths[index] if block.widths else None
            whole = index in kept
            table.add_column(heading, overflow="fold", min_width=least, no_wrap=whole)
        for row in block.rows:
            table.add_row(*(_text(cell) for cell in row))
        return table


def _kept_whole(block: Table, width: int) -> frozenset[int]:
    """Return the columns that are not to be folded, so that what is in them can be copied.

    These are the ones without sentences; none where the others would get too little room.
    """
    columns = list(zip(*block.rows, strict=True))
    prose = {
        index
        for index, cells in enumerate(columns)
        if any(len(cell.text) > _WORDY and " " in cell.text for cell in cells)
    }
    headings = block.headings or ("",) * len(columns)
    needed = sum(
        _GAP + (_WORDY if index in prose else max(len(heading), *(len(c.text) for c in cells)))
        for index, (heading, cells) in enumerate(zip(headings, columns, strict=True))
    )
    return frozenset(range(len(columns))) - prose if needed <= width else frozenset()


def _grid(block: Facts) -> RichTable:
    grid = RichTable.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="bold", no_wrap=True)
    grid.add_column(overflow="fold")
    for name, cell in block.pairs:
        grid.add_row(Text(name), _text(cell))
    return grid


def _text(cell: Cell) -> Text:
    # Cleaned here as well: whoever makes a block may forget it, and a terminal obeys.
    return Text(clean(cell.text), style=cell.tone.value)
