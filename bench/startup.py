"""How long each service takes to start, and what it has resident when it has nothing to do.

The processes run as they do in a pod, with a service account and over TLS, so that nothing is
imported that a kubeconfig would need; and without `rich`, which no image of a service has.
"""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from time import perf_counter

from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.health.v1.health_grpc import HealthStub
from grpclib.health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse

from bench.measure import Load, Row, empty_row, row
from bench.processes import cpu_seconds, end, own_mib, peak_mib, resident_mib
from bench.standin import Controller
from bench.targets import PROBE, RESIDENT
from demo.children import open_process, read_ready
from demo.processes import PASSWORD
from libs.csikit.calls import Calls
from libs.csikit.server import open_admin_server
from libs.mockkube.testing import NODES, TOKEN, ApiServer, running_api
from protos.gen.csi import v1 as csi
from tests.fakes.certificates import Authority

_READY_SECONDS = 30.0
_POLL = 0.005
_HOST = "127.0.0.1"

_SHIPPED = (
    "import runpy, sys; sys.modules['rich'] = None; "
    "runpy.run_module('services.{}', run_name='__main__')"
)
_AS_POD = (
    "mount -t tmpfs none /run && mkdir -p /run/secrets/kubernetes.io && "
    'ln -s "$1" /run/secrets/kubernetes.io/serviceaccount && shift && exec "$@"'
)
"""Shows a process a service account, in a mount namespace of its own; /var/run is /run."""

IsReady = Callable[[Channel], Awaitable[bool]]


@dataclass(frozen=True)
class _Service:
    """A service to start: its name, its settings, where it is asked and what."""

    name: str
    flags: Mapping[str, object]
    socket: Path
    is_ready: IsReady


async def bench_startup(rounds: int, idle_seconds: float) -> AsyncIterator[Row]:
    """Start each service so many times, and leave it alone for so long at the end."""
    if os.geteuid() != 0:
        yield replace(empty_row("start-up"), note="skipped: needs root, for a mount namespace")
        return
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        account = root / "account"
        account.mkdir()
        (account / "token").write_text(TOKEN)
        (account / "namespace").write_text("kube-system")
        tls = Authority(account).server(_HOST)
        admin = open_admin_server(
            (Controller(0, []),), root / "controller.sock", Calls(), drain_seconds=0.1
        )
        async with running_api(root, tls=tls) as kube, admin, open_device(root) as controller:
            await kube.put(NODES, {"metadata": {"name": "bench"}})
            for service in _services(root, controller):
                async for measured in _measured(service, _Pod(root, kube), rounds, idle_seconds):
                    yield measured


@contextlib.asynccontextmanager
async def open_device(root: Path) -> AsyncIterator[dict[str, object]]:
    """Run a simulated device; yield a controller's settings for it."""
    (root / "password").write_text(PASSWORD)
    flags = [f"--listen={_HOST}:0", f"--control={_HOST}:0", "--pool=raid10=100T:xfs"]
    flags += [f"--password-file={root}/password"]
    async with open_process("libs.mockrds", flags, root) as process:
        ready = await read_ready(process, root)
        (root / "host-key").write_text(ready["host_key"] + "\n")
        host, port = ready["ssh"].rsplit(":", 1)
        yield {
            "rds-address": host,
            "rds-port": port,
            "rds-password-file": root / "password",
            "rds-host-key-file": root / "host-key",
            "nvme-address": "192.0.2.10",
            "volume-base-paths": "/raid10/volumes",
            "csi-endpoint": f"unix://{root}/csi.sock",
        }


def _services(root: Path, controller: Mapping[str, object]) -> tuple[_Service, ...]:
    for name in ("images", "kubelet", "state"):
        (root / name).mkdir()
    node = {
        "node-id": "bench",
        "fabrics": "loop",
        "managed-nqn-prefixes": "nqn.2000-02.com.mikrotik",
        "loop-directory": root / "images",
        "kubelet-directory": root / "kubelet",
        "state-directory": root / "state",
        "csi-endpoint": f"unix://{root}/node.sock",
    }
    reconciler = {
        "controller-endpoint": f"unix://{root}/controller.sock",
        "admin-endpoint": f"unix://{root}/reconciler.sock",
    }
    return (
        _Service("controller", controller, root / "csi.sock", _probe),
        _Service("node", node, root / "node.sock", _probe),
        _Service("reconciler", reconciler, root / "reconciler.sock", _health),
    )


async def _probe(channel: Channel) -> bool:
    return bool((await csi.IdentityStub(channel).probe(csi.ProbeRequest())).ready)


async def _health(channel: Channel) -> bool:
    # It serves no CSI, so the gRPC health service stands in for Probe.
    said = await HealthStub(channel).Check(HealthCheckRequest())
    return bool(said.status == HealthCheckResponse.SERVING)


@dataclass(frozen=True)
class _Pod:
    """What a process is given in a pod."""

    root: Path
    kube: ApiServer

    def environ(self) -> dict[str, str]:
        """Return the environment: with bytecode on disk, as images have it."""
        own = {key: text for key, text in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        return {
            **own,
            "PYTHONPYCACHEPREFIX": str(self.root / "bytecode"),
            "KUBERNETES_SERVICE_HOST": _HOST,
            "KUBERNETES_SERVICE_PORT": str(self.kube.port),
        }

    def command(self, service: _Service) -> list[str]:
        """Return how a service is started."""
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _AS_POD, "sh"]
        command += [str(self.root / "account"), sys.executable, "-c", _SHIPPED.format(service.name)]
        flags = {"metrics-address": f"{_HOST}:0", "log-level": "warning", **service.flags}
        return command + [f"--{name}={value}" for name, value in flags.items()]


async def _measured(
    service: _Service, pod: _Pod, rounds: int, idle_seconds: float
) -> AsyncIterator[Row]:
    async with _started(service, pod):
        pass  # the first one writes the bytecode
    times, spent, peak = [], [], 0.0
    for _ in range(rounds):
        async with _started(service, pod) as (pid, seconds):
            times.append(seconds)
            spent.append(cpu_seconds(pid))
            peak = max(peak, peak_mib(pid))
    started = row(f"{service.name}: start until ready", Load(1, 0, rounds), times, sum(times), 0)
    # By the slowest: nobody is promised a median.
    yield replace(
        started,
        rss_mib=peak,
        cpu_s_per_op=round(sum(spent) / rounds, 6),
        target=PROBE.judge(max(times)),
        note="in a new process, from its start; a device and an API server that answer at once",
    )
    async with _started(service, pod) as (pid, _):
        yield await _idle(service, pid, idle_seconds)


async def _idle(service: _Service, pid: int, seconds: float) -> Row:
    used = cpu_seconds(pid)
    await asyncio.sleep(seconds)
    spent = cpu_seconds(pid) - used
    resident = resident_mib(pid)
    return replace(
        empty_row(f"{service.name}: idle"),
        total_s=seconds,
        rss_mib=resident,
        target=RESIDENT[service.name].judge(resident),
        note=f"{own_mib(pid):.1f} MiB of it its own; {spent / seconds:.2%} of a CPU",
    )


@contextlib.asynccontextmanager
async def _started(service: _Service, pod: _Pod) -> AsyncIterator[tuple[int, float]]:
    """Run a service; yield its process ID, and after how many seconds it was ready."""
    with (pod.root / f"{service.name}.log").open("wb") as log:
        began = perf_counter()
        process = await asyncio.create_subprocess_exec(
            *pod.command(service), env=pod.environ(), stdout=log, stderr=log
        )
    channel = Channel(path=str(service.socket))
    try:
        await _wait_until_ready(process, partial(service.is_ready, channel))
        yield process.pid, perf_counter() - began
    finally:
        channel.close()
        await end(process)


async def _wait_until_ready(
    process: asyncio.subprocess.Process, is_ready: Callable[[], Awaitable[bool]]
) -> None:
    async with asyncio.timeout(_READY_SECONDS):
        while process.returncode is None:
            with contextlib.suppress(OSError, GRPCError):
                if await is_ready():
                    return
            await asyncio.sleep(_POLL)
    raise AssertionError(f"the process ended with {process.returncode} before it was ready")
