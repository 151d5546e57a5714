"""The API server on a socket, with restarts."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, field

from aiohttp import web

from libs.mockkube.resources import NAMESPACES
from libs.mockkube.server import MockKube
from libs.mockkube.store import Store

DEFAULT_NAMESPACES = ("default", "kube-system", "kube-node-lease")


@dataclass
class RunningKube:
    """An API server that is listening. See `open_mock_kube`."""

    mock: MockKube
    host: str
    tls: ssl.SSLContext | None
    port: int = 0
    _runner: web.AppRunner | None = None
    _site: web.TCPSite | None = None
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def url(self) -> str:
        """Where it is."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.tls else 'http'}://{host}:{self.port}"

    async def start(self) -> None:
        """Listen, on the same port as before if there was one.

        Raises:
            OSError: the port is taken.
        """
        application = web.Application(client_max_size=4 * 2**20)
        application.router.add_route("*", "/{path:.*}", self.mock.handle)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner, self.host, self.port, ssl_context=self.tls, reuse_address=True
        )
        await site.start()
        self._site = site
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """Cut all connections off, and listen no more."""
        runner, self._runner = self._runner, None
        if runner is not None:
            self.mock.cut_all()
            await runner.cleanup()

    @contextlib.asynccontextmanager
    async def away(self, *, forgets: bool = False) -> AsyncIterator[None]:
        """Be away until the block ends.

        Args:
            forgets: whether it does not know afterwards what happened before, as a server whose
                watch cache starts empty.
        """
        async with self._lock:
            await self.stop()
            try:
                yield
            finally:
                if forgets:
                    self.mock.store.compact()
                await self.start()

    async def restart(self, seconds: float = 0.0, *, forgets: bool = False) -> None:
        """Be away for so many seconds."""
        async with self.away(forgets=forgets):
            await asyncio.sleep(seconds)


def add_namespaces(store: Store, names: Iterable[str] = DEFAULT_NAMESPACES) -> None:
    """Add namespaces, where they are missing."""
    target = store.target(NAMESPACES)
    for name in names:
        if name not in store.objects.get(NAMESPACES, {}):
            store.create(target, {"metadata": {"name": name}})


@contextlib.asynccontextmanager
async def open_mock_kube(
    mock: MockKube,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[RunningKube]:
    """Serve until the block ends.

    Args:
        mock: what to serve.
        host: the address to listen at.
        port: 0 takes a free one.
        tls: the server's certificate; None for plain HTTP.

    Raises:
        OSError: the port is taken.
    """
    running = RunningKube(mock, host, tls, port)
    await running.start()
    try:
        yield running
    finally:
        await running.stop()
