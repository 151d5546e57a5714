"""Candidates for a Lease, and the time that passes for them."""

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

from libs.kube.client import open_kube
from libs.kube.lease import Election, open_election
from libs.kube.leasing import LeaseOptions
from tests.fakes.apiserver import ApiServer
from tests.waiting import until

LEASES = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
DURATION, DEADLINE = 90.0, 60.0


class Clock:
    """Time that stands still until a test lets it pass: no term ends because a machine is slow."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextlib.asynccontextmanager
async def candidate(
    api: ApiServer,
    name: str,
    clock: Callable[[], float],
    times: tuple[float, float] = (DURATION, DEADLINE),
) -> AsyncIterator[Election]:
    options = LeaseOptions("default", "reconciler", name, *times, retry=0.1)
    async with (
        open_kube(api.kubeconfig) as kube,
        open_election(kube, options, clock=clock) as election,
    ):
        yield election


async def some_requests(api: ApiServer, verb: str = "", count: int = 3) -> None:
    """Wait until so many more requests have come, whatever becomes of them.

    Args:
        api: counts those of a verb only where it answers as it should.
        verb: of the requests; any.
        count: how many.
    """

    def come() -> int:
        return (
            sum(request.startswith(verb) for request in api.requests) if verb else len(api.tokens)
        )

    before = come()
    await until(lambda: come() >= before + count, "requests come")


def spec(api: ApiServer) -> dict[str, Any]:
    found: dict[str, Any] = api.objects[LEASES]["reconciler"]["spec"]
    return found
