"""Blocks as lines of text, with the tones that are not plain."""

from collections.abc import Iterable

from rdsctl.blocks import Block, Cell, Facts, Line, Tone


def _toned(cell: Cell | Line) -> str:
    return cell.text if cell.tone is Tone.PLAIN else f"{cell.text} ({cell.tone.name.lower()})"


def _lines_of(block: Block) -> list[str]:
    if isinstance(block, Line):
        return [_toned(block)]
    if isinstance(block, Facts):
        return [f"= {block.title}", *(f"{name}: {_toned(cell)}" for name, cell in block.pairs)]
    head = f"# {block.title}: {' | '.join(block.headings)}"
    return [head, *(" | ".join(map(_toned, row)) for row in block.rows)]


def lines_of(blocks: Iterable[Block]) -> list[str]:
    """Return all that blocks say, a line for each line, fact and row."""
    return [line for block in blocks for line in _lines_of(block)]
