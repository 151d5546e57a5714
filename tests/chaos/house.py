"""Everything that runs, each as a process: the services as shipped, a device, and an API server."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.exceptions import StreamTerminatedError

from libs.core.images import Image
from libs.kube.client import open_kube
from libs.mockrds.testing import PASSWORD
from protos.gen.csi import v1 as csi
from tests.chaos.calls import Calls
from tests.chaos.clocks import build_library
from tests.chaos.cluster import Cluster
from tests.chaos.machine import Machine, node_flags
from tests.chaos.programs import Program
from tests.chaos.promises import Promises
from tests.component.node.hosts import in_memory
from tests.component.reconciler.rig import NAMESPACE
from tests.kube.commands import free_ports

POOL = "raid10"
GRACE = 60.0
"""Seconds after which the reconciler removes what nobody refers to: its least."""

_PROBE_SECONDS = 1.0
_CONTROL = aiohttp.ClientTimeout(total=20)


@dataclass
class House:
    """All of it, and what is known of it.

    Attributes:
        here: the directory, in memory.
        logs: where processes log.
        cluster: the API.
        device: the simulator.
        kube: the API server.
        controllers: two replicas; calls go to one of them, as from sidecars that elect a leader.
        reconcilers: two replicas, of which a Lease chooses one.
        machines: the nodes.
        promises: what the driver and the nodes promised.
        calls: what makes calls.
        closing: set when clients are to come to an end.
        complaints: what was seen that must not be, and is no promise.
        lost_visits: how often a node was lost while a client had a volume there.
        turn: which controller is asked.
    """

    here: Path
    logs: Path
    cluster: Cluster
    device: Program
    kube: Program
    controllers: list[Program]
    reconcilers: list[Program]
    machines: list[Machine]
    channels: list[Channel]
    session: aiohttp.ClientSession
    promises: Promises = field(default_factory=Promises)
    calls: Calls = field(default_factory=Calls)
    closing: asyncio.Event = field(default_factory=asyncio.Event)
    complaints: list[str] = field(default_factory=list)
    lost_visits: int = 0
    reads: int = 0
    writes: int = 0
    turn: int = 0
    began: float = field(default_factory=time.monotonic)

    @property
    def now(self) -> float:
        """Seconds since all of it ran."""
        return time.monotonic() - self.began

    @property
    def controller(self) -> csi.ControllerStub:
        """The replica whose sidecars lead."""
        return csi.ControllerStub(self.channels[self.turn])

    @property
    def programs(self) -> list[Program]:
        nodes = [machine.program for machine in self.machines]
        return [self.device, self.kube, *self.controllers, *self.reconcilers, *nodes]

    @property
    def operations(self) -> int:
        """Calls that succeeded, and reads and writes that were done."""
        good = sum(n for (_, outcome), n in self.calls.counts.items() if outcome == "OK")
        return good + self.reads + self.writes

    def complain(self, sentence: str) -> None:
        """Note something that must not be."""
        if sentence not in self.complaints:
            self.complaints.append(sentence)

    @property
    def broken(self) -> list[str]:
        """All that must not be."""
        return [*self.promises.broken, *self.calls.broken, *self.complaints]

    # The stand-ins' control APIs

    async def tell_device(self, path: str, body: object = None, method: str = "POST") -> Any:
        return await self._tell(self.device.said["control"] + path, body, method)

    async def tell_kube(self, path: str, body: object = None, method: str = "POST") -> Any:
        return await self._tell(self.kube.said["control"] + path, body, method)

    async def _tell(self, url: str, body: object, method: str) -> Any:
        async with self.session.request(method, url, json=body, timeout=_CONTROL) as response:
            response.raise_for_status()
            return await response.json() if response.status == 200 else None

    async def on_device(self) -> tuple[dict[str, int], dict[str, int]]:
        """Return volumes and snapshots that the device has, with their sizes."""
        state = await self.tell_device("/state", method="GET")
        disks = {d["slot"]: int(d["file-size"]) for d in state["disks"] if d["type"] == "file"}
        files: dict[str, int] = {}
        for file in state["files"]:
            image = Image.parse("/" + str(file["name"]).lstrip("/"))
            if image is not None and image.slot.text.startswith("snap-"):
                files[image.slot.text] = int(file["size"])
        return disks, files


def controller_flags(here: Path, name: str, ssh: int) -> dict[str, object]:
    return {
        "rds-address": "127.0.0.1",
        "rds-port": ssh,
        "rds-password-file": here / "password",
        "rds-host-key-file": here / "host-key.pub",
        "rds-command-timeout": 3,
        "nvme-address": "192.0.2.2",
        "volume-base-paths": f"/{POOL}/volumes",
        "fencing": "true",
        "kubeconfig": here / "kubeconfig",
        "csi-endpoint": f"unix://{here}/{name}.sock",
        "admin-endpoint": f"unix://{here}/{name}-admin.sock",
        "drain-seconds": 5,
    }


def reconciler_flags(here: Path, name: str, controller: str) -> dict[str, object]:
    return {
        "controller-endpoint": f"unix://{here}/{controller}-admin.sock",
        "admin-endpoint": f"unix://{here}/{name}.sock",
        "controller-timeout": 10,
        "kubeconfig": here / "kubeconfig",
        "namespace": NAMESPACE,
        "lease-seconds": 4,
        "lease-deadline": 3,
        "lease-retry": 0.5,
        "node-gone": 2,
        "out-of-service": 0,
        "stuck": 5,
        "interval": 10,
        "backoff-longest": 5,
        "orphan-grace": GRACE,
        "orphans-dry-run": "false",
        "max-orphans": 1000,
        "max-orphans-percent": 100,
        "max-orphans-hourly": 10_000,
        "drain-seconds": 5,
    }


def device_flags(here: Path, ssh: int, control: int) -> dict[str, object]:
    return {
        "listen": f"127.0.0.1:{ssh}",
        "control": f"127.0.0.1:{control}",
        "password": PASSWORD,
        "host-key": here / "host-key",
        "disk-files": here / "disks",
        "data": here / "device",
        "pool": f"{POOL}=100G:xfs",
        "latency": 2,
    }


async def serves(channel: Channel) -> bool:
    """Whether a plugin answers."""
    try:
        probe = csi.ProbeRequest()
        await csi.IdentityStub(channel).probe(probe, timeout=_PROBE_SECONDS)
    except (OSError, GRPCError, TimeoutError, StreamTerminatedError):
        return False
    return True  # whatever it says of the device, which may be away


async def _is_there(path: Path) -> bool:
    return path.exists()  # noqa: ASYNC240 (in memory)


@contextlib.asynccontextmanager
async def open_house(directory: Path, nodes: int) -> AsyncIterator[House]:
    """Start all of it in a directory, and leave nothing of it behind but logs.

    Raises:
        HouseBroken: something does not start.
    """
    logs, here = directory / "logs", directory / "run"
    logs.mkdir(parents=True)
    async with contextlib.AsyncExitStack() as stack:
        stack.enter_context(in_memory(here))
        (here / "disks").mkdir()
        (here / "password").write_text(PASSWORD)
        ssh, control = free_ports(2)
        program = partial(Program, logs=logs, library=await build_library(here))
        device = program("device", "libs.mockrds", device_flags(here, ssh, control), remembers=True)
        await stack.enter_async_context(device.running())
        (here / "host-key.pub").write_text(device.said["host_key"] + "\n")
        config = here / "kubeconfig"
        kube = program("api", "libs.mockkube", {"kubeconfig": config}, remembers=True)
        await stack.enter_async_context(kube.running())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        cluster = Cluster(await stack.enter_async_context(open_kube(config)))
        await cluster.set_up()
        channels = [_channel(stack, here / f"controller-{n}.sock") for n in "ab"]
        controllers = [
            _controller(program, here, n, ssh, c) for n, c in zip("ab", channels, strict=True)
        ]
        reconcilers = [_reconciler(program, here, name) for name in "ab"]
        machines = [_machine(stack, program, here, f"node-{n + 1}") for n in range(nodes)]
        for machine in machines:
            await stack.enter_async_context(machine.open_host())
            await cluster.add_node(machine.name)
        house = House(
            *(here, logs, cluster, device, kube, controllers, reconcilers, machines),
            *(channels, session),
        )
        rest = [*controllers, *reconcilers, *(machine.program for machine in machines)]
        for one in rest:
            stack.push_async_callback(one.kill)
        await asyncio.gather(*(one.start() for one in rest))
        house.began = time.monotonic()
        yield house


def _channel(stack: contextlib.AsyncExitStack, socket: Path) -> Channel:
    channel = Channel(path=str(socket))
    stack.callback(channel.close)
    return channel


def _controller(
    program: Callable[..., Program], here: Path, name: str, ssh: int, channel: Channel
) -> Program:
    flags = controller_flags(here, f"controller-{name}", ssh)
    found = program(f"controller-{name}", "services.controller", flags)
    found.is_ready = partial(serves, channel)
    return found


def _reconciler(program: Callable[..., Program], here: Path, name: str) -> Program:
    flags = reconciler_flags(here, f"reconciler-{name}", f"controller-{name}")
    found = program(f"reconciler-{name}", "services.reconciler", flags)
    found.is_ready = partial(_is_there, here / f"reconciler-{name}.sock")
    return found


def _machine(
    stack: contextlib.AsyncExitStack, program: Callable[..., Program], here: Path, name: str
) -> Machine:
    home = here / "nodes" / name
    home.mkdir(parents=True)
    channel = _channel(stack, home / "csi.sock")
    plugin = program(name, "services.node", node_flags(home, name, here / "kubeconfig"))
    plugin.is_ready = partial(serves, channel)
    return Machine(name, home, here / "disks", plugin, channel)
