"""What tests in the machine share."""

import asyncio
from collections.abc import Awaitable, Callable

from grpclib import GRPCError
from grpclib.const import Status

from libs.core.ids import Nqn
from libs.nvmeof.fabrics_run import Limits
from libs.nvmeof.hostid import UUID_NQN, HostIdentity
from libs.nvmeof.model import Target
from tests.vm.nvmet import ADDRESS, PORT

DEADLINE = 60.0
"""Seconds for a call, or for something to come; code runs fifteen times slower in here."""
PREFIX = "nqn.2000-02.com.mikrotik"
NQN = Nqn(f"{PREFIX}:pvc-a")
_UUID = "11111111-1111-4111-8111-111111111111"
HOST = HostIdentity(Nqn(UUID_NQN + _UUID), _UUID)
_PASSING = frozenset({Status.ABORTED, Status.DEADLINE_EXCEEDED, Status.UNAVAILABLE})
QUICK = Limits(backoff=0.1, connect=30.0, settle=0.5, device=2.0)


def reach(nqn: Nqn = NQN, port: int = PORT) -> Target:
    return Target(nqn, ADDRESS, port, reconnect_delay=1)


async def insist(call: Callable[[], Awaitable[object]]) -> None:
    """Call as the kubelet and the sidecars do: again, where the answer says that it may help."""
    while True:
        try:
            await call()
        except GRPCError as error:
            if error.status not in _PASSING:
                raise
            await asyncio.sleep(0.5)  # their pause
        else:
            return


async def until(condition: Callable[[], Awaitable[bool]], seconds: float = DEADLINE) -> None:
    async with asyncio.timeout(seconds):
        while not await condition():  # noqa: ASYNC110 (the kernel tells nobody)
            await asyncio.sleep(0.05)
