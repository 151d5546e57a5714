"""How long a process lives: until it is told to end."""

import asyncio
import signal


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
