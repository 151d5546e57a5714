"""What became of a call."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

from grpclib import GRPCError
from grpclib.const import Status

T = TypeVar("T")

POLL_SECONDS = 0.1

UNDECIDED = frozenset(
    {
        Status.ABORTED,
        Status.CANCELLED,
        Status.DEADLINE_EXCEEDED,
        Status.INTERNAL,
        Status.UNAVAILABLE,
        Status.UNKNOWN,
    }
)
"""Codes after which the call may have had its effect, or may have it on the next try."""


async def status_of(call: Awaitable[object]) -> Status:
    """Return the code that a call ends with."""
    try:
        await call
    except GRPCError as error:
        return error.status
    except TimeoutError:
        return Status.DEADLINE_EXCEEDED
    return Status.OK


async def outcome_of(call: Awaitable[T]) -> tuple[Status, T | None]:
    """Return the code that a call ends with, and its answer where there is one."""
    try:
        return Status.OK, await call
    except GRPCError as error:
        return error.status, None
    except TimeoutError:
        return Status.DEADLINE_EXCEEDED, None


async def poll(
    read: Callable[[], Awaitable[T]], holds: Callable[[T], bool], seconds: float
) -> tuple[bool, T]:
    """Read again and again until the condition holds; return whether it does, and what was read."""
    end = time.monotonic() + seconds
    while not holds(value := await read()):
        if time.monotonic() > end:
            return False, value
        await asyncio.sleep(POLL_SECONDS)
    return True, value


async def wait_until(
    read: Callable[[], Awaitable[T]], holds: Callable[[T], bool], seconds: float, what: str
) -> T:
    """Read again and again until the condition holds, and return what was read then."""
    met, value = await poll(read, holds, seconds)
    assert met, f"{what}: not after {seconds} s; last seen: {value}"
    return value
