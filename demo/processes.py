"""The processes of the demo: a simulated device, a controller and a node plugin, as shipped."""

import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from grpclib.client import Channel

from demo.children import READY_LIMIT, Surprise, open_process, read_ready, wait_until_ready
from demo.host import Host
from demo.node import NodeView, open_node
from protos.gen.csi import v1 as csi

PASSWORD = "demo"  # noqa: S105 (of a device that exists for seconds, on loopback)
NO_NODE = Host.without_node("no node plugin was asked for")

__all__ = ["DeviceView", "House", "Surprise", "open_house"]


@dataclass(frozen=True)
class House:
    """Everything that runs, and what was handed from call to call.

    Attributes:
        identity: the controller's identity service.
        controller: the controller.
        device: a view of the device.
        controller_pid: the controller's process ID.
        host: what can be shown on this host.
        node: the node plugin, where it can be shown.
        contexts: what the controller said of volumes, by their names.
        published: what it said of them when they were published.
    """

    identity: csi.IdentityStub
    controller: csi.ControllerStub
    device: "DeviceView"
    controller_pid: int
    host: Host = NO_NODE
    node: NodeView | None = None
    contexts: dict[str, Mapping[str, str]] = field(default_factory=dict)
    published: dict[str, Mapping[str, str]] = field(default_factory=dict)


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
    host: Host = NO_NODE,
    **changes: object,
) -> AsyncIterator[House]:
    """Start everything in a directory, wait until it is ready, and end it afterwards.

    Args:
        directory: where sockets, keys and logs go.
        device_flags: what the simulated device is given.
        host: whether there is to be a node plugin.
        changes: settings of the controller, by the names of their flags with underscores.

    Raises:
        Surprise: a process did not start, or did not get ready, or did not end well.
    """
    (directory / "password").write_text(PASSWORD)
    images = directory / "device"
    async with contextlib.AsyncExitStack() as stack:
        device = ["--listen=127.0.0.1:0", "--control=127.0.0.1:0", *device_flags]
        device += [f"--password-file={directory}/password"]
        if not host.lacks_node:
            images.mkdir()
            device += [f"--disk-files={images}"]
        process = await stack.enter_async_context(open_process("libs.mockrds", device, directory))
        ready = await read_ready(process, directory)
        flags = _controller_flags(directory, ready, changes)
        controller = await stack.enter_async_context(
            open_process("services.controller", flags, directory)
        )
        node = None
        if not host.lacks_node:
            node = await stack.enter_async_context(open_node(directory, images))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        channel = Channel(path=str(directory / "csi.sock"))
        stack.callback(channel.close)
        house = House(
            csi.IdentityStub(channel, timeout=READY_LIMIT),
            csi.ControllerStub(channel, timeout=READY_LIMIT),
            DeviceView(session, ready["control"]),
            controller.pid,
            host,
            node,
        )
        await wait_until_ready("controller", house.identity, directory)
        yield house


def _controller_flags(
    directory: Path, ready: Mapping[str, str], changes: Mapping[str, object]
) -> list[str]:
    (directory / "host-key").write_text(ready["host_key"] + "\n")
    host, port = ready["ssh"].rsplit(":", 1)
    settings = {
        "rds-address": host,
        "rds-port": port,
        "rds-password-file": directory / "password",
        "rds-host-key-file": directory / "host-key",
        "nvme-address": "192.0.2.10",
        "volume-base-paths": "/raid10/volumes",
        "csi-endpoint": f"unix://{directory}/csi.sock",
        "attachments": "memory",
        **{name.replace("_", "-"): value for name, value in changes.items()},
    }
    return [f"--{name}={value}" for name, value in settings.items()]
