"""Trying a request to the Kubernetes API several times."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from libs.core.errors import Unreachable
from libs.kube.errors import Answered

T = TypeVar("T")

Sleep = Callable[[float], Awaitable[None]]

PAUSES = (0.5, 2.0, 8.0)
"""Seconds before the second and each further try."""

_TOO_MANY_REQUESTS, _SERVER_ERROR = 429, 500


async def retried(call: Callable[[], Awaitable[T]], sleep: Sleep) -> T:
    """Return what a call returns, called again where that may help.

    Raises:
        Unreachable: as the last call said; one that the server refused for good is the last.
    """
    for pause in PAUSES:
        try:
            return await call()
        except Unreachable as error:
            if not _may_help(error):
                raise
        await sleep(pause)
    return await call()


def _may_help(error: Unreachable) -> bool:
    if not isinstance(error, Answered):
        return True
    return error.status == _TOO_MANY_REQUESTS or error.status >= _SERVER_ERROR
