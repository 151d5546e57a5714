"""Whether a decoded message has in its fields what its contract says.

The decoder takes what the wire says each field is: a number where the contract has a text becomes a
number in the field, and a text where it has a message is left as it came. Code that relies on the
types would fail over it in the middle.
"""

import dataclasses
import sys
import types
import typing
from collections.abc import Callable, Hashable, Mapping
from functools import cache
from typing import Any, cast

from libs.core.errors import InvalidRequest

Check = Callable[[Any], bool]


def check_shape(message: object) -> None:
    """Check the types of all fields, those of messages in messages too.

    Raises:
        InvalidRequest: a field holds something else than the contract says.
    """
    wrong = _first_wrong(message)
    if wrong:
        raise InvalidRequest(f"the request is not a valid message: {wrong} is of another type")


def _first_wrong(message: object) -> str:
    checks = _checks(cast("Hashable", type(message)))
    return next((name for name, fits in checks.items() if not fits(getattr(message, name))), "")


@cache
def _checks(kind: Any) -> Mapping[str, Check]:  # noqa: ANN401 (a class; lru_cache wants no more)
    if not dataclasses.is_dataclass(kind):
        return {}
    hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]))
    return {field.name: _check_of(hints[field.name]) for field in dataclasses.fields(kind)}


def _check_of(hint: Any) -> Check:  # noqa: ANN401 (a type in any of its forms)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        checks = [_check_of(one) for one in inner]
        return lambda value: any(check(value) for check in checks)
    if origin is list:
        item = _check_of(inner[0])
        return lambda value: isinstance(value, list) and all(map(item, value))
    if origin is dict:
        key, item = map(_check_of, inner)
        return lambda value: (
            isinstance(value, dict) and all(key(name) and item(one) for name, one in value.items())
        )
    kind: type[Any] = hint
    if dataclasses.is_dataclass(hint):
        return lambda value: isinstance(value, kind) and not _first_wrong(value)
    return lambda value: isinstance(value, kind)
