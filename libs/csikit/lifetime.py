"""How long a process lives: until it is told to end."""

import asyncio
import signal


async def wait_for_signal() -> str:
    """Wait for SIGTERM or SIGINT and return its name.

    As the first process of a container Python would ignore SIGTERM without a handler.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Future[str] = loop.create_future()

    def tell(number: signal.Signals) -> None:
        if not told.done():
            told.set_result(number.name)

    wanted = (signal.SIGTERM, signal.SIGINT)
    for number in wanted:
        loop.add_signal_handler(number, tell, number)
    try:
        return await told
    finally:
        for number in wanted:
            loop.remove_signal_handler(number)
