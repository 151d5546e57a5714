"""The services of the compose file, as the demo reaches them."""

import asyncio
import contextlib
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID, uuid5

import aiohttp
from grpclib.client import Channel

from demo.children import READY_LIMIT, Surprise, wait_until_ready
from demo.compose.cluster import Cluster, open_cluster
from demo.processes import DeviceView
from protos.gen.csi import v1 as csi

KUBELET = Path("/var/lib/kubelet")
_NAMES = UUID("c0de0000-0000-4000-8000-000000000000")
_CALL_LIMIT = 60.0
_SHOW_LIMIT = 30.0
_LEADER_LIMIT = 60.0
_POLL = 0.5
_NOT_THE_LEADER = 6
"""The exit code of rdsctl for a replica that does not lead: docs/rdsctl.md."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where everything is; the defaults are those of docker-compose.yml."""

    controller: Path = Path("/run/rds-csi/controller/csi.sock")
    node: Path = Path("/run/rds-csi/node/csi.sock")
    node_root: Path = Path("/proc/1/root")
    kubernetes: str = "https://kubernetes:6443"
    account: Path = Path("/var/run/secrets/kubernetes.io/serviceaccount")
    reconciler: str = "reconciler:9443"
    keys: Path = Path("/keys/sre")
    device: str = "http://mock-rds:8022"


@dataclass(frozen=True)
class Town:
    """All services, and what was handed from call to call.

    Attributes:
        places: where they are.
        run: names this run, and with it the volumes: a node does not take a new one for an old one
            that had its name.
        controller: its calls.
        node: the node plugin's calls.
        cluster: the Kubernetes API.
        device: a view of the simulated device; none of one in the kernel data plane.
        contexts: what the controller said of volumes.
        published: what it said of them when they were published.
    """

    places: Places
    run: str
    controller: csi.ControllerStub
    node: csi.NodeStub
    cluster: Cluster
    device: DeviceView
    contexts: dict[str, Mapping[str, str]] = field(default_factory=dict)
    published: dict[str, Mapping[str, str]] = field(default_factory=dict)

    @property
    def volume(self) -> str:
        """The volume that is made first."""
        return self._name("volume")

    @property
    def restored(self) -> str:
        """The one that is made from its snapshot."""
        return self._name("restored")

    @property
    def snapshot(self) -> str:
        """The name of that snapshot."""
        return f"compose-{self.run}"

    @property
    def snapshot_id(self) -> str:
        """Its ID."""
        return f"snap-{self.snapshot}"

    def _name(self, what: str) -> str:
        return f"pvc-{uuid5(_NAMES, f'{self.run} {what}')}"

    def staging(self, volume: str) -> Path:
        """Return where a volume is mounted for the whole node."""
        return KUBELET / "plugins" / "kubernetes.io" / "csi" / volume / "globalmount"

    def target(self, volume: str) -> Path:
        """Return where a pod has it."""
        return KUBELET / "pods" / volume / "volumes" / "kubernetes.io~csi" / "mount"

    def seen(self, path: Path) -> Path:
        """Return a path of the node, as this container reaches it: through the node's process 1."""
        return self.places.node_root / path.relative_to("/")

    async def ask_reconciler(self, *words: str) -> str:
        """Run rdsctl, as a person does, over mutual TLS; return what it prints.

        While nobody leads, as for some seconds after the API server forgot all, it asks again.

        Raises:
            Surprise: it fails, or does not end, or nobody gets to lead.
        """
        keys = self.places.keys
        flags = [f"--endpoint={self.places.reconciler}", f"--tls-cert={keys}/tls.crt"]
        flags += [f"--tls-key={keys}/tls.key", f"--tls-ca={keys}/ca.crt"]
        command = ["rdsctl", *flags, *words]
        code, text = await _run(command)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LEADER_LIMIT):
                while code == _NOT_THE_LEADER:
                    await asyncio.sleep(_POLL)
                    code, text = await _run(command)
        if code:
            raise Surprise(f"expected {' '.join(command)} to end with 0; got {code}: {text}")
        return text


async def _run(command: Sequence[str]) -> tuple[int, str]:
    with tempfile.TemporaryFile() as output:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            async with asyncio.timeout(_SHOW_LIMIT):
                code = await process.wait()
        except BaseException:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()
            raise
        output.seek(0)
        text = output.read().decode(errors="replace").rstrip()
    return code, text


@contextlib.asynccontextmanager
async def open_town(places: Places, run: str) -> AsyncIterator[Town]:
    """Reach all services, and wait until controller and node say that they are ready.

    Raises:
        Surprise: one of them does not get ready.
    """
    async with contextlib.AsyncExitStack() as stack:
        controller, node = Channel(path=str(places.controller)), Channel(path=str(places.node))
        stack.callback(controller.close)
        stack.callback(node.close)
        for what, channel in (("controller", controller), ("node plugin", node)):
            await wait_until_ready(what, csi.IdentityStub(channel, timeout=READY_LIMIT), Path())
        limit = aiohttp.ClientTimeout(total=_CALL_LIMIT)
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=limit))
        yield Town(
            places,
            run,
            csi.ControllerStub(controller, timeout=_CALL_LIMIT),
            csi.NodeStub(node, timeout=_CALL_LIMIT),
            await stack.enter_async_context(open_cluster(places.kubernetes, places.account)),
            DeviceView(session, places.device),
        )
