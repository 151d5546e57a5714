"""Values and messages drawn from bytes: the same bytes give the same message."""

import dataclasses
import sys
import types
import typing
from collections.abc import Hashable, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Any, TypeVar

from tests.fuzz.words import BY_FIELD, EVERYTHING, HOSTILE, NUMBERS

T = TypeVar("T")

_MOST = 3
"""Entries of a list or map, and levels of messages in messages."""


@cache
def _fields(kind: Any) -> dict[str, Any]:
    hints = typing.get_type_hints(kind, vars(sys.modules[kind.__module__]))
    return {field.name: hints[field.name] for field in dataclasses.fields(kind)}


def _one_of_each(kind: type, given: dict[str, Any]) -> dict[str, Any]:
    """Leave one field of each `oneof`."""
    groups = {field.name: field.metadata["betterproto"].group for field in dataclasses.fields(kind)}
    chosen = {groups[name]: name for name in given if groups[name]}
    return {name: given[name] for name in given if chosen.get(groups[name], name) == name}


class Draw:
    """Makes values out of bytes; out of none it makes nothing but zeros."""

    def __init__(self, data: bytes, root: str = "/var/lib/kubelet") -> None:
        self._data = data
        self._at = 0
        self._root = root
        # Half of all inputs are mostly sound, so that something gets past the first check.
        self._calm = 65 * (self.byte() & 1)

    @property
    def is_empty(self) -> bool:
        return self._at >= len(self._data)

    def byte(self) -> int:
        value = 0 if self.is_empty else self._data[self._at]
        self._at += 1
        return value

    def rest(self) -> bytes:
        rest, self._at = self._data[self._at :], len(self._data)
        return rest

    def pick(self, values: Sequence[T]) -> T:
        index = self.byte()
        if len(values) > 256:
            index = index << 8 | self.byte()
        return values[index % len(values)]

    def integer(self) -> int:
        kind = self.byte()
        if kind < 160:
            return self.pick(NUMBERS)
        value = int.from_bytes(bytes(self.byte() for _ in range(1 + kind % 8)), "big", signed=True)
        return max(-(2**63), min(value, 2**63 - 1))

    def text(self, field: str = "") -> str:
        kind = self.byte()
        if kind < 190 + self._calm and field in BY_FIELD:
            return self.pick(BY_FIELD[field]).replace("{root}", self._root)
        if kind < 210 + self._calm:
            return self.pick(EVERYTHING).replace("{root}", self._root)
        if kind < 240:
            before, after = self.pick(EVERYTHING), self.pick(EVERYTHING)
            return before + self.pick(HOSTILE) + after
        return bytes(self.byte() for _ in range(self.byte() % 80)).decode(errors="replace")

    def message(self, kind: type[T], depth: int = 0) -> T:
        """Return a message, of which any field may be missing or wrong."""
        fields = _fields(typing.cast("Hashable", kind))
        given = {name: self._value(name, hint, depth) for name, hint in fields.items()}
        sent = {name: value for name, value in given.items() if value is not None}
        return kind(**(_one_of_each(kind, sent) if self._calm else sent))

    def _value(self, name: str, hint: Any, depth: int) -> Any:
        origin, inner = typing.get_origin(hint), typing.get_args(hint)
        if origin in {typing.Union, types.UnionType}:
            (hint,) = (one for one in inner if one is not types.NoneType)
            is_left_out = self.byte() % (9 if self._calm else 4) == 0
            return None if is_left_out else self._value(name, hint, depth)
        if origin is list:
            count = self.byte() % (_MOST + 1)
            return [self._value(name, inner[0], depth) for _ in range(count)]
        if origin is dict:
            keys = [self.text(f"{name}.key") for _ in range(self.byte() % (_MOST + 2))]
            return {key: self._value(key, inner[1], depth) for key in keys}
        return self._single(name, hint, depth)

    def _single(self, name: str, hint: type[Any], depth: int) -> Any:
        if hint is bool:
            return bool(self.byte() & 1)
        if issubclass(hint, Enum):
            return self.pick(list(hint))
        if dataclasses.is_dataclass(hint):
            return self.message(hint, depth + 1) if depth < _MOST else None
        makers: dict[type, Any] = {
            str: lambda: self.text(name),
            int: lambda: self._fitting(name),
            float: lambda: self.integer() / 7,
            bytes: self.rest,
            datetime: lambda: datetime.fromtimestamp(abs(self.integer()) % 2**37, UTC),
            timedelta: lambda: timedelta(seconds=self.integer() % 2**36),
        }
        return makers[hint]()

    def _fitting(self, name: str) -> int:
        """Return a number that the field's type can carry: what it cannot is not encoded."""
        value = self.integer()
        return value if name.endswith("_bytes") else (value + 2**31) % 2**32 - 2**31
