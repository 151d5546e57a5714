"""The agent in the second machine: does what a test in the first one asks for."""

import asyncio
import contextlib
import inspect
import pickle
import sys

from tests.vm.peer import remote
from tests.vm.peer.wire import (
    AGENT_PORT,
    CONTROL,
    Call,
    Done,
    Finished,
    Forward,
    Run,
    receive,
    send,
)

_LIMIT = 2**30
_FORWARDERS: list[asyncio.Server] = []


async def main() -> None:
    """Serve until the machine ends."""
    server = await asyncio.start_server(_serve, CONTROL[1], AGENT_PORT, limit=_LIMIT)
    async with server:
        sys.stdout.write("the peer is ready\n")
        sys.stdout.flush()
        # Importing the node plugin takes seconds in here; it is likely to be wanted.
        await asyncio.to_thread(remote.preload)
        await server.serve_forever()


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await send(writer, await _answer(reader))
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> Done:
    try:
        done = Done(await _do(await receive(reader)))
        pickle.dumps(done)
    except (ConnectionError, asyncio.IncompleteReadError):
        raise
    except Exception as error:  # noqa: BLE001 (whatever it is, the test is told)
        return Done(error=_portable(error))
    return done


def _portable(error: Exception) -> Exception:
    """Return an error that survives being sent."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (just made)
    except Exception:  # noqa: BLE001 (an error's constructor may do anything)
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


async def _do(question: Call | Run | Forward) -> object:
    match question:
        case Call(function, args, kwargs) if inspect.iscoroutinefunction(function):
            return await function(*args, **kwargs)
        case Call(function, args, kwargs):
            return await asyncio.to_thread(function, *args, **kwargs)
        case Run():
            return await _run(question)
        case Forward(path):
            return await _forward(path)


async def _run(command: Run) -> Finished:
    process = await asyncio.create_subprocess_exec(
        *command.argv,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(command.seconds):
            output, _ = await process.communicate(command.stdin)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Finished(process.returncode or 0, output.decode(errors="replace"))


async def _forward(path: str) -> int:
    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            beyond, back = await asyncio.open_unix_connection(path)
        except OSError:
            writer.close()  # nobody listens, and the test sees it
            return
        await asyncio.gather(_copy(reader, back), _copy(beyond, writer))

    server = await asyncio.start_server(connect, CONTROL[1], 0)
    _FORWARDERS.append(server)
    return int(server.sockets[0].getsockname()[1])


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        with contextlib.suppress(ConnectionError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(main())
