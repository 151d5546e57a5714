"""Tracing with OpenTelemetry: what is sent, and what it costs where nobody asked for it."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanContext, StatusCode
from structlog.testing import capture_logs

from libs.core.spans import span, tracing
from libs.ops.settings import Program
from libs.ops.telemetry import Telemetry, TelemetrySettings, open_telemetry
from libs.ops.tracing import OpenTelemetryTracer, make_tracer
from tests.component.ops.collector import open_collector, texts
from tests.component.ops.scraping import free_address
from tests.waiting import PATIENCE

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
HEADERS = {"traceparent": f"00-{TRACE}-{PARENT}-01"}
PROGRAM = Program("a-service", "About.", "1.2.3")


class Moody(InMemorySpanExporter):
    """An exporter that works when it is told to."""

    works = True

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        return super().export(spans) if self.works else SpanExportResult.FAILURE


class Traced:
    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer = OpenTelemetryTracer("a-service", "1.2.3", "host-1", self.exporter)

    def spans(self) -> Mapping[str, ReadableSpan]:
        self.tracer.close()
        return {own.name: own for own in self.exporter.get_finished_spans()}


def id_of(context: SpanContext | None) -> int:
    assert context is not None
    return context.span_id


@contextmanager
def traced() -> Iterator[Traced]:
    traced = Traced()
    with tracing(traced.tracer):
        yield traced


def test_spans_nest_and_say_what_was_done_by_whom() -> None:
    with traced() as there, span("call", {"call": "1"}) as own:
        with span("command", {"program": "mount"}):
            pass
        own.set(code="OK")

    spans = there.spans()
    call, command = spans["call"], spans["command"]
    assert dict(call.attributes or {}) == {"call": "1", "code": "OK"}
    assert call.parent is None
    assert id_of(command.parent) == id_of(call.get_span_context())
    about = call.resource.attributes
    assert about["service.name"] == "a-service"
    assert about["service.version"] == "1.2.3"
    assert about["service.instance.id"] == "host-1"


def test_a_span_goes_on_below_the_callers() -> None:
    with traced() as there, span("call", {}, HEADERS):
        pass

    parent = there.spans()["call"].parent
    assert parent is not None
    assert (f"{parent.trace_id:032x}", f"{parent.span_id:016x}") == (TRACE, PARENT)


def test_a_header_that_makes_no_sense_begins_a_trace_of_its_own() -> None:
    with traced() as there, span("call", {}, {"traceparent": "nonsense"}):
        pass

    assert there.spans()["call"].parent is None


def break_down(*, known: str = "") -> None:
    with span("call", {}) as own:
        if known:
            own.fail(known)
        raise RuntimeError("a secret")


@pytest.mark.parametrize(("known", "shown"), [("INTERNAL", "INTERNAL"), ("", "RuntimeError")])
def test_a_failure_is_a_state_of_the_span_and_no_text_of_an_exception(
    known: str, shown: str
) -> None:
    with traced() as there, pytest.raises(RuntimeError):
        break_down(known=known)

    failed = there.spans()["call"]
    assert (failed.status.status_code, failed.status.description) == (StatusCode.ERROR, shown)
    assert "a secret" not in failed.to_json()


async def test_tasks_of_a_call_go_on_below_it_and_calls_at_once_do_not_mix() -> None:
    async def call(name: str) -> None:
        with span(name, {}):
            await asyncio.create_task(command(f"command of {name}"))

    async def command(name: str) -> None:
        await asyncio.sleep(0)
        with span(name, {}):
            await asyncio.sleep(0)

    with traced() as there:
        await asyncio.gather(call("one"), call("two"))

    spans = there.spans()
    for name in ("one", "two"):
        own = spans[name].get_span_context()
        assert id_of(spans[f"command of {name}"].parent) == id_of(own)


async def test_a_collector_gets_spans_over_http() -> None:
    async with open_collector() as collector:
        settings = TelemetrySettings(tracing_endpoint=collector.endpoint)
        async with open_telemetry(Telemetry(), settings, PROGRAM, "host-1"):
            with span("call", {"call": "1"}):
                pass

        (call,) = collector.named("call")
        assert texts(list(call.attributes)) == {"call": "1"}
        assert collector.resources[0]["service.instance.id"] == "host-1"


async def test_a_collector_that_is_away_holds_nobody_up_and_is_told_of_once() -> None:
    tracer = await asyncio.to_thread(
        make_tracer, f"http://{free_address()}", "a-service", "1.2.3", "host-1"
    )
    with capture_logs() as lines, tracing(tracer):
        started = time.monotonic()
        for _ in range(3000):
            with span("call", {}):
                pass
        worked = time.monotonic() - started
        await asyncio.to_thread(tracer.close)
        ended = time.monotonic() - started

    assert worked < PATIENCE
    assert ended < PATIENCE
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("spans cannot be sent, and are lost meanwhile", "warning")
    ]


def test_a_collector_that_is_back_is_told_of_too() -> None:
    exporter = Moody()
    tracer = OpenTelemetryTracer("a-service", "1.2.3", "host-1", exporter)
    with capture_logs() as lines, tracing(tracer):
        for works in (False, False, True, True):
            exporter.works = works
            with span("call", {}):
                pass
            tracer.flush()
    tracer.close()

    assert [line["event"] for line in lines] == [
        "spans cannot be sent, and are lost meanwhile",
        "spans are sent again",
    ]


def test_nothing_of_it_is_imported_where_it_is_not_asked_for() -> None:
    code = (
        "import sys, services.controller.app, services.node.app, services.reconciler.app\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )

    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    )

    assert done.stdout.strip() == "[]"


def test_without_the_extra_it_is_a_sentence_and_no_trace() -> None:
    code = (
        "import sys\n"
        "sys.modules['opentelemetry.exporter.otlp.proto.http.trace_exporter'] = None\n"
        "from libs.core.errors import InvalidRequest\n"
        "from libs.ops.tracing import make_tracer\n"
        "try:\n"
        "    make_tracer('http://127.0.0.1:4318', 'a', '1', 'b')\n"
        "except InvalidRequest as error:\n"
        "    print(error.message)\n"
    )

    done = subprocess.run(  # noqa: S603 (our own code)
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=50
    )

    assert "needs the extra `tracing` (in a checkout: pip install '.[tracing]')" in done.stdout


def test_a_span_costs_next_to_nothing_where_nobody_traces() -> None:
    started = time.process_time()
    for _ in range(100_000):
        with span("call", {}):
            pass

    assert (time.process_time() - started) / 100_000 < 20e-6
