"""Tracing with OpenTelemetry: an optional extra, which is imported only where it is asked for."""

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from libs.core.errors import InvalidRequest
from libs.core.spans import Span, Value

if TYPE_CHECKING:
    from opentelemetry import trace
    from opentelemetry.sdk.trace.export import SpanExporter

_FLUSH_SECONDS = 3


class _Span:
    def __init__(self, inner: "trace.Span") -> None:
        self._inner = inner

    def set(self, **attributes: Value) -> None:
        self._inner.set_attributes(attributes)

    def fail(self, text: str) -> None:
        from opentelemetry.trace import Status, StatusCode  # noqa: PLC0415 (optional)

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
        self._provider.add_span_processor(BatchSpanProcessor(exporter))
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
            name, context=above, attributes=attributes, record_exception=False
        ) as inner:
            yield _Span(inner)

    def close(self) -> None:
        """Send what is left; blocks for a few seconds at most."""
        self._provider.force_flush(_FLUSH_SECONDS * 1000)
        self._provider.shutdown()


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
            "--tracing-endpoint needs the extra `tracing` (pip install rds-csi[tracing])"
        ) from error
    exporter = OTLPSpanExporter(
        endpoint=f"{endpoint.rstrip('/')}/v1/traces", timeout=_FLUSH_SECONDS
    )
    return OpenTelemetryTracer(service, version, instance, exporter)
