"""What the cluster's Node object has to say of this node: settled again at each registration.

Node objects are made anew, when somebody deletes one and the kubelet is started again. A new one
has no host NQN, so fenced volumes are refused there, and may have the start-up taint once more.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from itertools import chain, repeat

import structlog

from libs.core.errors import RdsCsiError
from libs.core.ids import Nqn
from services.node.ports import Cluster

log = structlog.get_logger(__name__)

PAUSES = (1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
"""Seconds between two tries to tell the cluster something; the last one for ever."""


class Standing:
    """Knows what is to be settled, and when. See `open_standing`."""

    def __init__(self) -> None:
        self._announcing = asyncio.Event()
        self._untainting = asyncio.Event()

    def announce(self) -> None:
        """Have the host NQN written on the Node object, if it is not there."""
        self._announcing.set()

    def untaint(self) -> None:
        """Have the start-up taint taken away, as soon as the kubelet knows the driver."""
        self._untainting.set()

    def renew(self) -> None:
        """Settle all of it: the kubelet registers the driver, perhaps for a new Node object."""
        self.announce()
        self.untaint()

    async def keep_announced(
        self, cluster: Cluster, host_nqn: Nqn, pauses: Sequence[float]
    ) -> None:
        """Write the host NQN whenever that is due, for ever."""

        async def announce() -> bool:
            await cluster.announce(host_nqn)
            return True

        await _keep(self._announcing, "host NQN not announced yet", announce, pauses)

    async def keep_untainted(self, cluster: Cluster, pauses: Sequence[float]) -> None:
        """Take the start-up taint away whenever that is due, for ever."""
        trouble = "start-up taint not removed yet"
        await _keep(self._untainting, trouble, cluster.clear_startup_taint, pauses)


@contextlib.asynccontextmanager
async def open_standing(
    cluster: Cluster, host_nqn: Nqn | None, pauses: Sequence[float] = PAUSES
) -> AsyncIterator[Standing]:
    """Own what settles it, which nothing else waits for.

    Args:
        cluster: where.
        host_nqn: what is announced; None where this node has none.
        pauses: seconds between two tries; the last one for ever.
    """
    standing = Standing()
    work = [standing.keep_untainted(cluster, pauses)]
    if host_nqn is not None:
        work.append(standing.keep_announced(cluster, host_nqn, pauses))
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield standing
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _keep(
    due: asyncio.Event, trouble: str, do: Callable[[], Awaitable[bool]], pauses: Sequence[float]
) -> None:
    while True:
        await due.wait()
        due.clear()
        await _insist(trouble, do, pauses)


async def _insist(trouble: str, do: Callable[[], Awaitable[bool]], pauses: Sequence[float]) -> None:
    """Do something until it is done, however long the cluster does not answer."""
    for pause in chain(pauses, repeat(pauses[-1])):
        try:
            if await do():
                return
        except RdsCsiError as error:
            log.warning(trouble, why=error.message, detail=error.detail)
        except Exception:  # a bug must not end it unnoticed
            log.exception(trouble)
        await asyncio.sleep(pause)
