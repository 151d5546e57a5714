"""The second machine, as a test in the first one sees it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, overload

from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.exceptions import StreamTerminatedError

from libs.core.ids import NodeId, Nqn
from protos.gen.csi import v1 as csi
from services.node.config import NodeSettings
from tests.component.node.process import flags
from tests.component.node.rig import NAME, Calls, mounted
from tests.vm.guest import Identity
from tests.vm.inside.rig import DEADLINE
from tests.vm.peer import remote
from tests.vm.peer.wire import (
    AGENT_PORT,
    CONTROL,
    PEER_UUID,
    STORAGE,
    Call,
    Done,
    Finished,
    Forward,
    Run,
    receive,
    send,
)

P = ParamSpec("P")
T = TypeVar("T")

DIRECTORY = "/run/peer"
"""Where a node plugin in the second machine has everything."""

_READY = 90.0


@dataclass
class Peer:
    """Another machine.

    Attributes:
        address: its own on the wire for storage.
        our_address: that of this machine, where it finds targets.
        host_nqn: as which nvme-cli connects there.
    """

    address: str = STORAGE[1]
    our_address: str = STORAGE[0]
    host_nqn: Nqn = field(default_factory=lambda: Nqn(Identity(uuid=PEER_UUID).host_nqn))
    _stack: contextlib.AsyncExitStack = field(default_factory=contextlib.AsyncExitStack)

    async def try_run(
        self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = 30.0
    ) -> Finished:
        """Run a command there, and return its status and output.

        Raises:
            TimeoutError: it did not end in time, and was killed.
        """
        found = await self._ask(Run(tuple(argv), stdin, seconds), seconds)
        assert isinstance(found, Finished)
        return found

    async def run(self, argv: Sequence[str], *, stdin: bytes = b"", seconds: float = 30.0) -> str:
        """Run a command that must succeed there, and return its output."""
        done = await self.try_run(argv, stdin=stdin, seconds=seconds)
        assert done.status == 0, f"{' '.join(argv)}: {done.status}: {done.output}"
        return done.output

    @overload
    async def call(
        self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T: ...
    @overload
    async def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T: ...
    async def call(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call a function there: one of a module's, with what can be pickled.

        Raises:
            Exception: what the function raised.
        """
        return await self._ask(Call(function, args, kwargs), DEADLINE)

    async def open_channel(self, path: Path) -> Channel:
        """Return a channel to a unix socket there; it is closed at the test's end."""
        port = await self._ask(Forward(str(path)), DEADLINE)
        channel = Channel(CONTROL[1], int(port))
        self._stack.callback(channel.close)
        return channel

    async def start_node_plugin(self, **changes: Any) -> "PeerCalls":
        """Start a node plugin there, wait until it is ready, and return calls on it.

        Its state is in `DIRECTORY`; started anew in the same test, it goes on from there.

        Args:
            **changes: fields of `NodeSettings` that are to differ.
        """
        settings = replace(peer_settings(), **changes)
        given = [each for each in flags(settings) if not each.startswith("--loop-directory=")]
        argv = [*given, f"--nvme-directory={settings.nvme_directory}"]
        pid = await self.call(remote.start_plugin, DIRECTORY, argv)
        channel = await self.open_channel(Path(settings.csi_endpoint.removeprefix("unix://")))
        calls = PeerCalls(
            csi.NodeStub(channel, timeout=DEADLINE),
            csi.IdentityStub(channel, timeout=DEADLINE),
            settings,
            Path(DIRECTORY) / "images",
            Path(DIRECTORY) / "kubelet",
            peer=self,
            pid=pid,
        )
        await calls.wait_until_ready()
        return calls

    async def wait_until_ready(self) -> None:
        """Wait until the machine has booted."""
        async with asyncio.timeout(_READY):
            while True:
                with contextlib.suppress(OSError):
                    await self.call(remote.mount_points, DIRECTORY)
                    return
                await asyncio.sleep(0.2)  # it says so to nobody

    async def aclose(self) -> None:
        """Leave nothing behind there."""
        await self._stack.aclose()
        await self.call(remote.clean, DIRECTORY)

    async def _ask(self, question: object, seconds: float) -> Any:
        async with asyncio.timeout(seconds + 10):
            reader, writer = await asyncio.open_connection(CONTROL[1], AGENT_PORT)
            try:
                await send(writer, question)
                done = await receive(reader)
            finally:
                writer.close()
        assert isinstance(done, Done)
        if done.error is not None:
            raise done.error
        return done.value


@dataclass
class PeerCalls(Calls):
    """Calls on a node plugin in the other machine; paths are that machine's.

    Attributes:
        peer: the machine.
        pid: the plugin's, there.
    """

    peer: Peer = field(kw_only=True)
    pid: int = field(kw_only=True)

    def staging(self, name: str = NAME) -> Path:
        return self.kubelet / "plugins" / name / "globalmount"

    def target(self, pod: str = "pod-1", name: str = NAME) -> Path:
        return self.kubelet / "pods" / pod / name / "mount"

    async def stage(
        self,
        capability: csi.VolumeCapability | None = None,
        name: str = NAME,
        *,
        size: int | None = None,
        **changes: Any,
    ) -> None:
        """Stage a volume; `publish_context` must be among the changes."""
        assert size is None, "the publish context says the size"
        await self.peer.run(["mkdir", "-p", str(self.staging(name))])
        request = csi.NodeStageVolumeRequest(
            volume_id=name,
            staging_target_path=str(self.staging(name)),
            volume_capability=capability or mounted(),
        )
        await self.node.node_stage_volume(replace(request, **changes))

    async def publish(
        self,
        capability: csi.VolumeCapability | None = None,
        pod: str = "pod-1",
        name: str = NAME,
        *,
        readonly: bool = False,
        context: dict[str, str] | None = None,
    ) -> Path:
        await self.peer.run(["mkdir", "-p", str(self.target(pod, name).parent)])
        return await super().publish(capability, pod, name, readonly=readonly, context=context)

    async def left(self) -> list[str]:
        """Return what must not be there once no volume is."""
        return await self.peer.call(remote.leftovers, DIRECTORY)

    async def mount_points(self) -> list[str]:
        """Return where something is mounted below the kubelet's directory."""
        return await self.peer.call(remote.mount_points, str(self.kubelet))

    async def kill(self) -> None:
        """Kill the plugin, and not its children."""
        await self.peer.call(remote.kill_plugin, self.pid)

    async def wait_until_ready(self) -> None:
        async with asyncio.timeout(_READY):
            while True:
                with contextlib.suppress(OSError, GRPCError, StreamTerminatedError):
                    if (await self.identity.probe(csi.ProbeRequest())).ready:
                        return
                await asyncio.sleep(0.1)  # it says so to nobody


def peer_settings() -> NodeSettings:
    path = Path(DIRECTORY)
    return NodeSettings(
        node_id=NodeId("worker-2"),
        managed_nqn_prefixes=("nqn.2000-02.com.mikrotik",),
        state_directory=path / "state",
        kubelet_directory=str(path / "kubelet"),
        nvme_directory=path / "nvme",
        cluster="none",
        csi_endpoint=f"unix://{path}/csi.sock",
        health_seconds=3600.0,
        drain_seconds=5.0,
    )


@contextlib.asynccontextmanager
async def open_peer() -> AsyncIterator[Peer]:
    """Own what a test does in the other machine."""
    peer = Peer()
    await peer.wait_until_ready()
    try:
        yield peer
    finally:
        await peer.aclose()
