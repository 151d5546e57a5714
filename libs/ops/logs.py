"""Logging: structlog, one JSON object a line, or a readable line on a terminal."""

import logging
import sys

import structlog


def configure_logging(level: str, form: str) -> None:
    """Send our own records and those of libraries to standard error, at `level` and above.

    Args:
        level: debug, info, warning or error.
        form: `json`, or `console` for people.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
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
    for noisy in ("asyncssh", "grpclib"):
        # Our own lines report what these see, with the call that it belongs to.
        logging.getLogger(noisy).setLevel(logging.ERROR)
    logging.getLogger("grpclib.server").setLevel(logging.CRITICAL)
