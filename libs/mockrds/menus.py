"""Which commands the simulated console has, and what each takes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Signature:
    """What a command takes.

    Attributes:
        names: arguments of the form `name=value`; None admits any (properties, checked later).
        flags: bare words.
        positional: how many values without a name.
        filtered: whether a `where` may follow.
        since: the first release that has it, as major and minor.
    """

    names: frozenset[str] | None = frozenset()
    flags: frozenset[str] = frozenset()
    positional: int = 0
    filtered: bool = False
    since: tuple[int, int] = (7, 0)


_PRINT = Signature(
    frozenset({"proplist"}),
    frozenset({"detail", "as-value", "count-only", "without-paging"}),
    filtered=True,
)
_FIND = Signature(None, filtered=True)
_GET = Signature(frozenset({"number", "value-name"}), positional=2)
_SET = Signature(None, positional=1)
_REMOVE = Signature(frozenset({"numbers"}), positional=1)

_BTRFS = (7, 18)

MENUS: Mapping[tuple[str, ...], Mapping[str, Signature]] = {
    ("disk",): {
        "add": Signature(None),
        "set": _SET,
        "remove": _REMOVE,
        "print": _PRINT,
        "find": _FIND,
        "get": _GET,
        "monitor-traffic": Signature(flags=frozenset({"once"}), positional=1),
        "smart-info": Signature(positional=1, since=(7, 23)),
    },
    ("disk", "btrfs", "subvolume"): {
        "add": Signature(frozenset({"fs", "name", "parent", "read-only"}), since=_BTRFS),
        "remove": replace(_REMOVE, since=_BTRFS),
        "print": replace(_PRINT, since=_BTRFS),
        "find": replace(_FIND, since=_BTRFS),
    },
    ("file",): {
        "remove": _REMOVE,
        "print": _PRINT,
        "find": _FIND,
        "get": _GET,
        "copy": Signature(frozenset({"src", "dst"}), since=(7, 23)),
    },
    ("system", "resource"): {"print": _PRINT, "get": _GET},
    ("system", "identity"): {"print": _PRINT, "get": _GET},
}

GLOBALS: Mapping[str, Signature] = {
    "put": Signature(positional=1),
    "error": Signature(positional=1),
    "len": Signature(positional=1),
    "serialize": Signature(frozenset({"to", "options"}), positional=1, since=(7, 13)),
    "if": Signature(frozenset({"do", "else"}), positional=1),
    "do": Signature(frozenset({"on-error"}), positional=1),
    "onerror": Signature(frozenset({"in", "do"}), positional=1, since=(7, 13)),
    "local": Signature(positional=2),
    "set": Signature(positional=2),
}


def is_menu(path: tuple[str, ...], release: tuple[int, int]) -> bool:
    """Whether a release has a menu that begins with this path."""
    return any(
        menu[: len(path)] == path and any(takes.since <= release for takes in commands.values())
        for menu, commands in MENUS.items()
    )
