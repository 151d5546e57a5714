"""How long a process lives: until it is told to end."""

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator


async def wait_for_signal() -> str:
    """Wait for SIGTERM or SIGINT and return its name.

    As the first process of a container Python would ignore SIGTERM without a handler. Afterwards
    both do again what they did before, so a second one ends a process that takes too long.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Future[str] = loop.create_future()

    def tell(number: signal.Signals) -> None:
        if not told.done():
            told.set_result(number.name)

    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    for number in before:
        loop.add_signal_handler(number, tell, number)
    try:
        return await told
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


@contextlib.asynccontextmanager
async def open_signal() -> AsyncIterator["asyncio.Task[str]"]:
    """Listen for a signal from the first moment on; give the task that waits for it."""
    told = asyncio.create_task(wait_for_signal())
    await asyncio.sleep(0)  # one step takes it to where it listens
    try:
        yield told
    finally:
        told.cancel()
        await asyncio.gather(told, return_exceptions=True)
