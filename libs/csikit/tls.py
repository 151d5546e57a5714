"""Mutual TLS from files that are replaced while the process runs."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from libs.core.errors import InvalidRequest, RdsCsiError
from libs.core.security import SecurityEvent, record

log = structlog.get_logger(__name__)

POLL_SECONDS = 5.0
"""Seconds between two looks at the files. The kubelet replaces all files of a mounted Secret at
once, by one symbolic link (`..data`), which no watch of the files themselves would notice."""

GOODBYE_SECONDS = 1.0
"""Seconds that a connection which ends waits for the peer's goodbye; asyncio would wait half a
minute."""

Stamp = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files.

    Attributes:
        certificate: our own certificate, and what stands between it and the authority.
        key: its private key, without a passphrase.
        authority: the certificates of the authorities that a peer's must come from.
    """

    certificate: Path
    key: Path
    authority: Path


def server_context(files: TlsFiles) -> ssl.SSLContext:
    """Return what a server needs that nobody gets in to without a certificate.

    Raises:
        InvalidRequest: the files cannot be read, or do not belong together.
    """
    context = _context(ssl.PROTOCOL_TLS_SERVER, files)
    context.verify_mode = ssl.CERT_REQUIRED
    # No resumption: each connection shows its certificate, and is checked against today's files.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    return context


def client_context(files: TlsFiles) -> ssl.SSLContext:
    """Return what a client needs that shows its certificate, and checks the server and its name.

    Raises:
        InvalidRequest: the files cannot be read, or do not belong together.
    """
    return _context(ssl.PROTOCOL_TLS_CLIENT, files)


def _context(protocol: int, files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(protocol)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["h2"])  # grpc-go refuses a server that does not choose it
    try:
        # A key with a passphrase would have OpenSSL ask for it on the terminal.
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise InvalidRequest(
            f"the certificate {files.certificate} and the key {files.key} cannot be used",
            detail=str(error),
        ) from error
    try:
        context.load_verify_locations(files.authority)
    except (OSError, ValueError) as error:
        raise InvalidRequest(
            f"the certificate authority {files.authority} cannot be used", detail=str(error)
        ) from error
    return context


Build = Callable[[TlsFiles], ssl.SSLContext]


class Rotation:
    """A TLS context that is made anew when its files change. See `open_rotation`.

    Attributes:
        context: the newest one that could be made.
    """

    def __init__(
        self, files: TlsFiles, build: Build, stamp: Stamp, context: ssl.SSLContext
    ) -> None:
        self.context = context
        self._files = files
        self._build = build
        self._stamp = stamp
        self._problem = ""

    async def look(self) -> bool:
        """Read the files if they have changed; return whether there is a new context.

        Files that cannot be used leave the old one in force.
        """
        try:
            stamp = await asyncio.to_thread(_stamp, self._files)
            if stamp == self._stamp:
                return False
            context, stamp = await asyncio.to_thread(_load, self._files, self._build)
        except (RdsCsiError, OSError) as error:
            self._note_failure(error)
            return False
        self._problem = ""
        self.context, self._stamp = context, stamp
        log.info("certificates read anew", certificate=str(self._files.certificate))
        return True

    def _note_failure(self, error: Exception) -> None:
        problem = f"{error} {getattr(error, 'detail', '')}"
        if problem == self._problem:
            return  # said already
        self._problem = problem
        record(
            log,
            SecurityEvent.CERTIFICATE_UNUSABLE,
            "new certificates are not usable; the old ones stay in force",
            reason=problem,
        )


def _load(files: TlsFiles, build: Build) -> tuple[ssl.SSLContext, Stamp]:
    """Read files that belong together: all from before a replacement, or all from after it."""
    before = _stamp(files)
    context = build(files)
    if _stamp(files) != before:
        raise InvalidRequest("the certificates were replaced while they were read")
    return context, before


def _stamp(files: TlsFiles) -> Stamp:
    states = [path.stat() for path in (files.certificate, files.key, files.authority)]
    return tuple((state.st_ino, state.st_mtime_ns, state.st_size) for state in states)


@contextlib.asynccontextmanager
async def open_rotation(
    files: TlsFiles,
    build: Build,
    on_change: Callable[[ssl.SSLContext], Awaitable[None]] | None = None,
    every: float = POLL_SECONDS,
) -> AsyncIterator[Rotation]:
    """Own a context, and look after its files until the block ends.

    Args:
        files: what it is made of.
        build: makes it: `server_context` or `client_context`.
        on_change: told of each new one.
        every: seconds between two looks.

    Raises:
        InvalidRequest: the files cannot be used now.
    """
    try:
        context, stamp = await asyncio.to_thread(_load, files, build)
    except OSError as error:
        raise InvalidRequest(
            "the files with certificate, key and certificate authority cannot be read",
            detail=str(error),
        ) from error
    rotation = Rotation(files, build, stamp, context)
    task = asyncio.create_task(_keep_looking(rotation, on_change, every))
    try:
        yield rotation
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def _keep_looking(
    rotation: Rotation,
    on_change: Callable[[ssl.SSLContext], Awaitable[None]] | None,
    every: float,
) -> None:
    told = rotation.context
    while True:
        await asyncio.sleep(every)
        try:
            await rotation.look()
            if rotation.context is not told and on_change is not None:
                await on_change(rotation.context)
            told = rotation.context
        except Exception:  # certificates that are not looked after any more end in an outage
            log.exception("certificates not looked after; this is tried again")
