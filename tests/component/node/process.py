"""A node plugin in another process: its command line, and calls on it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.exceptions import StreamTerminatedError

from protos.gen.csi import v1 as csi
from services.node.config import NodeSettings
from tests.component.node.rig import DEADLINE, Calls
from tests.waiting import PATIENCE


def flags(settings: NodeSettings) -> list[str]:
    """Return the command line that gives a process the settings of a rig."""
    given = {
        "node-id": settings.node_id.text,
        "managed-nqn-prefixes": ",".join(settings.managed_nqn_prefixes),
        "state-directory": settings.state_directory,
        "kubelet-directory": settings.kubelet_directory,
        "fabrics": settings.fabrics,
        "loop-directory": settings.loop_directory,
        "cluster": settings.cluster,
        "csi-endpoint": settings.csi_endpoint,
        "health-seconds": settings.health_seconds,
        "drain-seconds": settings.drain_seconds,
        "log-level": "error",
    }
    return [f"--{name}={value}" for name, value in given.items()]


@contextlib.asynccontextmanager
async def open_calls(settings: NodeSettings) -> AsyncIterator[Calls]:
    """Connect to a node plugin in another process, once it is ready."""
    channel = Channel(path=settings.csi_endpoint.removeprefix("unix://"))
    node = csi.NodeStub(channel, timeout=DEADLINE)
    identity = csi.IdentityStub(channel, timeout=DEADLINE)
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                with contextlib.suppress(OSError, GRPCError, StreamTerminatedError):
                    if (await identity.probe(csi.ProbeRequest())).ready:
                        break
                await asyncio.sleep(0.005)  # another process gets ready
        path = Path(settings.csi_endpoint.removeprefix("unix://")).parent
        yield Calls(node, identity, settings, path / "images", path / "kubelet")
    finally:
        channel.close()
