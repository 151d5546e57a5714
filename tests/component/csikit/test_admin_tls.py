"""Who gets in to an admin API over TCP, and who does not."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog
from grpclib.client import Channel

from libs.core.errors import (
    InUse,
    InvalidRequest,
    OutcomeUnknown,
    RdsCsiError,
    Refused,
    Unreachable,
)
from libs.csikit.calls import Calls
from libs.csikit.channel import open_admin_channel, peer_errors
from libs.csikit.endpoint import TcpAddress, parse_address
from libs.csikit.server import open_admin_server
from protos.gen.grpc.health import v1 as health
from protos.gen.rdscsi.controller import v1 as admin
from tests.component.csikit.admin_rig import LOOPBACK, Served, Toy, detach, serve_admin
from tests.component.csikit.pki import Mounted, Pki

REFUSED = (OutcomeUnknown, Unreachable)
"""What a client sees whose certificate is not accepted depends on the version of TLS."""


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve_admin(tmp_path) as served:
        yield served


async def test_a_client_with_a_certificate_of_the_authority_gets_in(served: Served) -> None:
    assert await served.ask() == "pvc-1"


async def test_a_call_is_logged_in_one_line_with_the_caller_the_reason_and_what_was_done(
    served: Served,
) -> None:
    pair = served.pki.issue("someone", ["spiffe://cluster/reconciler"])

    with structlog.testing.capture_logs() as lines:
        await served.ask(served.client(pair).files)

    (line,) = [line for line in lines if line["event"] == "rpc"]
    assert line["caller"] == "spiffe://cluster/reconciler"
    assert (line["volume_id"], line["reason"], line["done"]) == ("pvc-1", "a test", "nothing")


async def test_a_client_without_a_certificate_gets_nowhere(served: Served) -> None:
    context = ssl.create_default_context(cafile=served.mounted.files.authority)
    context.set_alpn_protocols(["h2"])
    channel = Channel("127.0.0.1", served.address.port, ssl=context)
    try:
        with pytest.raises(RdsCsiError) as caught, peer_errors():
            await admin.ControllerAdminStub(channel, timeout=10).detach(admin.DetachRequest())
    finally:
        channel.close()

    assert isinstance(caught.value, REFUSED)


async def test_a_client_without_tls_gets_nowhere(served: Served) -> None:
    async with open_admin_channel(served.address) as channel:
        with pytest.raises(REFUSED):
            await detach(channel)


async def test_a_client_of_another_authority_gets_nowhere(served: Served) -> None:
    stranger = served.client(Pki().issue("reconciler"), served.pki)

    with pytest.raises(REFUSED):
        await served.ask(stranger.files)


async def test_a_client_whose_certificate_has_expired_gets_nowhere(served: Served) -> None:
    late = served.client(served.pki.issue("reconciler", expired=True))

    with pytest.raises(REFUSED):
        await served.ask(late.files)


async def test_a_certificate_for_servers_is_none_for_clients(served: Served) -> None:
    wrong = served.client(served.pki.issue("reconciler", server=True))

    with pytest.raises(REFUSED):
        await served.ask(wrong.files)


async def test_a_server_of_another_authority_is_not_spoken_to(served: Served) -> None:
    suspicious = served.client(None, Pki())

    with pytest.raises(Unreachable):
        await served.ask(suspicious.files)


async def test_a_server_with_another_name_is_not_spoken_to(tmp_path: Path) -> None:
    pki = Pki()
    pair = pki.issue("127.0.0.1", ["controller"], server=True)
    async with serve_admin(tmp_path, pair, pki=pki) as served:
        with pytest.raises(Unreachable):
            await served.ask()
        with pytest.raises(Unreachable):
            await served.ask(server_name="another")

        assert await served.ask(server_name="controller") == "pvc-1"


async def test_a_server_whose_certificate_has_expired_is_not_spoken_to(tmp_path: Path) -> None:
    pki = Pki()
    pair = pki.issue("api", ["127.0.0.1"], server=True, expired=True)
    async with serve_admin(tmp_path, pair, pki=pki) as served:
        with pytest.raises(Unreachable):
            await served.ask()


@pytest.mark.parametrize("name", ["sre", "sre.example.org", "spiffe://cluster/sre"])
async def test_only_those_who_are_named_may_call_where_somebody_is(
    tmp_path: Path, name: str
) -> None:
    async with serve_admin(tmp_path, allowed=[name]) as served:
        sre = served.pki.issue("sre", ["sre.example.org", "spiffe://cluster/sre"])
        other = served.pki.issue("intern", ["intern.example.org"])

        allowed = await served.ask(served.client(sre).files)
        with pytest.raises(Refused, match=r"of intern\.example\.org, intern, who may not call"):
            await served.ask(served.client(other).files)

        assert allowed == "pvc-1"


async def test_who_may_not_call_learns_nothing_from_health_either(tmp_path: Path) -> None:
    async with (
        serve_admin(tmp_path, allowed=["sre"]) as served,
        served.channel() as channel,
    ):
        with pytest.raises(Refused), peer_errors():
            await health.HealthStub(channel).check(health.HealthCheckRequest())


async def test_nothing_is_served_to_others_without_tls_unless_that_is_wanted() -> None:
    everywhere = TcpAddress("", 0)

    with pytest.raises(InvalidRequest, match="without certificates"):
        async with open_admin_server((Toy(),), everywhere, Calls()):
            pass
    async with open_admin_server((Toy(),), everywhere, Calls(), insecure=True) as readiness:
        address = parse_address(readiness.address)
        assert isinstance(address, TcpAddress)
        async with open_admin_channel(TcpAddress("127.0.0.1", address.port)) as channel:
            assert await detach(channel) == "pvc-1"


async def test_a_unix_socket_and_loopback_need_no_certificates(tmp_path: Path) -> None:
    answers = []
    for address in (tmp_path / "admin.sock", LOOPBACK):
        async with open_admin_server((Toy(),), address, Calls()) as readiness:
            where = parse_address(readiness.address)
            async with open_admin_channel(where) as channel:
                answers.append(await detach(channel))

    assert answers == ["pvc-1", "pvc-1"]


async def test_an_address_that_is_taken_is_in_use(served: Served) -> None:
    with pytest.raises(InUse, match="another process is serving"):
        async with open_admin_server((Toy(),), served.address, Calls()):
            pass


@pytest.mark.parametrize("broken", ["certificate", "key", "authority"])
async def test_a_server_does_not_start_with_certificates_that_cannot_be_used(
    tmp_path: Path, broken: str
) -> None:
    pki = Pki()
    mounted = Mounted(tmp_path / "server").put(pki.issue("api", server=True), pki)
    getattr(mounted.files, broken).write_text("nothing of the kind")

    with pytest.raises(InvalidRequest, match="cannot be used"):
        async with open_admin_server((Toy(),), LOOPBACK, Calls(), tls=mounted.files):
            pass


async def test_a_connection_that_says_nothing_does_not_hold_up_others(served: Served) -> None:
    _, silent = await asyncio.open_connection("127.0.0.1", served.address.port)
    try:
        assert await served.ask() == "pvc-1"
    finally:
        silent.close()
        await silent.wait_closed()
