"""Health, reflection and the log lines of calls."""

import structlog
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpclib.reflection.v1.reflection_grpc import ServerReflectionStub
from grpclib.reflection.v1.reflection_pb2 import ServerReflectionRequest

from protos.gen.csi import v1 as csi
from tests.component.csikit.rig import Served


async def test_the_health_service_says_that_it_serves(served: Served) -> None:
    answer = await HealthStub(served.channel).Check(HealthCheckRequest(), timeout=20)

    assert answer.status == HealthCheckResponse.SERVING


async def test_reflection_knows_the_services_and_their_descriptors(served: Served) -> None:
    questions = [
        ServerReflectionRequest(list_services=""),
        ServerReflectionRequest(file_containing_symbol="csi.v1.Controller"),
    ]

    listed, described = await ServerReflectionStub(served.channel).ServerReflectionInfo(
        questions, timeout=20
    )

    names = {service.name for service in listed.list_services_response.service}
    assert {"csi.v1.Controller", "csi.v1.Identity", "grpc.health.v1.Health"} <= names
    (file,) = described.file_descriptor_response.file_descriptor_proto
    assert b"csi/v1/csi.proto" in file


async def test_a_call_leaves_one_line_that_names_it_and_no_secret(served: Served) -> None:
    request = csi.CreateVolumeRequest(name="data", secrets={"password": "hunter2"})
    with structlog.testing.capture_logs() as lines:
        await served.stub.create_volume(request, metadata={"x-call-id": "call-7"})
        served.controller.fail(RuntimeError("bug"))
        await served.failure()

    request_line, *_ = [line for line in lines if line["event"] == "request"]
    lines = [line for line in lines if line["event"] == "rpc"]
    assert request_line["fields"] == {"name": "data", "secrets": "***"}
    assert [(line["method"], line["code"], line["log_level"]) for line in lines] == [
        ("CreateVolume", "OK", "info"),
        ("CreateVolume", "INTERNAL", "error"),
    ]
    assert lines[0]["name"] == "data"
    assert "hunter2" not in repr((request_line, lines))
