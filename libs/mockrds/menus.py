"""Which commands the simulated console has, and what each takes."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """What a command takes.

    Attributes:
        names: arguments of the form `name=value`; None admits any (properties, checked later).
        flags: bare words.
        positional: how many values without a name.
        filtered: whether a `where` may follow.
    """

    names: frozenset[str] | None = frozenset()
    flags: frozenset[str] = frozenset()
    positional: int = 0
    filtered: bool = False


_PRINT = Signature(
    frozenset({"proplist"}),
    frozenset({"detail", "as-value", "count-only", "without-paging"}),
    filtered=True,
)
_FIND = Signature(None, filtered=True)
_GET = Signature(frozenset({"number", "value-name"}), positional=2)
_SET = Signature(None, positional=1)
_REMOVE = Signature(frozenset({"numbers"}), positional=1)

MENUS: Mapping[tuple[str, ...], Mapping[str, Signature]] = {
    ("disk",): {
        "add": Signature(None),
        "set": _SET,
        "remove": _REMOVE,
        "print": _PRINT,
        "find": _FIND,
        "get": _GET,
    },
    ("file",): {"remove": _REMOVE, "print": _PRINT, "find": _FIND, "get": _GET},
    ("system", "resource"): {"print": _PRINT, "get": _GET},
    ("system", "identity"): {"print": _PRINT, "get": _GET},
}

GLOBALS: Mapping[str, Signature] = {
    "put": Signature(positional=1),
    "error": Signature(positional=1),
    "len": Signature(positional=1),
    "serialize": Signature(frozenset({"to", "options"}), positional=1),
    "if": Signature(frozenset({"do", "else"}), positional=1),
    "do": Signature(frozenset({"on-error"}), positional=1),
    "onerror": Signature(frozenset({"in", "do"}), positional=1),
    "local": Signature(positional=2),
    "set": Signature(positional=2),
}


def is_menu(path: tuple[str, ...]) -> bool:
    """Whether some menu begins with this path."""
    return any(menu[: len(path)] == path for menu in MENUS)
