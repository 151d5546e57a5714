"""The processes of the demo: a simulated device and a controller, each as it is shipped."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
from grpclib import GRPCError
from grpclib.client import Channel

from protos.gen.csi import v1 as csi

PASSWORD = "demo"  # noqa: S105 (of a device that exists for seconds, on loopback)
READY_LIMIT = 30.0
END_LIMIT = 10.0
POLL = 0.05


class Surprise(Exception):
    """Something was not as it should be; the text says what was expected."""


@dataclass(frozen=True)
class House:
    """Everything that runs: the controller's services, a view of the device, and a process ID."""

    identity: csi.IdentityStub
    controller: csi.ControllerStub
    device: "DeviceView"
    controller_pid: int


class DeviceView:
    """What the device received and holds, asked through the simulator's control API."""

    def __init__(self, session: aiohttp.ClientSession, base: str) -> None:
        self._session = session
        self._base = base
        self._seen = 0

    async def new_commands(self) -> list[str]:
        """Return the command lines received since the last call."""
        execs = await self._get(f"/history?since={self._seen}")
        self._seen = max([self._seen, *(entry["number"] for entry in execs)])
        return [entry["line"] for entry in execs]

    async def leftovers(self) -> list[str]:
        """Return the slots of file disks, and the names of files."""
        state = await self._get("/state")
        disks = [disk["slot"] for disk in state["disks"] if disk["type"] == "file"]
        return [*disks, *(file["name"] for file in state["files"])]

    async def _get(self, path: str) -> Any:  # noqa: ANN401 (JSON)
        async with self._session.get(self._base + path) as response:
            response.raise_for_status()
            return await response.json()


@contextlib.asynccontextmanager
async def open_house(
    directory: Path,
    device_flags: Sequence[str] = ("--pool=raid10=100G:xfs",),
    **changes: object,
) -> AsyncIterator[House]:
    """Start everything in a directory, wait until it is ready, and end it afterwards.

    Args:
        directory: where sockets, keys and logs go.
        device_flags: what the simulated device is given.
        changes: settings of the controller, by the names of their flags with underscores.

    Raises:
        Surprise: a process did not start, or the controller did not get ready.
    """
    (directory / "password").write_text(PASSWORD)
    async with contextlib.AsyncExitStack() as stack:
        device = ["--listen=127.0.0.1:0", "--control=127.0.0.1:0", *device_flags]
        device += [f"--password-file={directory}/password"]
        process = await stack.enter_async_context(_open_process("libs.mockrds", device, directory))
        ready = await _read_ready(process, directory)
        (directory / "host-key").write_text(ready["host_key"] + "\n")
        host, port = ready["ssh"].rsplit(":", 1)
        socket = directory / "csi.sock"
        settings = {
            "rds-address": host,
            "rds-port": port,
            "rds-password-file": directory / "password",
            "rds-host-key-file": directory / "host-key",
            "nvme-address": "192.0.2.10",
            "volume-base-paths": "/raid10/volumes",
            "csi-endpoint": f"unix://{socket}",
            "attachments": "memory",
            **{name.replace("_", "-"): value for name, value in changes.items()},
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        controller = await stack.enter_async_context(
            _open_process("services.controller", flags, directory)
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        channel = Channel(path=str(socket))
        stack.callback(channel.close)
        house = House(
            csi.IdentityStub(channel, timeout=READY_LIMIT),
            csi.ControllerStub(channel, timeout=READY_LIMIT),
            DeviceView(session, ready["control"]),
            controller.pid,
        )
        await _wait_until_ready(house, directory)
        yield house


@contextlib.asynccontextmanager
async def _open_process(
    module: str, arguments: Sequence[str], directory: Path
) -> AsyncIterator[asyncio.subprocess.Process]:
    with (directory / f"{module}.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", module, *arguments, stdout=asyncio.subprocess.PIPE, stderr=log
        )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        try:
            async with asyncio.timeout(END_LIMIT):
                code = await process.wait()
        except TimeoutError:
            process.kill()
            code = await process.wait()
    if code:
        raise Surprise(f"expected {module} to end with code 0 when told to; it ended with {code}")


async def _read_ready(process: asyncio.subprocess.Process, directory: Path) -> dict[str, str]:
    if process.stdout is None:
        raise AssertionError("standard output is a pipe")
    try:
        async with asyncio.timeout(READY_LIMIT):
            line = await process.stdout.readline()
        ready: dict[str, str] = json.loads(line)
    except (TimeoutError, ValueError) as error:
        raise Surprise(
            "expected the simulated device to say where it listens\n" + _tail(directory)
        ) from error
    return ready


async def _wait_until_ready(house: House, directory: Path) -> None:
    try:
        async with asyncio.timeout(READY_LIMIT):
            while not await _is_ready(house):  # noqa: ASYNC110 (in another process)
                await asyncio.sleep(POLL)
    except TimeoutError:
        raise Surprise("expected the controller to get ready\n" + _tail(directory)) from None


async def _is_ready(house: House) -> bool:
    try:
        return (await house.identity.probe(csi.ProbeRequest())).ready is True
    except (OSError, GRPCError):
        return False  # no socket yet


def _tail(directory: Path) -> str:
    lines = [line for log in directory.glob("*.log") for line in log.read_text().splitlines()[-10:]]
    return "\n".join(lines)
