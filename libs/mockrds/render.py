"""How the console prints listings for people: wrapped, grouped, rounded. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from libs.mockrds.values import Item, Scalar

_BARE = frozenset(
    {"type", "fs", "file-path", "raid-master", "media-interface", "name", "last-modified"}
)
_LEGEND = "Flags: B - BLOCK-DEVICE; M - MOUNTED; t - NVME-TCP-EXPORT"
_INDENT = 6
_NARROW_INDENT = 15
_STEP = 1024


@dataclass(frozen=True, slots=True)
class Console:
    """How a session's console prints.

    Attributes:
        width: columns, from the login suffix.
        fold_inside: whether a value that does not fit is broken across lines, as seen on hardware;
            otherwise the whole property moves to the next line.
        numbered: whether row numbers and flags are printed; hardware left them out where it
            listed a single item on a narrow console.
    """

    width: int = 80
    fold_inside: bool = False
    numbered: bool = True


def print_detail(items: Sequence[Item], console: Console) -> list[str]:
    """Return the lines of `print detail`."""
    numbered = console.numbered or len(items) != 1
    lines = [_LEGEND] if numbered else []
    for number, item in enumerate(items):
        words = [_property(name, value) for name, value in item.items() if name != ".id"]
        start = f"{number:2} {_flags(item)}" if numbered else ""
        lines += _wrap(start, words, console, _INDENT if numbered else _NARROW_INDENT)
        if numbered:
            lines.append("")
    return lines


def _flags(item: Item) -> str:
    exported = item.get("nvme-tcp-export") is True
    mounted = "mount-point" in item
    return f"{'B' if 'slot' in item else ' '}{'t' if exported else ' '}{'M' if mounted else ' '}"


def _wrap(start: str, words: Sequence[str], console: Console, indent: int) -> list[str]:
    lines = [start]
    for word in words:
        space = " " if lines[-1].strip() else ""
        if len(lines[-1]) + len(space) + len(word) <= console.width:
            lines[-1] += space + word
        elif console.fold_inside:
            lines += _fold(lines, space + word, console.width, indent)
        elif lines[-1].strip():
            lines.append(" " * indent + word)
        else:
            lines[-1] += word
    return lines


def _fold(lines: list[str], word: str, width: int, indent: int) -> list[str]:
    """Put what fits of a property's value behind the last line; return the lines with the rest."""
    # A name is never broken, and neither is an escape.
    least = word.index("=") + 2
    room = width - len(lines[-1])
    if room < least:
        return [" " * indent + word.lstrip()]
    cut = _cut(word, room, least)
    lines[-1] += word[:cut]
    rest, step = word[cut:], max(width - indent, 2)
    folded = []
    while rest:
        cut = _cut(rest, step, 1)
        folded.append(" " * indent + rest[:cut])
        rest = rest[cut:]
    return folded


def _cut(text: str, most: int, least: int) -> int:
    """Return where to break a value: not beside a space, which would be lost, nor in an escape."""
    if len(text) <= most:
        return len(text)
    for at in range(most, least, -1):
        if " " not in text[at - 1 : at + 1] and text[at - 1] != "\\":
            return at
    return len(text)


def print_properties(item: Item) -> list[str]:
    """Return a single item as right-aligned `key: value` lines."""
    column = max(len(name) for name in item) + 1
    return [f"{name:>{column}}: {_shown(value)}" for name, value in item.items()]


def _property(name: str, value: Scalar) -> str:
    if name in {"size", "free"} and isinstance(value, int):
        return f"{name}={value:,}".replace(",", " ")
    if name == "file-size" and isinstance(value, int):
        return f"file-size={rounded(value)}"
    if isinstance(value, str) and (name not in _BARE or not value):
        return f'{name}="{_escaped(value)}"'
    return f"{name}={_shown(value)}"


def _escaped(value: str) -> str:
    out = value.replace("\\", "\\\\").replace('"', '\\"')
    return out.replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")


def _shown(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def rounded(size: int) -> str:
    """Return a number of bytes as the console rounds it."""
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < _STEP:
            return f"{amount:.1f}{unit}"
        amount /= _STEP
    return f"{amount:.1f}GiB"
