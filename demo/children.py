"""The child processes of the demo: started, waited for until they are ready, and ended."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from grpclib import GRPCError

from protos.gen.csi import v1 as csi

READY_LIMIT = 30.0
END_LIMIT = 10.0
POLL = 0.05


class Surprise(Exception):
    """Something was not as it should be; the text says what was expected."""


@contextlib.asynccontextmanager
async def open_process(
    module: str, arguments: Sequence[str], directory: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a module with its log in a directory, and end it afterwards.

    It has a session of its own: what is typed at the terminal is for the demo, which ends the
    others in their order.

    Raises:
        Surprise: it did not end well when it was told to.
    """
    with (directory / f"{module}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdout=asyncio.subprocess.PIPE,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        code = await _end(process)
    if code:
        raise Surprise(f"expected {module} to end with code 0 when told to; it ended with {code}")


async def _end(process: asyncio.subprocess.Process) -> int:
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(END_LIMIT):
            return await process.wait()
    except BaseException as error:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        if not isinstance(error, TimeoutError):
            raise
        return await process.wait()


async def read_ready(
    process: asyncio.subprocess.Process, directory: Path, what: str = "simulated device"
) -> dict[str, str]:
    """Return what a stand-in says of itself when it is ready.

    Raises:
        Surprise: it does not get ready.
    """
    if process.stdout is None:
        raise AssertionError("standard output is a pipe")
    try:
        async with asyncio.timeout(READY_LIMIT):
            line = await process.stdout.readline()
        ready: dict[str, str] = json.loads(line)
    except (TimeoutError, ValueError) as error:
        raise Surprise(
            f"expected the {what} to say where it listens\n" + _tail(directory)
        ) from error
    return ready


async def wait_until_ready(what: str, identity: csi.IdentityStub, directory: Path) -> None:
    """Wait until a plugin says that it is ready.

    Raises:
        Surprise: it does not get ready.
    """
    try:
        async with asyncio.timeout(READY_LIMIT):
            while not await _is_ready(identity):  # noqa: ASYNC110 (in another process)
                await asyncio.sleep(POLL)
    except TimeoutError:
        raise Surprise(f"expected the {what} to get ready\n" + _tail(directory)) from None


async def _is_ready(identity: csi.IdentityStub) -> bool:
    try:
        return (await identity.probe(csi.ProbeRequest())).ready is True
    except (OSError, GRPCError):
        return False  # no socket yet


def _tail(directory: Path) -> str:
    lines = [line for log in directory.glob("*.log") for line in log.read_text().splitlines()[-10:]]
    return "\n".join(lines)
