"""gRPC's own client, on its C core, at an admin API: it has TLS, HTTP/2 and rules of its own."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from libs.csikit.tls import TlsFiles
from protos.gen.grpc.health import v1 as health
from protos.gen.grpc.reflection import v1 as reflection
from protos.gen.grpc.reflection import v1alpha as reflection_alpha
from protos.gen.rdscsi.controller import v1 as admin
from tests.component.csikit.admin_rig import Served, serve_admin

grpc = pytest.importorskip("grpc", reason="grpcio comes with the development environment")

SERVICE = "rdscsi.controller.v1.ControllerAdmin"
LIMIT = 30.0


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serve_admin(tmp_path) as served:
        yield served


def channel_to(served: Served, files: TlsFiles) -> Any:
    credentials = grpc.ssl_channel_credentials(
        root_certificates=files.authority.read_bytes(),
        private_key=files.key.read_bytes(),
        certificate_chain=files.certificate.read_bytes(),
    )
    return grpc.aio.secure_channel(f"127.0.0.1:{served.address.port}", credentials)


async def ask(channel: Any, path: str, message: Any, kind: Any) -> Any:
    """Make a call with one answer."""
    call = channel.unary_unary(path, request_serializer=bytes, response_deserializer=kind.parse)
    return await call(message, timeout=LIMIT)


async def test_it_gets_in_with_a_certificate(served: Served) -> None:
    async with channel_to(served, served.client().files) as channel:
        message = admin.DetachRequest(volume_id="pvc-1", reason="a test")

        answer = await ask(channel, f"/{SERVICE}/Detach", message, admin.DetachResponse())

    assert answer.summary == "pvc-1"


async def test_it_does_not_get_in_with_one_of_another_authority(
    served: Served, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    async with serve_admin(tmp_path / "other") as other:
        stranger = served.client(other.pki.issue("reconciler"), served.pki)
        async with channel_to(served, stranger.files) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await ask(
                    channel, f"/{SERVICE}/Detach", admin.DetachRequest(), admin.DetachResponse()
                )

    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


async def test_it_is_told_health_and_by_reflection_of_all_services(served: Served) -> None:
    async with channel_to(served, served.client().files) as channel:
        checked = await ask(
            channel,
            "/grpc.health.v1.Health/Check",
            health.HealthCheckRequest(service=SERVICE),
            health.HealthCheckResponse(),
        )
        listed = {}
        for package in (reflection, reflection_alpha):
            version = package.__name__.rpartition(".")[2]
            call = channel.stream_stream(
                f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
                request_serializer=bytes,
                response_deserializer=package.ServerReflectionResponse().parse,
            )(timeout=LIMIT)
            await call.write(package.ServerReflectionRequest(list_services=""))
            await call.done_writing()
            answer = await call.read()
            listed[version] = {one.name for one in answer.list_services_response.service}

    assert checked.status is health.HealthCheckResponseServingStatus.SERVING
    assert all({SERVICE, "grpc.health.v1.Health"} <= names for names in listed.values())
    assert set(listed) == {"v1", "v1alpha"}


async def test_its_watch_is_told_when_the_server_shuts_down(tmp_path: Path) -> None:
    async with asyncio.timeout(LIMIT):
        async with serve_admin(tmp_path, drain=60.0) as served:
            channel = channel_to(served, served.client().files)
            call = channel.unary_stream(
                f"/{SERVICE}/WatchConnections",
                request_serializer=bytes,
                response_deserializer=admin.WatchConnectionsResponse().parse,
            )(admin.WatchConnectionsRequest())
            served.toy.queue.put_nowait("rds")
            first = await call.read()

        code = await call.code()
        await channel.close()

    assert first.connections[0].device == "rds"
    assert code is grpc.StatusCode.UNAVAILABLE
