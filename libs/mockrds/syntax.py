"""The tree that a line of RouterOS script is parsed into."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A string, number or boolean."""

    value: str | int | bool


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Property:
    """The name of an item's property in a `where`."""

    name: str


@dataclass(frozen=True, slots=True)
class Substitution:
    """`[ ... ]`: the value that a script returns."""

    script: Script


@dataclass(frozen=True, slots=True)
class Block:
    """`{ ... }`: a script as a value, for `do=` and its like."""

    script: Script


@dataclass(frozen=True, slots=True)
class Unary:
    """`!x`."""

    operand: Expression


@dataclass(frozen=True, slots=True)
class Binary:
    """`x = y` and its like."""

    operator: str
    left: Expression
    right: Expression


Expression = Literal | Variable | Property | Substitution | Block | Unary | Binary


@dataclass(frozen=True, slots=True)
class Argument:
    """A value, with a name where it was given as `name=value`."""

    name: str
    value: Expression
    line: int
    column: int


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its menu (empty for `:put` and its like), its name and what it was given."""

    menu: tuple[str, ...]
    name: str
    arguments: tuple[Argument, ...] = ()
    where: Expression | None = None


@dataclass(frozen=True, slots=True)
class Script:
    """Commands, one after the other."""

    commands: tuple[Command, ...]
