"""A node: its plugin, what is mounted on it, and its power.

All nodes are on this host. Each reaches the device's files by a path of its own, which is what the
kernel says of a loop device, so that no plugin takes another's devices for its own.
"""

import asyncio
import contextlib
import shutil
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

from grpclib.client import Channel

from libs.core.images import Image
from libs.nvmeof.loopdev import Loop, list_loops
from protos.gen.csi import v1 as csi
from tests.chaos.programs import HouseBroken, Program
from tests.component.node.rig import PREFIX, mount_table

_POWER_SECONDS = 30.0
_LOOK_AGAIN = 0.05


class NodeLost(Exception):
    """The node was switched off: what was to be done there cannot be done any more."""


async def run_tool(*argv: object) -> int:
    """Run a tool of the host; return its code."""
    words = [str(word) for word in argv]
    quiet = asyncio.subprocess.DEVNULL
    tool = await asyncio.create_subprocess_exec(*words, stdout=quiet, stderr=quiet)
    try:
        async with asyncio.timeout(_POWER_SECONDS):
            return await tool.wait()
    finally:
        if tool.returncode is None:
            tool.kill()
            await tool.wait()


@dataclass
class Machine:
    """One of the nodes.

    Attributes:
        name: of the Node.
        here: its directory.
        device_files: where the device keeps its files.
        program: its plugin.
        channel: to that.
        is_off: whether it has no power.
        losses: how often it was switched off.
    """

    name: str
    here: Path
    device_files: Path
    program: Program
    channel: Channel
    is_off: bool = False
    losses: int = 0
    _writers: int = 0
    _idle: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def files(self) -> Path:
        """The device's files, as this node sees them."""
        return self.here / "disks"

    @property
    def kubelet(self) -> Path:
        return self.here / "kubelet"

    @property
    def stub(self) -> csi.NodeStub:
        return csi.NodeStub(self.channel)

    def staging(self, volume: str) -> Path:
        return self.kubelet / "plugins" / volume / "globalmount"

    def target(self, volume: str) -> Path:
        return self.kubelet / "pods" / volume / "mount"

    @contextlib.asynccontextmanager
    async def open_host(self) -> AsyncIterator[None]:
        """Have its directories, and leave nothing of it behind."""
        for place in (self.files, self.kubelet, self.here / "state"):
            place.mkdir(parents=True)
        if await run_tool("mount", "--bind", self.device_files, self.files):
            raise HouseBroken("the device's files cannot be shown to the nodes: that takes root")
        try:
            yield
        finally:
            for mount in mount_table().below(str(self.kubelet)):
                await run_tool("umount", "-l", mount.point)
            for loop in self.loops():
                await run_tool("losetup", "-d", loop.device.path)
            await run_tool("umount", "-l", self.files)

    # What is on it

    def loops(self) -> list[Loop]:
        """Return what it is connected to."""
        return [loop for loop in list_loops() if loop.file.startswith(f"{self.files}/")]

    def connected(self) -> set[str]:
        """Return the volumes that it is connected to."""
        images = (Image.parse(loop.file) for loop in self.loops())
        return {image.slot.text for image in images if image is not None}

    def mounts(self) -> list[str]:
        """Return what is mounted, the innermost first."""
        return [mount.point for mount in mount_table().below(str(self.kubelet))]

    # What is done on it

    def check(self, losses: int) -> None:
        """Check that it had power all the time since it was lost so many times.

        Raises:
            NodeLost: it had not.
        """
        if self.is_off or self.losses != losses:
            raise NodeLost(self.name)

    @contextlib.asynccontextmanager
    async def writing(self, losses: int) -> AsyncIterator[None]:
        """Be a pod that reads or writes: the power is not taken away in the middle of that.

        Raises:
            NodeLost: there is no power.
        """
        self.check(losses)
        self._writers += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._writers -= 1
            if not self._writers:
                self._idle.set()

    # Its power

    async def switch_off(self) -> None:
        """Take the power away: its processes end, its mounts and connections go.

        Raises:
            HouseBroken: something stays.
        """
        self.is_off = True
        self.losses += 1
        try:
            async with asyncio.timeout(_POWER_SECONDS):
                if self._writers:
                    await self._idle.wait()
                await self.program.kill()
                while self.mounts() or self.loops():
                    for point in self.mounts():
                        await run_tool("umount", point)
                    for loop in self.loops():
                        await run_tool("losetup", "-d", loop.device.path)
                    await asyncio.sleep(_LOOK_AGAIN)
        except TimeoutError:
            raise HouseBroken(f"{self.name} could not be switched off: {self.mounts()}") from None

    async def switch_on(self) -> None:
        """Start it: pods and what the kubelet knew are gone, files of the host are left."""
        for place in ("plugins", "pods"):
            await asyncio.to_thread(shutil.rmtree, self.kubelet / place, ignore_errors=True)
        (self.here / "csi.sock").unlink(missing_ok=True)
        await self.program.start()
        self.is_off = False


def node_flags(here: Path, name: str, kubeconfig: Path) -> dict[str, object]:
    """Return how a node's plugin is called."""
    return {
        "node-id": name,
        "managed-nqn-prefixes": PREFIX,
        "state-directory": here / "state",
        "kubelet-directory": here / "kubelet",
        "nvme-directory": here / "nvme",
        "fabrics": "loop",
        "loop-directory": here / "disks",
        "kubeconfig": kubeconfig,
        "csi-endpoint": f"unix://{here}/csi.sock",
        "health-seconds": 5,
        "drain-seconds": 5,
        "log-level": "info",
    }
