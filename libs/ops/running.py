"""A service as a process: reading its settings, refusing wrong ones, and the exit code."""

import asyncio
import sys
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import structlog

from libs.core.errors import RdsCsiError
from libs.ops.hardening import forbid_core_dumps
from libs.ops.logs import configure_logging
from libs.ops.settings import Program, SettingsError, describe
from libs.ops.telemetry import TelemetrySettings

log = structlog.get_logger(__name__)

T = TypeVar("T", bound=TelemetrySettings)

_CANNOT_START = 1
_BAD_SETTINGS = 2


def run_service(
    program: Program,
    read: Callable[[], tuple[T, bool]],
    serve: Callable[[T], Coroutine[Any, Any, None]],
    show: Callable[[T], str] = describe,
) -> int:
    """Run a service until it is told to end; return the exit code.

    Args:
        program: which one.
        read: returns the settings, and whether they are only to be checked; raises SettingsError
            where they cannot be used.
        serve: serves with them until the process is told to end.
        show: what `--check-config` prints of them.
    """
    try:
        settings, only_check = read()
    except SettingsError as error:
        sys.stderr.write(f"{program.name}: {error}\n")
        return _BAD_SETTINGS
    if only_check:
        sys.stdout.write(f"{show(settings)}\n")
        return 0
    forbid_core_dumps()
    configure_logging(settings.log_level, settings.log_format)
    try:
        asyncio.run(serve(settings))
    except RdsCsiError as error:
        log.error("cannot start", error=error.message, detail=error.detail)  # noqa: TRY400 (a sentence, not a trace)
        return _CANNOT_START
    return 0


def unreadable(files: Mapping[str, Path | None]) -> Iterator[str]:
    """Yield, in words, which of the files that settings name cannot be read.

    Args:
        files: by the flags that name them; None for one that is not named.
    """
    for flag, path in files.items():
        try:
            if path is not None:
                path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            yield f"{flag}: {path} cannot be read: {error}"
