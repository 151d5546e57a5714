"""Messages as JSON: the names of their fields, all of them, in the order of the contract. Pure."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, cast

from betterproto2 import Enum, Message

from rdsctl.words import word

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]


def to_json(value: object) -> Json:
    """Return what `json` can write.

    Messages have all their fields; a message, moment or enum that is not set is null. Moments are
    in UTC, as RFC 3339 spells them; spans are seconds.

    Raises:
        TypeError: the value is of a kind that no field has.
    """
    if value is None or isinstance(value, bool | str) or type(value) in (int, float):
        return cast("Json", value)
    if isinstance(value, Enum | datetime | timedelta):
        return _scalar(value)
    if isinstance(value, Message):
        return fields_of(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    raise TypeError(f"no JSON for {type(value).__name__}")


def _scalar(value: Enum | datetime | timedelta) -> Json:
    if isinstance(value, Enum):
        return word(value) or None
    if isinstance(value, timedelta):
        return value.total_seconds()
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def fields_of(message: Message) -> dict[str, Json]:
    """Return a message's fields by name."""
    names = [field.name for field in dataclasses.fields(cast("Any", message))]
    # The compiler puts an underscore behind what Python keeps for itself, such as `pass`.
    return {name.rstrip("_"): to_json(getattr(message, name)) for name in names}
