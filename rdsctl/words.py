"""How values are spelled for people: moments, sizes, enums, and text from elsewhere. Pure."""

import re
from datetime import datetime, timedelta

from betterproto2 import Enum

from libs.core.size import format_bytes

NOTHING = "-"
"""What stands in a table for what is not known, or does not apply."""

_UNITS = ((86400, "d", 2), (3600, "h", 2), (60, "m", 2), (1, "s", 0))
"""Seconds of a unit, its letter, and from how many of them on it is used."""

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def clean(text: str) -> str:
    """Return text from elsewhere on one line, and without anything that a terminal would obey."""
    return _CONTROLS.sub(" ", text).strip()


def shown(text: str) -> str:
    """Return text from elsewhere for a cell."""
    return clean(text) or NOTHING


def word(value: Enum) -> str:
    """Return an enum's value as it is spelled in flags, tables and JSON; empty where it is not set.

    A value that a newer server knows and this program does not keeps its number.
    """
    if value.value == 0:
        return ""
    name = value.name
    return name.lower().replace("_", "-") if name else f"unknown-{value.value}"


def size(count: int) -> str:
    """Return a number of bytes for a cell."""
    return format_bytes(count) if count else NOTHING


def span(seconds: float) -> str:
    """Return a span of time in one unit, cut off."""
    whole = max(0, int(seconds))
    fits = (unit for unit in _UNITS if whole >= unit[0] * unit[2])
    seconds_each, letter, _ = next(fits)  # a second always does
    return f"{whole // seconds_each}{letter}"


def age(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was."""
    return NOTHING if moment is None else span((now - moment).total_seconds())


def ago(moment: datetime | None, now: datetime) -> str:
    """Return how long ago something was, for a sentence."""
    return "at an unknown time" if moment is None else f"{age(moment, now)} ago"


def ahead(moment: datetime | None, now: datetime) -> str:
    """Return when something will be."""
    if moment is None:
        return NOTHING
    left = moment - now
    return "now" if left <= timedelta() else f"in {span(left.total_seconds())}"


def plural(count: int, noun: str, several: str = "") -> str:
    """Return a number of things; `several` is what more than one are called, if not with an s."""
    return f"{count} {noun}" if count == 1 else f"{count} {several or noun + 's'}"


def are(count: int, noun: str) -> str:
    """Return a number of things with its verb."""
    return f"{plural(count, noun)} {'is' if count == 1 else 'are'}"
