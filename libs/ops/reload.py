"""Reading the settings again while the process runs, for those that can change meanwhile."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any, Generic, TypeVar

import structlog

from libs.ops.settings import SettingsError, live_changes

log = structlog.get_logger(__name__)

T = TypeVar("T")

POLL_SECONDS = 5.0
"""Between two looks. A ConfigMap in a pod is a minute late anyway."""


class Reloader(Generic[T]):
    """Reads the settings again and again, and has the live ones applied. See `open_reload`.

    Args:
        first: the settings in force.
        read: reads them; blocking.
        apply: told the live ones that have changed, by name.
    """

    def __init__(
        self, first: T, read: Callable[[], T], apply: Callable[[dict[str, Any]], None]
    ) -> None:
        self._seen = first
        self._read = read
        self._apply = apply
        self._problem = ""

    async def look(self) -> None:
        """Read the settings once; settings that are wrong change nothing."""
        try:
            new = await asyncio.to_thread(self._read)
        except SettingsError as error:
            self._complain("; ".join(error.problems))
            return
        except OSError as error:
            self._complain(str(error))
            return
        self._problem = ""
        live, others = live_changes(self._seen, new)
        self._seen = new
        if live:
            log.info("settings changed", **{key: str(value) for key, value in live.items()})
            self._apply(live)
        if others:
            log.warning("settings need a restart to be in force", flags=list(others))

    def _complain(self, problem: str) -> None:
        if problem != self._problem:
            log.error("changed settings are wrong; the old ones stay in force", why=problem)
        self._problem = problem


@contextlib.asynccontextmanager
async def open_reload(
    first: T,
    read: Callable[[], T],
    apply: Callable[[dict[str, Any]], None],
    *,
    poll_seconds: float = POLL_SECONDS,
) -> AsyncIterator[None]:
    """Read the settings every few seconds until the block ends."""
    reloader = Reloader(first, read, apply)

    async def go_on() -> None:
        while True:
            await asyncio.sleep(poll_seconds)
            try:
                await reloader.look()
            except Exception:  # a change that could not be applied must not be the last one
                log.exception("settings not looked after; this is tried again")

    task = asyncio.create_task(go_on())
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
