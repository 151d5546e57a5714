"""Tracing with OpenTelemetry: an optional extra, which is imported only where it is asked for."""

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import structlog

from libs.core.errors import InvalidRequest
from libs.core.spans import Span, Value

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

log = structlog.get_logger(__name__)

_FLUSH_SECONDS = 3
_GIVE_UP_SECONDS = 1


class _Telling:
    """An exporter that says once that spans cannot be sent, and once that they can again.

    The kit's own would say so for each batch, every few seconds for as long as it lasts.
    """

    def __init__(self, inner: "SpanExporter") -> None:
        self._inner = inner
        self._failing = False

    def export(self, spans: "Sequence[ReadableSpan]") -> "SpanExportResult":
        result = self._inner.export(spans)
        failing = result.name != "SUCCESS"
        if failing and not self._failing:
            log.warning("spans cannot be sent, and are lost meanwhile")
        if self._failing and not failing:
            log.info("spans are sent again")
        self._failing = failing
        return result

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)

    def shutdown(self) -> None:
        self._inner.shutdown()


class _Span:
    def __init__(self, inner: "trace.Span") -> None:
        self._inner = inner
        self.has_failed = False

    def set(self, **attributes: Value) -> None:
        self._inner.set_attributes(attributes)

    def fail(self, text: str) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 (optional)

        self.has_failed = True
        self._inner.set_status(Status(StatusCode.ERROR, text))


class OpenTelemetryTracer:
    """Sends spans to an OpenTelemetry collector; a `libs.core.spans.Tracer`.

    Args:
        service: the name of the service.
        version: its version.
        instance: of which of its replicas this is.
        exporter: where spans go.

    Raises:
        InvalidRequest: the extra is not installed.
    """

    def __init__(self, service: str, version: str, instance: str, exporter: "SpanExporter") -> None:
        from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 (optional)
        from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 (optional)
        from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 (optional)

        self._provider: TracerProvider = TracerProvider(
            resource=Resource.create(
                {
                    "service.name": service,
                    "service.version": version,
                    "service.instance.id": instance,
                }
            ),
            shutdown_on_exit=False,
        )
        # A thread of its own sends; one span more than it keeps up with is dropped, not waited for.
        self._exporter = _Telling(exporter)
        self._provider.add_span_processor(BatchSpanProcessor(cast("SpanExporter", self._exporter)))
        self._tracer = self._provider.get_tracer(service, version)

    @contextlib.contextmanager
    def span(
        self, name: str, attributes: Mapping[str, Value], parent: Mapping[str, str]
    ) -> Iterator[Span]:
        """Begin a span."""
        from opentelemetry.trace.propagation.tracecontext import (  # noqa: PLC0415 (optional)
            TraceContextTextMapPropagator,
        )

        above = TraceContextTextMapPropagator().extract(parent) if "traceparent" in parent else None
        with self._tracer.start_as_current_span(
            name,
            context=above,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        ) as inner:
            own = _Span(inner)
            try:
                yield own
            except BaseException as error:
                if not own.has_failed:  # only its type: its text is for the log, or for nobody
                    own.fail(type(error).__name__)
                raise

    def flush(self) -> None:
        """Send what waits to be sent; blocks."""
        self._provider.force_flush(_FLUSH_SECONDS * 1000)

    def close(self) -> None:
        """Send what is left; blocks for a few seconds at most."""
        # The kit's own limits count for each of many tries to send, and not for all of them.
        ending = threading.Thread(target=self._provider.shutdown, name="tracing", daemon=True)
        ending.start()
        ending.join(_FLUSH_SECONDS)
        if ending.is_alive():
            self._exporter.shutdown()
            ending.join(_GIVE_UP_SECONDS)


def make_tracer(endpoint: str, service: str, version: str, instance: str) -> OpenTelemetryTracer:
    """Return a tracer that sends to a collector.

    Args:
        endpoint: the collector's address for OTLP over HTTP, such as `http://collector:4318`.
        service: the name of the service.
        version: its version.
        instance: of which of its replicas this is.

    Raises:
        InvalidRequest: the extra is not installed.
    """
    try:
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415
            OTLPSpanExporter,
        )
    except ImportError as error:
        raise InvalidRequest(
            "--tracing-endpoint needs the extra `tracing` (in a checkout: pip install '.[tracing]')"
        ) from error
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_FLUSH_SECONDS
    )
    return OpenTelemetryTracer(service, version, instance, exporter)
