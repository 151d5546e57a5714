"""From a line of RouterOS script to a tree, with the console's own complaints. Pure."""

import re

from libs.mockrds.errors import ScriptError
from libs.mockrds.menus import GLOBALS, MENUS, Signature, is_menu
from libs.mockrds.syntax import (
    Argument,
    Binary,
    Block,
    Command,
    Expression,
    Literal,
    Property,
    Script,
    Substitution,
    Unary,
    Variable,
)

_NAME = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._-]*")
_BARE = re.compile(r"[^\s;\[\](){}\"$=]+")
_HEX = re.compile(r"[0-9A-F]{2}")
_SPACES = re.compile(r"[ \t]*")
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "_": " ", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_PLAIN_ESCAPES = '"\\$?{}[];/'
_OPERATORS = (
    ("||", "or"),
    ("&&", "and"),
    ("=", "!=", "<=", ">=", "<", ">", "~"),
    (".",),
    ("+", "-"),
)
_WORDS = frozenset({"and", "or"})
_END = frozenset(";\n]}")
_MAX_DEPTH = 50


NEWEST = (7, 99)


def parse(text: str, release: tuple[int, int] = NEWEST) -> Script:
    """Parse a line as a release, given as major and minor, would.

    Raises:
        ScriptError: the console would refuse it; nothing of it may be run.
    """
    return _Parser(text, release).script("")


class _Parser:
    def __init__(self, text: str, release: tuple[int, int]) -> None:
        self.text = text
        self.release = release
        self.at = 0
        self.depth = 0
        self.menu: tuple[str, ...] = ()

    # Characters

    def fail(self, complaint: str, at: int | None = None) -> ScriptError:
        at = self.at if at is None else at
        before = self.text[:at]
        line = before.count("\n") + 1
        return ScriptError(complaint, line, at - (before.rfind("\n") + 1) + 1)

    def peek(self) -> str:
        return self.text[self.at : self.at + 1]

    def skip(self) -> None:
        match = _SPACES.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def take(self, token: str) -> bool:
        if self.text.startswith(token, self.at):
            self.at += len(token)
            return True
        return False

    def expect(self, token: str) -> None:
        self.skip()
        if not self.take(token):
            raise self.fail("syntax error")

    def match(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self.text, self.at)
        if found is None:
            return ""
        self.at = found.end()
        return found[0]

    # Commands

    def script(self, closing: str) -> Script:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail("syntax error")
        commands = []
        while True:
            while self.peek() and self.peek() in "; \t\r\n":
                self.at += 1
            if self.peek() == closing:
                break
            if not self.peek() or self.peek() in "]})":
                raise self.fail("syntax error")
            commands.append(self.command())
        if closing:
            self.at += 1
        self.depth -= 1
        return Script(tuple(commands))

    def command(self) -> Command:
        start = self.at
        if self.take(":"):
            name = self.match(_NAME)
            if name not in GLOBALS or GLOBALS[name].since > self.release:
                raise self.fail(f"bad command name {name}", start + 1)
            return self.arguments((), name, GLOBALS[name])
        if not self.take("/"):
            return self.in_same_menu()
        return self.in_menu()

    def in_same_menu(self) -> Command:
        """Parse `find slot=x` within the brackets of a command, which means the command's menu."""
        start = self.at
        word = self.match(_NAME)
        if not word:
            raise self.fail("expected command name")
        takes = MENUS.get(self.menu, {}).get(word)
        if takes is None or takes.since > self.release:
            raise self.fail(f"bad command name {word}", start)
        return self.arguments(self.menu, word, takes)

    def in_menu(self) -> Command:
        path: tuple[str, ...] = ()
        while True:
            self.skip()
            start = self.at
            word = self.match(_NAME)
            if not word:
                raise self.fail("expected command name")
            takes = MENUS.get(path, {}).get(word)
            if takes is not None and takes.since <= self.release:
                return self.arguments(path, word, takes)
            path = (*path, word)
            if not is_menu(path, self.release):
                raise self.fail(f"bad command name {word}", start)
            self.skip()
            self.take("/")

    def arguments(self, menu: tuple[str, ...], name: str, takes: Signature) -> Command:
        found: list[Argument] = []
        where: Expression | None = None
        outer, self.menu = self.menu, menu or self.menu
        while True:
            self.skip()
            if not self.peek() or self.peek() in _END or self.peek() == "\r":
                break
            if takes.filtered and (name == "find" or self.is_word("where")):
                if self.is_word("where"):
                    self.at += len("where")
                where = self.filters()
                break
            found.append(self.argument(takes, found))
        self.menu = outer
        return Command(menu, name, tuple(found), where)

    def is_word(self, word: str) -> bool:
        return bool(re.compile(rf"{word}(?![A-Za-z0-9._=-])").match(self.text, self.at))

    def argument(self, takes: Signature, before: list[Argument]) -> Argument:
        start = self.at
        name = self.match(_NAME)
        if name and self.peek() == "=":
            repeated = any(argument.name == name for argument in before)  # refused: a guess
            if repeated or (takes.names is not None and name not in takes.names):
                raise self.fail(f"bad parameter {name}", start)
            self.at += 1
            return self.located(name, self.value(), start)
        if name in takes.flags:
            return self.located("", Literal(name), start)
        self.at = start
        if sum(not argument.name for argument in before) >= takes.positional:
            raise self.fail(f"bad parameter {name}" if name else "expected end of command", start)
        return self.located("", self.value(), start)

    def located(self, name: str, value: Expression, start: int) -> Argument:
        here = self.fail("", start)
        line, column = re.findall(r"\d+", here.text)
        return Argument(name, value, int(line), int(column))

    # Values

    def value(self) -> Expression:
        self.skip()
        character = self.peek()
        if character == '"':
            return Literal(self.quoted())
        if self.take("["):
            return Substitution(self.script("]"))
        if self.take("{"):
            return Block(self.script("}"))
        if self.take("("):
            inside = self.expression(0, properties=False)
            self.expect(")")
            return inside
        if self.take("$"):
            name = self.match(_NAME)
            if not name:
                raise self.fail("syntax error")
            return Variable(name)
        word = self.match(_BARE)
        if not word:
            raise self.fail("syntax error")
        return Literal(_typed(word))

    def quoted(self) -> str:
        start = self.at
        self.at += 1
        out = bytearray()
        while True:
            character = self.peek()
            if not character:
                raise self.fail("expected closing quote", start)
            self.at += 1
            if character == '"':
                return out.decode(errors="replace")
            if character == "$":
                raise self.fail("syntax error", self.at - 1)  # interpolation is not simulated
            out += self.escape() if character == "\\" else character.encode(errors="replace")

    def escape(self) -> bytes:
        digits = self.match(_HEX)
        if digits:
            return bytes([int(digits, 16)])
        character = self.peek()
        self.at += 1
        if character in _ESCAPES:
            return _ESCAPES[character].encode()
        if character and character in _PLAIN_ESCAPES:
            return character.encode()
        raise self.fail("syntax error", self.at - 1)

    # Expressions

    def filters(self) -> Expression | None:
        """Parse the conditions of a `where`: several beside each other must all hold."""
        found: Expression | None = None
        while True:
            self.skip()
            if not self.peek() or self.peek() in _END or self.peek() == "\r":
                return found
            condition = self.expression(0, properties=True)
            found = condition if found is None else Binary("and", found, condition)

    def expression(self, level: int, *, properties: bool) -> Expression:
        if level == len(_OPERATORS):
            return self.operand(properties=properties)
        left = self.expression(level + 1, properties=properties)
        while operator := self.operator(level):
            right = self.expression(
                level + 1, properties=properties and operator in {"and", "or", "||", "&&"}
            )
            left = Binary(operator, left, right)
        return left

    def operator(self, level: int) -> str:
        self.skip()
        for token in sorted(_OPERATORS[level], key=len, reverse=True):
            if self.is_word(token) if token in _WORDS else self.text.startswith(token, self.at):
                self.at += len(token)
                return {"&&": "and", "||": "or"}.get(token, token)
        return ""

    def operand(self, *, properties: bool) -> Expression:
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self.fail("syntax error")
        try:
            self.skip()
            if self.take("!"):
                return Unary(self.operand(properties=properties))
            if self.take("("):
                inside = self.expression(0, properties=properties)
                self.expect(")")
                return inside
            if self.peek() and self.peek() in '"[{$':
                return self.value()
            word = self.match(_NAME) or self.match(re.compile(r"/[^\s;\[\](){}\"$=]*"))
            if not word:
                raise self.fail("syntax error")
            return Property(word) if properties else Literal(_typed(word))
        finally:
            self.depth -= 1


def _typed(word: str) -> str | int | bool:
    if word.isascii() and word.isdigit():
        return int(word)
    return {"yes": True, "true": True, "no": False, "false": False}.get(word, word)
