"""Running the host's tools: the only place that starts processes. No shell, and always a deadline.

A tool that waits for a disk that is gone cannot be killed before the kernel lets go of it. It is
not waited for then: the caller is told, and the process is reaped whenever it ends.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import structlog

from libs.core.errors import Unreachable
from libs.core.spans import span
from libs.nvmeof.errors import HostHangs, HostUnable, ToolFailed

log = structlog.get_logger(__name__)

_REAP_SECONDS = 2.0
"""How long a killed process is waited for; one that sleeps in the kernel may take for ever."""

_LONGEST = 64 * 1024
"""Bytes of output that are kept of a tool, from its end: one that finds a filesystem broken may
print a line for each inode."""

_ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "LANG": "C"}
"""All that a tool is given: what it prints is read by us, and must not be in another language."""


@dataclass(frozen=True, slots=True)
class Ended:
    """How a tool ended.

    Attributes:
        code: its exit code; negative for the number of a signal.
        out: what it wrote to standard output.
        err: what it wrote to standard error.
    """

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All that it printed, for a log line."""
        return "\n".join(part for part in (self.out.strip(), self.err.strip()) if part)


async def run_tool(
    argv: Sequence[str],
    *,
    limit: float,
    allowed: Collection[int] | None = (0,),
) -> Ended:
    """Run a tool, which is given no input, and return how it ended.

    It has a session of its own, so that what it started ends with it.

    Args:
        argv: the program and its arguments, none of which a shell ever sees.
        limit: seconds.
        allowed: the exit codes that are no error; None for all.

    Raises:
        HostUnable: there is no such program, or none that can be run.
        Unreachable: it could not be started just now; nothing was done.
        HostHangs: it had not ended in time; it was killed, or waits in the kernel.
        ToolFailed: it ended with another code.
    """
    with span("host command", {"program": argv[0]}) as own:
        ended = await _run(argv, limit)
        own.set(code=ended.code)
    log.debug("tool", argv=argv, code=ended.code)
    if allowed is not None and ended.code not in allowed:
        raise ToolFailed(
            f"{argv[0]} ended with {ended.code}", detail=f"{argv!r}: {ended.text[-2000:]}"
        )
    return ended


async def _run(argv: Sequence[str], limit: float) -> Ended:
    try:
        process = await _start(argv)
    except (FileNotFoundError, PermissionError) as error:
        raise HostUnable(
            f"this host has no program {argv[0]} that can be run", detail=repr(error)
        ) from error
    except OSError as error:  # above all EAGAIN and ENOMEM (fork(2)), which pass
        raise Unreachable(
            f"{argv[0]} could not be started on this host", detail=repr(error)
        ) from error
    try:
        async with asyncio.timeout(limit):
            out, err = await asyncio.gather(_read_end(process.stdout), _read_end(process.stderr))
            await process.wait()
    except BaseException as error:
        await _end(process, argv)
        if not isinstance(error, TimeoutError):
            raise
        stuck = process.pid if process.returncode is None else 0
        message = f"{argv[0]} did not end within {limit:g} s"
        raise HostHangs(message, detail=repr(argv), pid=stuck) from None
    return Ended(process.returncode or 0, _text(out), _text(err))


async def _start(argv: Sequence[str]) -> asyncio.subprocess.Process:
    """Start a tool; one whose caller is cancelled meanwhile is ended again.

    asyncio waits for ever for a process whose start is cancelled while its pipes are connected
    (Python 3.11): it counts as ended when its pipes are, and they never were.
    """
    starting = asyncio.create_task(
        asyncio.create_subprocess_exec(
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=_ENVIRONMENT,
            start_new_session=True,
        )
    )
    try:
        return await asyncio.shield(starting)
    except asyncio.CancelledError:
        with contextlib.suppress(OSError):  # it was not even started
            await _end(await starting, argv)
        raise


async def _end(process: asyncio.subprocess.Process, argv: Sequence[str]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    try:
        async with asyncio.timeout(_REAP_SECONDS):
            await process.wait()
    except TimeoutError:
        log.warning("a tool cannot be killed: it waits in the kernel", argv=argv, pid=process.pid)


async def _read_end(stream: asyncio.StreamReader | None) -> bytes:
    """Read a stream to its end, and return the last of it."""
    last = b""
    while stream is not None and (piece := await stream.read(_LONGEST)):
        last = (last + piece)[-_LONGEST:]
    return last


def _text(data: bytes) -> str:
    return data.decode(errors="replace")
