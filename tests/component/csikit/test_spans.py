"""What a trace shows of calls: one span each, below the caller's, and what it did below that."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from grpclib import GRPCError
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest

from libs.core.errors import Busy
from libs.core.spans import tracing
from libs.csikit.keylock import open_keyed_tasks
from libs.nvmeof.errors import ToolFailed
from libs.nvmeof.process import run_tool
from protos.gen.csi import v1 as csi
from tests.component.csikit.rig import Served, serve
from tests.unit.core.tracer import Recorder

CREATE = "csi.v1.Controller/CreateVolume"
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def recorder() -> Iterator[Recorder]:
    recorder = Recorder()
    with tracing(recorder):
        yield recorder


async def test_a_call_is_one_span_with_its_code_and_what_it_was_about(
    served: Served, recorder: Recorder
) -> None:
    request = csi.CreateVolumeRequest(name="data", secrets={"password": "hunter2"})

    await served.stub.create_volume(request, metadata={"x-call-id": "call-7"})

    (own,) = recorder.spans
    assert own.name == CREATE
    assert own.attributes == {
        "rpc.system": "grpc",
        "call": "call-7",
        "code": "OK",
        "name": "data",
    }
    assert (own.failure, own.ended) == ("", True)
    assert "hunter2" not in repr(recorder.spans)


async def test_a_call_that_fails_is_a_span_that_failed_with_the_code(
    served: Served, recorder: Recorder
) -> None:
    served.controller.fail(Busy("an operation on volume data is in progress"))

    with pytest.raises(GRPCError):
        await served.create()

    (own,) = recorder.spans
    assert (own.failure, own.attributes["code"]) == ("ABORTED", "ABORTED")


async def test_the_callers_trace_goes_on(served: Served, recorder: Recorder) -> None:
    await served.stub.create_volume(
        csi.CreateVolumeRequest(name="data"), metadata={"traceparent": PARENT}
    )

    assert [span.parent for span in recorder.spans] == [{"traceparent": PARENT}]


async def test_probes_and_questions_about_the_server_make_no_spans(
    served: Served, recorder: Recorder
) -> None:
    await HealthStub(served.channel).Check(HealthCheckRequest(), timeout=20)
    await csi.IdentityStub(served.channel, timeout=20).probe(csi.ProbeRequest())

    assert recorder.spans == []


async def test_what_runs_in_a_task_of_the_service_is_below_its_call(
    tmp_path: Path, recorder: Recorder
) -> None:
    async with open_keyed_tasks(5) as tasks, serve(tmp_path) as served:

        async def create(message: csi.CreateVolumeRequest) -> csi.CreateVolumeResponse:
            async def work() -> csi.CreateVolumeResponse:
                await run_tool(("true",), limit=10)
                return await served.controller.echo(message)

            return await tasks.run(message.name, work)

        served.controller.work = create
        await served.create()

    (command,) = recorder.named("host command")
    assert command.above == CREATE
    assert command.attributes == {"program": "true", "code": 0}


async def test_a_host_command_is_one_span_without_its_arguments(recorder: Recorder) -> None:
    with pytest.raises(ToolFailed):
        await run_tool(("sh", "-c", "exit 3", "a-secret"), limit=10)

    (command,) = recorder.spans
    assert command.attributes == {"program": "sh", "code": 3}
    assert "a-secret" not in repr(recorder.spans)
