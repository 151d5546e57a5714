"""Single values of string maps, with errors that name the key."""

import re
from collections.abc import Callable, Mapping
from typing import TypeVar

from libs.core.errors import InvalidRequest
from libs.core.ids import shown

T = TypeVar("T")

_INTEGER = re.compile(r"-?[0-9]{1,9}", re.ASCII)


def read(
    values: Mapping[str, str],
    key: str,
    parse: Callable[[str, str], T],
    default: T,
    field: str = "parameters",
) -> T:
    """Return a value as `parse` reads it, or the default where it is not given.

    Args:
        values: the map.
        key: of the value.
        parse: is given the value, and its name for an error.
        default: is returned as it is.
        field: the name of the map, in errors.

    Raises:
        InvalidRequest: `parse` does not accept it.
    """
    return parse(values[key], f"{field}.{key}") if key in values else default


def whole_seconds(minimum: int, maximum: int) -> Callable[[str, str], int]:
    """Return a parser for a whole number of seconds, from `minimum` to `maximum`."""

    def parse(text: str, field: str) -> int:
        if not _INTEGER.fullmatch(text) or not minimum <= int(text) <= maximum:
            raise InvalidRequest(
                f"{field} must be a whole number of seconds from {minimum} to {maximum}, "
                f"not {shown(text)}"
            )
        return int(text)

    return parse


def word(text: str, field: str, words: tuple[str, ...]) -> str:
    """Return a word, if it is one of several.

    Raises:
        InvalidRequest: it is not.
    """
    if text not in words:
        raise InvalidRequest(f"{field} must be one of {', '.join(words)}, not {shown(text)}")
    return text
