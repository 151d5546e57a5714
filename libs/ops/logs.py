"""Logging: structlog, one JSON object a line, or a readable line on a terminal.

Which level says what is written down in docs/logs.md.
"""

import logging
import sys
from collections.abc import Mapping
from typing import Any

import structlog

from libs.core.security import SecurityEvent, Severity


def mark_security(_: object, __: str, facts: structlog.typing.EventDict) -> Mapping[str, Any]:
    """Put security events into a stream of their own, with the severity from the one table."""
    kind = facts.get("security")
    if kind is None:
        return facts
    try:
        severity = SecurityEvent(kind).severity
    except ValueError:  # a test finds such a mistake; until then the line must not be lost
        severity = Severity.ERROR
    return {**facts, "stream": "security", "severity": severity.name.lower()}


def configure_logging(level: str, form: str) -> None:
    """Send our own records and those of libraries to standard error, at `level` and above.

    Can be called again, to change the level while the process runs.

    Args:
        level: debug, info, warning or error.
        form: `json`, or `console` for people.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        mark_security,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(),
            exception_formatter=structlog.dev.plain_traceback,  # others print local variables
        )
        if form == "console"
        else structlog.processors.JSONRenderer(ensure_ascii=False)
    )
    structlog.configure(
        processors=[*shared, structlog.processors.format_exc_info, renderer]
        if form == "json"
        else [*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *([structlog.processors.format_exc_info] if form == "json" else []),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(max(number, logging.WARNING))  # libraries speak only when something is wrong
    logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)  # libs.ops.tracing tells it once
    for noisy in ("asyncssh", "grpclib"):
        # Our own lines report what these see, with the call that it belongs to.
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("grpclib.server").setLevel(logging.CRITICAL)
