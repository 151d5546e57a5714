"""Values of the console's script language, and how they are compared and printed."""

import json
import re
from collections.abc import Mapping, Sequence

from libs.mockrds.errors import ConsoleError

Scalar = str | int | bool
Item = Mapping[str, Scalar]
Value = Scalar | Sequence[str] | Sequence[Item] | None

_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_SIZE = re.compile(r"(\d+)(?:([KMGT])(?:iB)?)?", re.IGNORECASE)


def parse_size(name: str, value: Scalar) -> int:
    """Return a number of bytes given plainly or with a K, M, G or T (of 1024).

    Raises:
        ConsoleError: it is neither.
    """
    match = _SIZE.fullmatch(str(value))
    if match is None or isinstance(value, bool):
        raise ConsoleError(f"invalid value for argument {name}")
    return int(match[1]) * _UNITS[(match[2] or "").upper()]


def text_of(value: Value) -> str:
    """Return what `:put` prints for a value."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | str):
        return str(value)
    return ";".join(_fields(part) if isinstance(part, Mapping) else str(part) for part in value)


def _fields(item: Item) -> str:
    return ";".join(f"{name}={text_of(value)}" for name, value in item.items())


def to_json(value: Value, *, keep_strings: bool, decimals: bool = False) -> str:
    """Return what `:serialize to=json` makes of a value.

    Args:
        value: what is serialised.
        keep_strings: the option `json.no-string-conversion`; without it, strings that look like
            numbers become numbers (manual, and people's reports).
        decimals: whether whole numbers are printed as `443.000000`, as some releases do.
    """
    if isinstance(value, str | int) or value is None:
        return json.dumps(value)
    text = json.dumps([_jsonable(part, keep_strings=keep_strings) for part in value])
    # Behind a colon and not in a string: JSON escapes the quotes that a string would need.
    return re.sub(r'": (\d+)(?=[,}])', r'": \1.000000', text) if decimals else text


def _jsonable(part: Item | str, *, keep_strings: bool) -> object:
    if isinstance(part, str):
        return part
    return {k: v if keep_strings else _converted(v) for k, v in part.items()}


def _converted(value: Scalar) -> object:
    if isinstance(value, str) and re.fullmatch(r"\d+(\.\d+)?", value):
        return float(value)
    return value


def compile_pattern(text: str) -> re.Pattern[str]:
    """Return a regular expression.

    Raises:
        ConsoleError: it is none.
    """
    try:
        return re.compile(text)
    except re.error:
        raise ConsoleError("failure: invalid regular expression") from None


def compare(operator: str, left: Value, right: Value) -> bool:
    """Compare two values as the console does.

    Raises:
        ConsoleError: they cannot be compared so.
    """
    if operator == "~":
        return compile_pattern(text_of(right)).search(text_of(left)) is not None
    if operator in {"=", "!="}:
        return (comparable(left) == comparable(right)) is (operator == "=")
    numbers = [comparable(left), comparable(right)]
    if not all(isinstance(number, int) for number in numbers):
        raise ConsoleError("cannot compare if value is less than another")
    low, high = int(str(numbers[0])), int(str(numbers[1]))
    return {"<": low < high, ">": low > high, "<=": low <= high, ">=": low >= high}[operator]


def comparable(value: Value) -> str | int:
    """Return what a value is compared as: yes and no, a number where it is one, or a text."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return value
    text = text_of(value)
    return int(text) if text.isascii() and text.isdigit() else text
