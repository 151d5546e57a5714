"""Calls of the kernel that may hang, kept off the event loop, and never piled up.

A thread that waits for a disk that is gone cannot be stopped. So each has a key, and while one
hangs nothing else is begun under its key: a volume that hangs costs one thread, and not one for
every time that somebody asks after it.
"""

import asyncio
import contextlib
import threading
from collections import Counter
from collections.abc import Callable
from typing import TypeVar

from libs.nvmeof.errors import HostHangs

T = TypeVar("T")


class Offload:
    """Runs blocking functions in threads of their own, which do not keep the process alive."""

    def __init__(self) -> None:
        self._hanging: Counter[str] = Counter()

    async def run(self, key: str, function: Callable[[], T], *, limit: float) -> T:
        """Return what the function returns.

        Args:
            key: what it may hang on, such as a volume.
            function: called in a thread.
            limit: seconds.

        Raises:
            HostHangs: it has not returned in time, or an earlier one under this key still has not.
        """
        if self._hanging[key]:
            raise HostHangs(f"the kernel has not answered an earlier question about {key}")
        answer = await self._wait(key, function, limit)
        if answer.done():
            return answer.result()
        raise HostHangs(f"the kernel did not answer within {limit:g} s about {key}")

    async def end(self, key: str, function: Callable[[], object], *, limit: float) -> None:
        """End something, such as by closing it: at once, even while something hangs under its key.

        It is not waited for beyond the limit. While it hangs then, nothing is begun under its key.

        Args:
            key: what it may hang on, such as a volume.
            function: called in a thread.
            limit: seconds.
        """
        answer = await self._wait(key, function, limit)
        if answer.done():
            answer.result()

    async def _wait(self, key: str, function: Callable[[], T], limit: float) -> "asyncio.Future[T]":
        answer = _start(key, function)
        # Only time says that something hangs: a caller may go away for reasons of its own.
        timer = asyncio.get_running_loop().call_later(limit, self._count, key, answer)

        def came(answer: "asyncio.Future[T]") -> None:
            timer.cancel()
            if not answer.cancelled():
                answer.exception()  # a caller that has gone away does not fetch it

        answer.add_done_callback(came)
        await asyncio.wait((answer,), timeout=limit)
        if not answer.done():
            timer.cancel()
            self._count(key, answer)
        return answer

    def _count(self, key: str, answer: "asyncio.Future[T]") -> None:
        if not answer.done():
            self._hanging[key] += 1
            answer.add_done_callback(lambda _: self._came_back(key))

    def _came_back(self, key: str) -> None:
        self._hanging -= Counter({key: 1})


def _start(key: str, function: Callable[[], T]) -> "asyncio.Future[T]":
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(result)  # type: ignore[arg-type] # None is a result like others

    def work() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = function()
        except BaseException as raised:  # noqa: BLE001 (it is raised where it is awaited)
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop has ended, and nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name=f"offload {key}", daemon=True).start()
    return answer
