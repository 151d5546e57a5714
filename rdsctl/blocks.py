"""What a command says to people, before it is known how wide and colourful it may be. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from rdsctl.words import shown


class Tone(Enum):
    """How something is meant; a colour on a terminal that has them."""

    PLAIN = ""
    GOOD = "green"
    WARN = "yellow"
    BAD = "red"
    STRONG = "bold"
    FAINT = "dim"


@dataclass(frozen=True, slots=True)
class Cell:
    """A piece of text on one line."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Line:
    """A line of its own."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Facts:
    """Names with their values, one a line.

    Attributes:
        pairs: of a name and a value.
        title: a line above them; empty for none.
    """

    pairs: tuple[tuple[str, Cell], ...]
    title: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; nothing at all where there are none.

    Attributes:
        title: a line above it; empty for none.
        headings: of the columns.
        rows: of cells, as many as there are headings.
        widths: of the columns at least, for rows that come one by one; empty for as it comes.
    """

    title: str
    headings: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    widths: tuple[int, ...] = ()


Block = Line | Facts | Table


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a command has to say.

    Attributes:
        blocks: for people.
        document: for scripts.
        good: whether all is as it should be.
    """

    blocks: tuple[Block, ...]
    document: object
    good: bool = True


def cell(value: str | Cell) -> Cell:
    """Return a cell whose text is fit for a terminal."""
    if isinstance(value, Cell):
        return Cell(shown(value.text), value.tone)
    return Cell(shown(value))


def table(
    title: str, headings: Sequence[str], rows: Iterable[Sequence[str | Cell]], *, widths: str = ""
) -> Table:
    """Return a table of texts and cells.

    Args:
        title: a line above it.
        headings: of the columns.
        rows: as many cells as headings.
        widths: least widths of columns, separated by spaces.
    """
    cells = tuple(tuple(cell(value) for value in row) for row in rows)
    return Table(title, tuple(headings), cells, tuple(int(width) for width in widths.split()))


def facts(*pairs: tuple[str, str | Cell], title: str = "") -> Facts:
    """Return facts of texts and cells."""
    return Facts(tuple((name, cell(value)) for name, value in pairs), title)
