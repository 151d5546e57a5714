"""Runs a parsed line on a device; what it prints is the answer."""

from collections.abc import Callable, Mapping, Sequence

from libs.mockrds import render
from libs.mockrds.device import Device
from libs.mockrds.errors import ConsoleError, ScriptError
from libs.mockrds.evaluate import NO_ITEM, Evaluator
from libs.mockrds.parser import parse
from libs.mockrds.render import Console
from libs.mockrds.syntax import (
    Argument,
    Command,
    Script,
)
from libs.mockrds.values import Item, Scalar, Value, text_of, to_json

_OPTIONS = (7, 16)
"""The first release with options of `:serialize`."""


class Interpreter(Evaluator):
    """One exec: a line, its output, its variables."""

    def __init__(self, device: Device, console: Console | None = None) -> None:
        super().__init__()
        self._device = device
        self._console = console or Console()
        self._out: list[str] = []
        # What was listed in this exec, until it changes something: a line asks many times.
        self._listed: dict[tuple[str, ...], Sequence[Item]] = {}

    def run(self, line: str) -> tuple[str, str]:
        """Run a line; return what it printed, and the error text that it ended with, if any.

        The error text is part of what was printed, as on the device.
        """
        error = ""
        try:
            self._script(parse(line, self._device.release))
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
        listed = {
            ("disk",): self._device.list_disks,
            ("disk", "btrfs", "subvolume"): self._device.list_subvolumes,
            ("file",): self._device.list_files,
        }
        if command.menu in listed:
            if command.menu not in self._listed:
                self._listed[command.menu] = listed[command.menu]()
            return self._items(command, self._listed[command.menu])
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
            case "monitor-traffic" | "smart-info":
                return self._monitor(command, items)
        self._device.check_writable()
        try:
            self._change(command, items)
        finally:
            self._listed.clear()
        return None

    def _change(self, command: Command, items: Sequence[Item]) -> None:
        device = self._device
        match command.menu, command.name:
            case ("disk",), "add":
                device.add_disk(self._properties(command))
            case ("disk",), "set":
                device.set_disks(self._ids(command, items), self._properties(command))
            case ("disk",), _:
                device.remove_disks(self._ids(command, items))
            case ("file",), "copy":
                given = self._texts(command)
                device.copy_file(given.get("src", ""), given.get("dst", ""))
            case ("file",), _:
                device.remove_files(self._ids(command, items))
            case _, "add":
                given = self._texts(command)
                frozen = given.get("read-only") in {"yes", "true"}
                label, name = given.get("fs", ""), given.get("name", "")
                device.add_subvolume(label, name, given.get("parent", ""), read_only=frozen)
            case _:
                device.remove_subvolumes(self._ids(command, items))

    def _texts(self, command: Command) -> dict[str, str]:
        named = self._named(command)
        return {name: text_of(self._value(value, NO_ITEM)) for name, value in named.items()}

    def _monitor(self, command: Command, items: Sequence[Item]) -> Value:
        slot, hardware = text_of(self._only(command)), self._device.hardware
        if not any(item["slot"] == slot for item in items):
            raise ConsoleError("input does not match any value of disk")
        if command.name == "monitor-traffic":
            self._out.extend(render.print_properties(hardware.load(slot).properties(slot)))
            return None
        drive = hardware.drive(slot)
        if drive is None:
            raise ConsoleError("failure: SMART not supported")  # a guess at the words
        self._out.extend(render.print_properties(drive.smart()))
        return None

    def _filtered(self, command: Command, items: Sequence[Item]) -> list[Item]:
        condition = command.where
        if condition is None:
            return list(items)
        return list(filter(self._predicate(condition), items))

    def _show(self, command: Command, items: Sequence[Item]) -> Value:
        flags = self._flags(command)
        wanted = self._texts(command).get("proplist")
        if wanted is not None:
            names = {".id", *wanted.split(",")}
            items = [{k: v for k, v in item.items() if k in names} for item in items]
        if "as-value" in flags:
            return items
        if "count-only" in flags:
            self._print(str(len(items)))
        else:
            self._out.extend(render.print_detail(items, self._console))
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
        names = {a.name: self._value(a.value, NO_ITEM) for a in command.arguments if a.name}
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

    def _properties(self, command: Command) -> dict[str, Scalar]:
        properties: dict[str, Scalar] = {}
        for argument in command.arguments:
            if not argument.name:
                continue
            if not self._device.knows(argument.name):
                raise _bad_parameter(argument)
            value = self._value(argument.value, NO_ITEM)
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
        if text_of(self._value(names["to"], NO_ITEM)) != "json" if "to" in names else True:
            raise ConsoleError("input does not match any value of to")
        options = text_of(self._value(names["options"], NO_ITEM)) if "options" in names else ""
        known = {"", "json.no-string-conversion"} if self._device.release >= _OPTIONS else {""}
        if options not in known:
            raise ConsoleError("input does not match any value of options")
        return to_json(
            self._only(command),
            keep_strings=bool(options),
            decimals=self._device.json_decimals,
        )

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


def _bad_parameter(argument: Argument) -> ConsoleError:
    return ScriptError(f"bad parameter {argument.name}", argument.line, argument.column)
