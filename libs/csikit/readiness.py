"""What the gRPC health service says of a server and of what it serves."""

from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING

from grpclib.health.check import CheckBase, ServiceCheck, ServiceStatus
from grpclib.health.service import OVERALL, Health

if TYPE_CHECKING:
    from grpclib._typing import IServable

_HEALTH_SECONDS = 1
"""Between two looks whether the process can serve, for the gRPC health service."""


class Readiness:
    """What the gRPC health service says, of the whole process and of each of its services.

    Args:
        services: what is served.
        is_ready: says whether the process can serve; it can for as long as it runs, if left out.

    Attributes:
        address: where the server is reached.
    """

    def __init__(
        self,
        services: "Collection[IServable]" = (),
        is_ready: Callable[[], bool] | None = None,
    ) -> None:
        self.address = ""
        self._status = ServiceStatus()
        self._status.set(value=True)
        checks: list[CheckBase] = [self._status]
        if is_ready is not None:
            checks.append(_Live(is_ready))
        self.health = Health({OVERALL: checks, **dict.fromkeys(services, checks)})

    def set(self, *, ready: bool) -> None:
        """Say whether the process can serve."""
        self._status.set(value=ready)


class _Live(ServiceCheck):
    """Tells watchers of changes, and whoever asks what is true at that moment.

    grpclib's own tells the first watcher NOT_SERVING, since nothing has been looked at by then.
    """

    def __init__(self, is_ready: Callable[[], bool]) -> None:
        super().__init__(_asking(is_ready), check_ttl=_HEALTH_SECONDS)
        self._is_ready = is_ready

    def __status__(self) -> bool:
        return self._is_ready()


def _asking(is_ready: Callable[[], bool]) -> Callable[[], Awaitable[bool]]:
    async def ask() -> bool:
        return is_ready()

    return ask
