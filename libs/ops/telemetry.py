"""What every service shows of itself: one block of settings, and one block of running parts."""

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from libs.core.spans import tracing
from libs.ops.health import Health
from libs.ops.logs import configure_logging
from libs.ops.metrics import Metrics
from libs.ops.pulse import open_pulse
from libs.ops.reload import POLL_SECONDS, open_reload
from libs.ops.settings import Program, choice, setting
from libs.ops.tracing import make_tracer
from libs.ops.web import open_web, parse_listen

_ENDPOINT = re.compile(r"https?://[A-Za-z0-9.\-_\[\]:]+/?", re.ASCII)


def _parse_address(text: str) -> str:
    if text:
        parse_listen(text)
    return text


def _parse_endpoint(text: str) -> str:
    if text and not _ENDPOINT.fullmatch(text):
        raise ValueError("must be http:// or https://, a host and a port, and nothing more")
    return text


@dataclass(frozen=True, kw_only=True)
class TelemetrySettings:
    """The settings that every service has for what it shows of itself."""

    metrics_address: str = setting(
        "HOST:PORT to serve /metrics, /healthz and /readyz at; nowhere by default",
        _parse_address,
        "",
    )
    tracing_endpoint: str = setting(
        "OpenTelemetry collector to send spans to, over HTTP, such as http://collector:4318; "
        "nothing is traced by default",
        _parse_endpoint,
        "",
    )
    log_level: str = setting(
        "least severe level to log",
        choice("debug", "info", "warning", "error"),
        "info",
        live=True,
    )
    log_format: str = setting(
        "log lines for machines or people", choice("json", "console"), "json", live=True
    )


T = TypeVar("T", bound=TelemetrySettings)


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What a service shows of itself.

    Attributes:
        metrics: its numbers.
        health: whether it lives and can serve.
    """

    metrics: Metrics = field(default_factory=Metrics)
    health: Health = field(default_factory=Health)


@contextlib.asynccontextmanager
async def open_telemetry(
    telemetry: Telemetry, settings: TelemetrySettings, program: Program, instance: str
) -> AsyncIterator[tuple[str, int] | None]:
    """Show how the service is until the block ends; yield host and port of the endpoint, if any.

    Raises:
        InvalidRequest: the address is none of this host, or tracing is not installed.
        InUse: somebody listens there.
    """
    async with contextlib.AsyncExitStack() as stack:
        if settings.tracing_endpoint:
            tracer = await asyncio.to_thread(
                make_tracer, settings.tracing_endpoint, program.name, program.version, instance
            )
            stack.push_async_callback(asyncio.to_thread, tracer.close)
            stack.enter_context(tracing(tracer))
        await stack.enter_async_context(open_pulse(telemetry.metrics))
        bound = None
        if settings.metrics_address:
            bound = await stack.enter_async_context(
                open_web(telemetry.metrics, settings.metrics_address, telemetry.health)
            )
        yield bound


@contextlib.asynccontextmanager
async def open_live_settings(
    settings: T, reread: Callable[[], T], *, poll_seconds: float = POLL_SECONDS
) -> AsyncIterator[None]:
    """Have changes of the live settings in force soon, until the block ends."""
    current = {"log_level": settings.log_level, "log_format": settings.log_format}

    def apply(changes: dict[str, Any]) -> None:
        current.update({key: value for key, value in changes.items() if key in current})
        configure_logging(current["log_level"], current["log_format"])

    async with open_reload(settings, reread, apply, poll_seconds=poll_seconds):
        yield
