"""What the two machines of a test say to each other: pickled values, one question a connection.

Both ends are this project, on a wire that nothing else is on.
"""

import asyncio
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

STORAGE = ("10.77.0.1", "10.77.0.2")
"""Addresses of the two machines on the wire for storage, which a test may cut."""

CONTROL = ("10.78.0.1", "10.78.0.2")
"""And on the one on which the second machine is told what to do."""

AGENT_PORT = 7777

PEER_UUID = "00000000-0000-4000-8000-000000000002"
"""Of the second machine as an NVMe host, for nvme-cli."""


@dataclass(frozen=True)
class Call:
    """Ask for a function of a module that both have to be called there."""

    function: Callable[..., Any]
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Run:
    """Ask for a command to be run there; its output is stdout and stderr."""

    argv: tuple[str, ...]
    stdin: bytes = b""
    seconds: float = 30.0


@dataclass(frozen=True)
class Forward:
    """Ask for a port whose connections go on to a unix socket there."""

    path: str


@dataclass(frozen=True)
class Done:
    """The answer: a value, or the error that there was."""

    value: Any = None
    error: BaseException | None = None


@dataclass(frozen=True)
class Finished:
    """What became of a command.

    Attributes:
        status: its exit status; minus the number of the signal that ended it.
        output: what it printed.
    """

    status: int
    output: str


async def send(writer: asyncio.StreamWriter, value: object) -> None:
    data = pickle.dumps(value)
    writer.write(len(data).to_bytes(8, "big") + data)
    await writer.drain()


async def receive(reader: asyncio.StreamReader) -> Any:
    size = int.from_bytes(await reader.readexactly(8), "big")
    return pickle.loads(await reader.readexactly(size))  # noqa: S301 (see above)
