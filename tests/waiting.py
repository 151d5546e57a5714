"""Waiting for what must happen. A machine may stand still for seconds, so nobody here is hasty."""

import asyncio
from collections.abc import Awaitable, Callable

PATIENCE = 60.0
"""How long a test waits for what must happen: far longer than it takes on a machine at rest."""


async def until(holds: Callable[[], object], what: str = "") -> None:
    """Wait until something holds that another task or process brings about, and tells nobody of.

    Args:
        holds: looked at again and again.
        what: what is said in the end where it never does.
    """

    async def look() -> object:
        return holds()

    await eventually(look, what)


async def eventually(holds: Callable[[], Awaitable[object]], what: str = "") -> None:
    """Wait as `until` does, for something that has to be asked."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not await holds():  # noqa: ASYNC110 (it tells nobody)
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"it never came to be that {what or 'it holds'}") from None
