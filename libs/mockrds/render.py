"""How the console prints listings for people: wrapped, grouped, rounded. Pure."""

from collections.abc import Sequence

from libs.mockrds.values import Item, Scalar

_QUOTED = frozenset(
    {
        "slot",
        "mount-point",
        "state",
        "model",
        "nvme-tcp-server-nqn",
        "nvme-tcp-server-allow-host-name",
    }
)
_INDENT = 6


def print_detail(items: Sequence[Item], width: int) -> list[str]:
    """Return `print detail` of a listing, wrapped at `width` columns."""
    lines = ["Flags: B - BLOCK-DEVICE; t - NVME-TCP-EXPORT"]
    for number, item in enumerate(items):
        flags = "Bt" if item.get("nvme-tcp-export") is True else "B "
        words = [_property(name, value) for name, value in item.items() if name != ".id"]
        line = f"{number:2} {flags}"
        for word in words:
            if len(line) + 1 + len(word) > width:
                lines.append(line)
                line = " " * (_INDENT - 1)
            line += f" {word}"
        lines.append(line)
    return lines


def print_properties(item: Item) -> list[str]:
    """Return a single item as right-aligned `key: value` lines."""
    column = max(len(name) for name in item) + 1
    return [f"{name:>{column}}: {_shown(value)}" for name, value in item.items()]


def _property(name: str, value: Scalar) -> str:
    if name == "size" and isinstance(value, int):
        return f"size={value:,}".replace(",", " ")
    if name == "file-size" and isinstance(value, int):
        return f"file-size={_rounded(value)}"
    if name in _QUOTED or value == "":
        return f'{name}="{value}"'
    return f"{name}={_shown(value)}"


def _shown(value: Scalar) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _rounded(size: int) -> str:
    amount = float(size)
    for unit in ("B", "KiB", "MiB"):
        if amount < 1024:  # noqa: PLR2004 (of one unit in the next)
            return f"{amount:.1f}{unit}"
        amount /= 1024
    return f"{amount:.1f}GiB"
