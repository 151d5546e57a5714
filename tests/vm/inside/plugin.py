"""A node plugin as it runs in production, but for the cluster: on the kernel's own NVMe/TCP."""

import asyncio
import contextlib
import multiprocessing
import multiprocessing.process
from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.const import Status

from libs.core.ids import Nqn
from libs.csikit.keylock import open_keyed_tasks
from libs.nvmeof.model import BlockDevice, LinkState
from protos.gen.csi import v1 as csi
from services.node.adapters.cluster import NoCluster
from services.node.app import open_node, run
from services.node.config import NodeSettings
from services.node.workflow.desk import Desk
from services.node.workflow.guard import Guard
from services.node.workflow.health import Health
from tests.component.node import killing
from tests.component.node.process import flags, open_calls
from tests.component.node.rig import MIB, NAME, SIZES, Calls, settings_for
from tests.vm.inside.rig import DEADLINE, PREFIX, until
from tests.vm.nvmet import ADDRESS, PORT, Nvmet

NVME = Path("/sys/class/nvme")

_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(["services.node.app"])  # to import it takes seconds in here


def nqn_of(name: str = NAME) -> Nqn:
    return Nqn(f"{PREFIX}:{name}")


async def error_of(call: Awaitable[object]) -> tuple[Status, str]:
    """Return the status and message that a call fails with."""
    try:
        answer = await call
    except GRPCError as error:
        return error.status, error.message or ""
    except TimeoutError:
        return Status.DEADLINE_EXCEEDED, "the caller's own deadline passed"
    raise AssertionError(f"the call succeeded with {answer}")


@dataclass
class VmCalls(Calls):
    """Calls as the kubelet makes them; volumes are disks of the kernel's own target.

    Attributes:
        nvmet: the target.
        context: what the publish context says besides.
    """

    nvmet: Nvmet
    context: dict[str, str] = field(default_factory=lambda: {"reconnect_delay": "1"})

    def image(self, size: int, name: str = NAME) -> Path:
        path = self.images / f"{name}.img"
        if path.exists():
            self.nvmet.grow(nqn_of(name), size)
        else:
            self.nvmet.export(nqn_of(name), size)
        return path

    async def stage(
        self,
        capability: csi.VolumeCapability | None = None,
        name: str = NAME,
        *,
        size: int | None = None,
        **changes: Any,
    ) -> None:
        fs_type = capability.mount.fs_type if capability and capability.mount else ""
        path = self.images / f"{name}.img"
        if not path.exists():
            self.image(size or SIZES.get(fs_type, 64 * MIB), name)
        published = {
            "nvme_address": ADDRESS,
            "nvme_port": str(PORT),
            "nvme_nqn": nqn_of(name).text,
            "size_bytes": str(path.stat().st_size),
            **self.context,
        }
        given = {"publish_context": published, **changes}
        await super().stage(capability, name, size=size, **given)

    def leftovers(self) -> list[str]:
        """Return what must not be there once no volume is."""
        return [
            *(f"controller {each.name}" for each in NVME.iterdir()),
            *killing.leftovers(self.kubelet.parent),
        ]


@dataclass
class VmRig(VmCalls):
    """A node plugin in this process, calls on it, and its rounds, one at a time."""

    desk: Desk = field(kw_only=True)
    health: Health = field(kw_only=True)

    async def device(self, name: str = NAME) -> BlockDevice | None:
        found = await self.desk.fabrics.find(nqn_of(name))
        return found.device if found else None

    async def is_waiting(self) -> bool:
        """Whether the connection is lost, and the kernel tries to get it back."""
        found = await self.desk.fabrics.find(nqn_of())
        return found is not None and found.state is LinkState.CONNECTING

    async def is_given_up(self) -> bool:
        return await self.desk.fabrics.find(nqn_of()) is None

    async def wrong(self) -> str:
        """Return what the plugin says is wrong with the volume; nothing if it is in order."""
        condition = (await self.stats()).volume_condition
        assert condition is not None
        return condition.message if condition.abnormal else ""

    async def wrong_after_round(self) -> str:
        """Go round over all volumes, as is done every minute, and return what is wrong then."""
        await self.health.check_all()
        return await self.wrong()


def vm_settings(path: Path, **changes: Any) -> NodeSettings:
    settings = settings_for(path, fabrics="nvme", loop_directory=None, nvme_directory=path / "nvme")
    return replace(settings, **changes)


@contextlib.asynccontextmanager
async def open_vm_rig(path: Path, nvmet: Nvmet, **changes: Any) -> AsyncIterator[VmRig]:
    """Own a node plugin with its state in a directory; opened anew, it goes on from there."""
    settings = vm_settings(path, **changes)
    async with contextlib.AsyncExitStack() as stack:
        desk = await stack.enter_async_context(open_node(settings))
        tasks = await stack.enter_async_context(open_keyed_tasks(5.0))
        channel = Channel(path=settings.csi_endpoint.removeprefix("unix://"))
        stack.callback(channel.close)
        yield VmRig(
            csi.NodeStub(channel, timeout=DEADLINE),
            csi.IdentityStub(channel, timeout=DEADLINE),
            settings,
            nvmet.directory,
            path / "kubelet",
            nvmet,
            desk=desk,
            health=Health(replace(desk, pauses=(0.1,)), Guard(NoCluster()), tasks),
        )


class Plugin:
    """A node plugin in a process of its own, as often as it is started."""

    def __init__(self, path: Path, nvmet: Nvmet) -> None:
        self._settings = vm_settings(path)
        self._nvmet = nvmet
        self._path = path
        self._process: multiprocessing.process.BaseProcess | None = None
        self._stack = contextlib.AsyncExitStack()

    async def start(self) -> VmCalls:
        """Start it, wait until it is ready, and return calls on it."""
        settings, socket = self._settings, self._path / "csi.sock"
        given = [each for each in flags(settings) if not each.startswith("--loop-directory=")]
        argv = [*given, f"--nvme-directory={settings.nvme_directory}"]
        await asyncio.to_thread(socket.unlink, missing_ok=True)
        self._process = _CONTEXT.Process(target=run, args=(argv, {}), daemon=True)
        await asyncio.to_thread(self._process.start)
        await until(lambda: asyncio.to_thread(socket.exists), 60)
        calls = await self._stack.enter_async_context(open_calls(settings))
        images, kubelet = self._nvmet.directory, self._path / "kubelet"
        return VmCalls(calls.node, calls.identity, settings, images, kubelet, self._nvmet)

    async def kill(self) -> None:
        """Kill it, and not its children."""
        if self._process is not None:
            self._process.kill()
            await asyncio.to_thread(self._process.join, 10)

    async def aclose(self) -> None:
        await self._stack.aclose()
        await self.kill()


@contextlib.asynccontextmanager
async def open_plugin(path: Path, nvmet: Nvmet) -> AsyncIterator[Plugin]:
    """Own a node plugin that can be killed and started again."""
    plugin = Plugin(path, nvmet)
    try:
        yield plugin
    finally:
        await plugin.aclose()
