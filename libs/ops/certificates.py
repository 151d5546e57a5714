"""When the certificates of this process end, as a metric: an alert can ask for new ones in time."""

import asyncio
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

import structlog

from libs.core.errors import InvalidRequest
from libs.ops.metrics import Metrics
from libs.ops.x509 import read_ends

log = structlog.get_logger(__name__)

CACHE_SECONDS = 60.0
_TIMEOUT_SECONDS = 1.0
_LARGEST = 1 << 20
"""Bytes of the largest file that is read; a public bundle of authorities has a few hundred KiB."""

Pick = Callable[[Iterable[datetime]], datetime]


def show_certificates(
    metrics: Metrics,
    certificates: Iterable[Path | None],
    authorities: Iterable[Path | None],
    *,
    cache_seconds: float = CACHE_SECONDS,
) -> None:
    """Have it shown when certificates end; None is a file that is not configured.

    Files are read before a scrape, so new ones count from then on. One that cannot be read is not
    shown, and a line in the log says why.

    Args:
        metrics: where it is shown.
        certificates: files with a certificate that is shown to others, and those between it and
            the authority: the first of them to end ends the connection.
        authorities: files with the authorities that others are checked against: the last of them to
            end, since an old one and its successor stand side by side for a while.
        cache_seconds: how long what was read is good enough.
    """
    wanted: dict[Path, Pick] = {path: max for path in authorities if path}
    wanted |= {path: min for path in certificates if path}
    if not wanted:
        return
    expiry = _Expiry(wanted)
    metrics.read_gauge(
        "certificate_expiry_timestamp_seconds",
        "When the certificate in a file ends; of authorities, the last one",
        ("file",),
        expiry.read,
    )
    metrics.on_scrape(expiry.refresh, cache_seconds=cache_seconds, timeout_seconds=_TIMEOUT_SECONDS)


class _Expiry:
    def __init__(self, wanted: dict[Path, Pick]) -> None:
        self._wanted = wanted
        self._ends: dict[tuple[str, ...], float] = {}
        self._problems: dict[Path, str] = {}

    def read(self) -> dict[tuple[str, ...], float]:
        """Return when each file's certificate ends, in seconds since 1970."""
        return dict(self._ends)

    async def refresh(self) -> None:
        """Read all files anew."""
        found: dict[tuple[str, ...], float] = {}
        for path, pick in self._wanted.items():
            try:
                end = await asyncio.to_thread(_read, path, pick)
            except (OSError, InvalidRequest) as error:
                self._note(path, f"{error} {getattr(error, 'detail', '')}".strip())
            else:
                self._problems.pop(path, None)
                found[str(path),] = end.timestamp()
        self._ends = found

    def _note(self, path: Path, problem: str) -> None:
        if self._problems.get(path) != problem:  # once, not with every scrape
            self._problems[path] = problem
            log.warning("certificate not readable", file=str(path), reason=problem)


def _read(path: Path, pick: Pick) -> datetime:
    with path.open("rb") as file:
        text = file.read(_LARGEST + 1)
    if len(text) > _LARGEST:
        raise InvalidRequest("the file is too large for certificates")
    return pick(read_ends(text.decode("ascii", errors="replace")))
