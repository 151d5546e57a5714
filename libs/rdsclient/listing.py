"""Listings as the device answers them, as items: the JSON form, and the text form for people. Pure.

An item is a mapping of property names to values: of the JSON form as JSON has them, of the text
form all as texts. Both forms are read item by item, so that a listing of any length takes linear
time and never one long step.
"""

import json
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal

from libs.rdsclient.errors import GarbledReply, error_from_text

Item = Mapping[str, object]

END = "rds-csi:end"
"""Printed after each listing of the text form, which has no end of its own."""

CHANGED = "rds-csi:changed"
"""Printed after the statements that change something: an error before it is theirs."""

_DECODER = json.JSONDecoder(parse_float=Decimal)
_SOLID = re.compile(r"\S")

# An entry begins with its row number and flags, and one of the properties that come first. The
# indentation tells it from a continued line, which the console indents further.
_ENTRY = re.compile(
    # Each flag has its own column, so there can be a space between two.
    r"^ {0,3}\d+\s+(?:[A-Za-z*][A-Za-z* ]{0,15}\s+)?(?=(?:type|slot|slot-default|name|fs)=)",
    re.MULTILINE,
)
_FLAGS_ONLY = re.compile(r"\s*(?:Flags|Columns):[^=]*", re.DOTALL)
_KEY = re.compile(r"(?:^|(?<=\s))([a-z][a-z0-9-]*)=")
_FOLDED = " \t\r"
_BARE_STOP = re.compile(r"\s(?=[a-z][a-z0-9-]*=)")
# A fold can even fall between a backslash and what it escapes.
_QUOTED = re.compile(r'"((?:[^"\\]|\\(?:[ \t]*\r?\n[ \t]*)?.)*+)"', re.DOTALL)
_ESCAPE = re.compile(r"\\([0-9A-F]{2}|.)", re.DOTALL)
_NAMED = {"n": "\n", "r": "\r", "t": "\t", "_": " "}


class Reader:
    """Reads the listings of one answer, one after the other."""

    def __init__(self, text: str, *, as_json: bool) -> None:
        self._text = text
        self._at = 0
        self._as_json = as_json

    def items(self) -> Iterator[Item]:
        """Yield the items of the next listing; it has to be read to its end.

        Raises:
            RdsCsiError: an error text stands in its place.
            GarbledReply: it is cut off, or is no listing.
        """
        return self._json() if self._as_json else self._listed()

    def finish(self) -> None:
        """Check that nothing is left.

        Raises:
            RdsCsiError: what is left is an error text.
        """
        rest = self._text[self._at :].strip()
        if rest:
            raise error_from_text(rest)

    # JSON

    def _json(self) -> Iterator[Item]:
        self._skip()
        if self._text.startswith("{", self._at):
            yield self._object()
            return
        if not self._taken("["):
            raise self._not_there()
        self._skip()
        if self._taken("]"):
            return
        while True:
            yield self._object()
            self._skip()
            if self._taken("]"):
                return
            if not self._taken(","):
                raise self._cut_off("the device's answer is cut off")
            self._skip()

    def _object(self) -> Item:
        try:
            value, self._at = _DECODER.raw_decode(self._text, self._at)
        except (ValueError, ArithmeticError, RecursionError):  # a number beyond Decimal, too
            raise self._cut_off("the device's answer is cut off or not JSON") from None
        if not isinstance(value, dict):
            raise self._cut_off("the device's answer is not a listing")
        return value

    def _skip(self) -> None:
        self._at = _past_space(self._text, self._at)

    def _taken(self, character: str) -> bool:
        taken = self._text.startswith(character, self._at)
        self._at += taken
        return taken

    def _not_there(self) -> Exception:
        rest = self._text[self._at :].strip()
        return error_from_text(rest) if rest else self._cut_off("the device's answer is incomplete")

    def _cut_off(self, message: str) -> GarbledReply:
        near = self._text[max(self._at - 100, 0) : self._at + 100]
        return GarbledReply(
            message, detail=f"at character {self._at} of {len(self._text)}: {near!r}"
        )

    # Text

    def _listed(self) -> Iterator[Item]:
        end = self._text.find(END, self._at)
        if end < 0:
            rest = self._text[self._at :].strip()
            cut = _KEY.search(rest) or rest.startswith("Flags") or "Flags:".startswith(rest)
            if not cut and not END.startswith(rest):
                raise error_from_text(rest)
            raise self._cut_off("the device's answer is cut off")
        block = self._text[self._at : end]
        self._at = end + len(END)
        yield from read_entries(block)


def read_entries(block: str) -> Iterator[Item]:
    """Yield the entries of a `print detail`, however it was folded.

    Raises:
        RdsCsiError: it is an error text.
        GarbledReply: an entry cannot be read.
    """
    header = _FLAGS_ONLY.match(block)
    numbers = list(_ENTRY.finditer(block))
    if not numbers:
        # A narrow console leaves row numbers out; without any property there is no entry.
        first = _KEY.search(block)
        if first is None:
            rest = block[header.end() :] if header else block
            if rest.strip():
                raise error_from_text(rest.strip())
            return
        yield from _entries(block[first.start() :])
        return
    stops = [*(number.start() for number in numbers[1:]), len(block)]
    for number, stop in zip(numbers, stops, strict=True):
        yield from _entries(block[number.end() : stop])


def _entries(text: str) -> Iterator[Item]:
    """Yield what a text without row numbers has: every entry begins with the same property."""
    item: dict[str, object] = {}
    at = 0
    length = len(text.rstrip())
    while at < length:
        key = _KEY.match(text, at)
        if key is None:
            raise GarbledReply(
                "the device's listing cannot be read", detail=f"no property at {text[at:][:80]!r}"
            )
        if key[1] == next(iter(item), None):
            yield item
            item = {}
        item[key[1]], at = _value(text, key.end())
        at = _past_space(text, at)
    yield item


def _past_space(text: str, at: int) -> int:
    solid = _SOLID.search(text, at)
    return solid.start() if solid else len(text)


def _value(text: str, at: int) -> tuple[str, int]:
    quoted = _QUOTED.match(text, at)
    if quoted:
        return _ESCAPE.sub(_unescaped, _unfolded(quoted[1])), quoted.end()
    if text.startswith('"', at):
        raise GarbledReply("the device's listing is cut off", detail=repr(text[at:][:80]))
    stop = _BARE_STOP.search(text, at)
    end = stop.start() if stop else len(text)
    return _unfolded(text[at:end]).strip(), end


def _unfolded(text: str) -> str:
    """Return a value without its folds; of digits in groups it does not matter where they fell."""
    first, *folded = text.split("\n")
    if not folded:
        return text
    *middle, last = folded
    # Only what a fold adds: a value may end in other white space.
    return (
        first.rstrip(_FOLDED)
        + "".join(line.strip(_FOLDED) for line in middle)
        + last.lstrip(_FOLDED)
    )


def _unescaped(match: re.Match[str]) -> str:
    what = match[1]
    if len(what) == 2:  # noqa: PLR2004 (two hexadecimal digits)
        return chr(int(what, 16))
    return _NAMED.get(what, what)
