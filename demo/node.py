"""The node plugin as a third process, and what it does on this host."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from grpclib.client import Channel

from demo.actions import read_actions
from demo.children import READY_LIMIT, open_process, wait_until_ready
from protos.gen.csi import v1 as csi

NODE = "worker-1"


class NodeView:
    """The node plugin's calls, where it puts volumes, and what it did.

    Args:
        stub: its calls.
        directory: of the demo.
    """

    def __init__(self, stub: csi.NodeStub, directory: Path) -> None:
        self.stub = stub
        self.directory = directory
        self._log = directory / "services.node.log"
        self._read = 0

    def staging(self, volume: str) -> Path:
        """Return where a volume is mounted for the whole node; the kubelet makes the directory."""
        return self.directory / "kubelet" / "volumes" / volume / "globalmount"

    def target(self, volume: str) -> Path:
        """Return where a volume is shown to a pod; the kubelet makes the directory above."""
        return self.directory / "kubelet" / "pods" / volume / "mount"

    def new_actions(self, *, whole: bool) -> list[str]:
        """Return what was done on the host since the last call; tools whole, or shortened."""
        lines = self._log.read_text().splitlines()
        new, self._read = lines[self._read :], len(lines)
        return read_actions(new, str(self.directory), whole=whole)


@contextlib.asynccontextmanager
async def open_node(directory: Path, images: Path) -> AsyncIterator[NodeView]:
    """Start the node plugin, wait until it is ready, and end it afterwards.

    Args:
        directory: where its socket, its records and its mounts go.
        images: where the simulated device keeps the content of its volumes.

    Raises:
        Surprise: it did not start, did not get ready, or did not end well.
    """
    kubelet, socket = directory / "kubelet", directory / "node.sock"
    kubelet.mkdir()
    settings = {
        "node-id": NODE,
        "fabrics": "loop",
        "loop-directory": images,
        "managed-nqn-prefixes": "nqn.2000-02.com.mikrotik",
        "cluster": "none",
        "kubelet-directory": kubelet,
        "state-directory": directory / "state",
        "csi-endpoint": f"unix://{socket}",
        "log-level": "debug",
    }
    flags = [f"--{name}={value}" for name, value in settings.items()]
    async with open_process("services.node", flags, directory):
        channel = Channel(path=str(socket))
        try:
            identity = csi.IdentityStub(channel, timeout=READY_LIMIT)
            await wait_until_ready("node plugin", identity, directory)
            yield NodeView(csi.NodeStub(channel, timeout=READY_LIMIT), directory)
        finally:
            channel.close()
