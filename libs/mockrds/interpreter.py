"""Runs a parsed line on a device; what it prints is the answer."""

from collections.abc import Callable, Mapping, Sequence

from libs.mockrds import render
from libs.mockrds.device import Device, known_property
from libs.mockrds.errors import ConsoleError, ScriptError
from libs.mockrds.parser import parse
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
from libs.mockrds.values import Item, Scalar, Value, compare, text_of, to_json

_NO_ITEM: Item = {}


class Interpreter:
    """One exec: a line, its output, its variables."""

    def __init__(self, device: Device, width: int = 80) -> None:
        self._device = device
        self._width = width
        self._out: list[str] = []
        self._variables: dict[str, Value] = {}

    def run(self, line: str) -> tuple[str, str]:
        """Run a line; return what it printed, and the error text that it ended with, if any.

        The error text is part of what was printed, as on the device.
        """
        error = ""
        try:
            self._script(parse(line))
        except ConsoleError as failure:
            error = failure.text
            self._print(error)
        return "".join(part + "\r\n" for part in self._out), error

    def _print(self, text: str) -> None:
        self._out.append(text)

    def _script(self, script: Script) -> Value:
        value: Value = None
        for command in script.commands:
            value = self._command(command)
        return value

    def _command(self, command: Command) -> Value:
        if not command.menu:
            return self._globals[command.name](self, command)
        if command.menu == ("disk",):
            return self._items(command, self._device.list_disks())
        if command.menu == ("file",):
            return self._items(command, self._device.list_files())
        if command.menu == ("system", "resource"):
            return self._single(command, self._device.resource())
        return self._single(command, {"name": self._device.identity})

    # Menus

    def _items(self, command: Command, items: Sequence[Item]) -> Value:
        match command.name:
            case "find":
                return [str(item[".id"]) for item in self._filtered(command, items)]
            case "print":
                return self._show(command, self._filtered(command, items))
            case "get":
                return self._get(command, items)
            case "add":
                return self._device.add_disk(self._properties(command))
            case "set":
                self._device.set_disks(self._ids(command, items), self._properties(command))
            case _:
                ids = self._ids(command, items)
                if command.menu == ("disk",):
                    self._device.remove_disks(ids)
                else:
                    self._device.remove_files(ids)
        return None

    def _filtered(self, command: Command, items: Sequence[Item]) -> list[Item]:
        condition = command.where
        if condition is None:
            return list(items)
        return [item for item in items if self._truth(self._value(condition, item))]

    def _show(self, command: Command, items: Sequence[Item]) -> Value:
        flags = self._flags(command)
        if "as-value" in flags:
            return items
        if "count-only" in flags:
            self._print(str(len(items)))
        else:
            self._out.extend(render.print_detail(items, self._width))
        return None

    def _single(self, command: Command, item: Item) -> Value:
        if command.name == "get":
            return self._read(item, text_of(self._positional(command)[-1]))
        if "as-value" in self._flags(command):
            return [item]
        self._out.extend(render.print_properties(item))
        return None

    def _get(self, command: Command, items: Sequence[Item]) -> Value:
        values = self._positional(command)
        names = {a.name: self._value(a.value, _NO_ITEM) for a in command.arguments if a.name}
        address = names.get("number", values[0] if values else None)
        wanted = self._list(address)
        found = [item for item in items if item[".id"] in wanted]
        if len(found) != 1:
            raise ConsoleError("no such item")
        return self._read(found[0], text_of(names.get("value-name", values[-1])))

    def _read(self, item: Item, name: str) -> Value:
        if name not in item:
            raise ConsoleError(f"input does not match any value of value-name ({name})")
        return item[name]

    def _ids(self, command: Command, items: Sequence[Item]) -> list[str]:
        values = self._positional(command)
        if not values:
            raise ConsoleError("failure: numbers must be specified")
        ids = self._list(values[0])
        known = {str(item[".id"]) for item in items}
        if not set(ids) <= known:
            # Row numbers belong to the session that printed them; an exec never printed any.
            raise ConsoleError("no such item")
        return ids

    def _list(self, value: Value) -> list[str]:
        if isinstance(value, str | int):
            return [part for part in str(value).split(",") if part]
        return [str(part) for part in value or ()]

    def _properties(self, command: Command) -> dict[str, Scalar]:
        properties: dict[str, Scalar] = {}
        for argument in command.arguments:
            if not argument.name:
                continue
            if not known_property(argument.name):
                raise _bad_parameter(argument)
            value = self._value(argument.value, _NO_ITEM)
            properties[argument.name] = value if isinstance(value, str | int) else text_of(value)
        return properties

    # Commands of the language

    def _put(self, command: Command) -> Value:
        self._print(text_of(self._only(command)))
        return None

    def _error(self, command: Command) -> Value:
        raise ConsoleError(text_of(self._only(command)))

    def _len(self, command: Command) -> Value:
        value = self._only(command)
        return len(text_of(value)) if isinstance(value, str | int) else len(value or ())

    def _serialize(self, command: Command) -> Value:
        names = self._named(command)
        if text_of(self._value(names["to"], _NO_ITEM)) != "json" if "to" in names else True:
            raise ConsoleError("input does not match any value of to")
        options = text_of(self._value(names["options"], _NO_ITEM)) if "options" in names else ""
        if options not in {"", "json.no-string-conversion"}:
            raise ConsoleError("input does not match any value of options")
        return to_json(self._only(command), keep_strings=bool(options))

    def _if(self, command: Command) -> Value:
        names = self._named(command)
        chosen = names.get("do" if self._truth(self._only(command)) else "else")
        return self._block(chosen) if chosen is not None else None

    def _do(self, command: Command) -> Value:
        handler = self._named(command).get("on-error")
        try:
            return self._block(command.arguments[0].value)
        except ScriptError:
            raise
        except ConsoleError:
            if handler is None:
                raise
            return self._block(handler)

    def _onerror(self, command: Command) -> Value:
        names = self._named(command)
        try:
            return self._block(names["in"])
        except ConsoleError as error:
            self._variables[text_of(self._positional(command)[0])] = error.text
            return self._block(names["do"])

    def _assign(self, command: Command) -> Value:
        name, *value = self._positional(command)
        self._variables[text_of(name)] = value[0] if value else None
        return None

    _globals: Mapping[str, Callable[["Interpreter", Command], Value]] = {
        "put": _put,
        "error": _error,
        "len": _len,
        "serialize": _serialize,
        "if": _if,
        "do": _do,
        "onerror": _onerror,
        "local": _assign,
        "set": _assign,
    }

    # Values

    def _only(self, command: Command) -> Value:
        values = self._positional(command)
        if not values:
            raise ConsoleError("failure: a value is missing")
        return values[0]

    def _positional(self, command: Command) -> list[Value]:
        return [self._value(a.value, _NO_ITEM) for a in command.arguments if not a.name]

    def _named(self, command: Command) -> dict[str, Expression]:
        return {a.name: a.value for a in command.arguments if a.name}

    def _flags(self, command: Command) -> set[str]:
        return {text_of(value) for value in self._positional(command)}

    def _block(self, value: Expression) -> Value:
        return self._script(value.script) if isinstance(value, Block) else None

    def _truth(self, value: Value) -> bool:
        if isinstance(value, bool):
            return value
        raise ConsoleError("conditional not boolean")

    def _value(self, expression: Expression, item: Item) -> Value:
        match expression:
            case Literal(value):
                return value
            case Variable(name):
                return self._variables.get(name)
            case Property(name):
                return item.get(name)
            case Substitution(script):
                return self._script(script)
            case Unary() | Binary():
                return self._operation(expression, item)
            case Block():
                return None

    def _operation(self, expression: Unary | Binary, item: Item) -> Value:
        if isinstance(expression, Unary):
            return not self._truth(self._value(expression.operand, item))
        operator, right = expression.operator, expression.right
        first = self._value(expression.left, item)
        if operator == "and":
            return self._truth(first) and self._truth(self._value(right, item))
        if operator == "or":
            return self._truth(first) or self._truth(self._value(right, item))
        return _combine(operator, first, self._value(right, item))


def _combine(operator: str, first: Value, second: Value) -> Value:
    if operator == ".":
        return text_of(first) + text_of(second)
    if operator in {"+", "-"}:
        if not (isinstance(first, int) and isinstance(second, int)):
            raise ConsoleError("cannot add or subtract what is not a number")
        return first + second if operator == "+" else first - second
    if operator not in {"=", "!=", "~"} and first is None:
        return False  # an item without the property is not what is looked for
    return compare(operator, first, second)


def _bad_parameter(argument: Argument) -> ConsoleError:
    return ScriptError(f"bad parameter {argument.name}", argument.line, argument.column)
