"""Spans of time as they are given in flags, such as `90s` or `1h30m`. Pure."""

import re
from argparse import ArgumentTypeError
from datetime import timedelta

_PARTS = re.compile(
    r"(?:(?P<days>[0-9]{1,4})d)?(?:(?P<hours>[0-9]{1,5})h)?"
    r"(?:(?P<minutes>[0-9]{1,6})m)?(?:(?P<seconds>[0-9]{1,8})s)?",
    re.ASCII,
)

MAX_SECONDS = 86400.0
"""Of a call: a day."""


def parse_duration(text: str) -> timedelta:
    """Return a span such as `30m`, `12h` or `1d12h`.

    Raises:
        ArgumentTypeError: it is no span, or an empty one.
    """
    match = _PARTS.fullmatch(text)
    numbers = {name: int(n) for name, n in match.groupdict().items() if n} if match else {}
    span = timedelta(**numbers)
    if not span:
        raise ArgumentTypeError("must be a span of time such as 90s, 30m, 12h or 7d")
    return span


def parse_timeout(text: str) -> float:
    """Return a number of seconds for a call.

    Raises:
        ArgumentTypeError: it is no number, not above 0, or more than a day.
    """
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise ArgumentTypeError(f"must be a number of seconds above 0 and up to {MAX_SECONDS:.0f}")
    return seconds
