"""Tasks that go on until somebody ends them."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

_AFTER_A_BUG_SECONDS = 1.0


async def forever(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do something again and again; a bug must not end it unnoticed."""
    while True:
        try:
            await work()
        except Exception:
            log.exception("unexpected error; going on", what=what)
            await asyncio.sleep(_AFTER_A_BUG_SECONDS)


async def end(task: "asyncio.Task[None]") -> None:
    """Break a task off, and wait until it is over."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
