"""An admin API with nothing behind it, served over mutual TLS."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib import GRPCError

from libs.csikit.calls import Calls, note
from libs.csikit.channel import AdminChannel, open_admin_channel, peer_errors
from libs.csikit.endpoint import TcpAddress, parse_address
from libs.csikit.readiness import Readiness
from libs.csikit.server import open_admin_server
from libs.csikit.tls import TlsFiles
from protos.gen.rdscsi.controller import v1 as admin
from tests.component.csikit.pki import Mounted, Pki

POLL = 0.02
LOOPBACK = TcpAddress("127.0.0.1", 0)


class Toy(admin.ControllerAdminBase):
    """Answers calls with what it is asked, and streams what a test puts in."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[str] = asyncio.Queue()
        self.watching = asyncio.Event()

    async def detach(self, message: admin.DetachRequest) -> admin.DetachResponse:
        if message.volume_id == "stuck":
            await asyncio.Event().wait()
        note(done="nothing")
        return admin.DetachResponse(summary=message.volume_id)

    async def watch_connections(
        self,
        message: admin.WatchConnectionsRequest,  # noqa: ARG002 (fixed by the contract)
    ) -> AsyncIterator[admin.WatchConnectionsResponse]:
        self.watching.set()
        while True:
            name = await self.queue.get()
            yield admin.WatchConnectionsResponse(connections=[admin.Connection(device=name)])


@dataclass
class Served:
    """A server, the authority that it trusts, and where its certificates are mounted."""

    toy: Toy
    readiness: Readiness
    pki: Pki
    mounted: Mounted
    directory: Path
    clients: int = field(default=0)

    @property
    def address(self) -> TcpAddress:
        address = parse_address(self.readiness.address)
        assert isinstance(address, TcpAddress)
        return address

    def client(self, pair: tuple[bytes, bytes] | None = None, *authorities: Pki) -> Mounted:
        """Mount a client's certificate."""
        self.clients += 1
        mounted = Mounted(self.directory / f"client-{self.clients}")
        return mounted.put(pair or self.pki.issue("reconciler"), *(authorities or (self.pki,)))

    @contextlib.asynccontextmanager
    async def channel(
        self, tls: TlsFiles | None = None, **options: Any
    ) -> AsyncIterator[AdminChannel]:
        tls = tls or self.client().files
        async with open_admin_channel(self.address, tls, poll_seconds=POLL, **options) as channel:
            yield channel

    async def ask(self, tls: TlsFiles | None = None, **options: Any) -> str:
        """Connect, and make one call."""
        async with self.channel(tls, **options) as channel:
            return await detach(channel)


async def detach(channel: AdminChannel, volume: str = "pvc-1") -> str:
    with peer_errors():
        stub = admin.ControllerAdminStub(channel)
        answer = await stub.detach(admin.DetachRequest(volume_id=volume, reason="a test"))
    return answer.summary


@contextlib.asynccontextmanager
async def serve_admin(
    directory: Path,
    pair: tuple[bytes, bytes] | None = None,
    *,
    pki: Pki | None = None,
    address: TcpAddress = LOOPBACK,
    drain: float = 5.0,
    **options: Any,
) -> AsyncIterator[Served]:
    """Serve with a certificate for 127.0.0.1, or with the one that is given."""
    pki = pki or Pki()
    mounted = Mounted(directory / "server")
    mounted.put(pair or pki.issue("api", ["127.0.0.1", "controller"], server=True), pki)
    toy = Toy()
    async with open_admin_server(
        (toy,),
        address,
        Calls(**options),
        tls=mounted.files,
        drain_seconds=drain,
        poll_seconds=POLL,
    ) as readiness:
        yield Served(toy, readiness, pki, mounted, directory)


async def code_of(call: Any) -> str:
    """Return the name of the status that a call fails with."""
    try:
        await call
    except GRPCError as error:
        return error.status.name
    return "OK"
