"""Everything that is scraped: a device, an API server, a controller, two nodes, two reconcilers."""

import contextlib
import socket
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from grpclib.client import Channel

from demo.children import READY_LIMIT, open_process, read_ready, wait_until_ready
from protos.gen.csi import v1 as csi
from tests.component.reconciler.rig import NAMESPACE, Cluster
from tests.fakes.apiserver import running_api
from tests.monitoring.pictures.certificates import make_certificates

NODES = ("node-1", "node-2")
PASSWORD = "pictures"
_NQNS = "nqn.2000-02.com.mikrotik"


@dataclass
class Site(Cluster):
    """What runs.

    Attributes:
        controller: its calls.
        nodes: the node plugins' calls, by node.
        device: the simulated device's control API.
        targets: what is scraped: by job, addresses with the names of their instances.
    """

    controller: csi.ControllerStub
    nodes: dict[str, csi.NodeStub]
    device: aiohttp.ClientSession
    targets: dict[str, dict[str, str]]

    def staging(self, node: str, volume: str) -> Path:
        return self.path / node / "kubelet" / "volumes" / volume / "globalmount"

    def target(self, node: str, volume: str) -> Path:
        return self.path / node / "kubelet" / "pods" / volume / "mount"


def free_address() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def flags(settings: Mapping[str, object]) -> list[str]:
    return [f"--{name}={value}" for name, value in settings.items()]


@contextlib.asynccontextmanager
async def open_site(path: Path) -> AsyncIterator[Site]:
    """Run it all in a directory until the block ends."""
    async with contextlib.AsyncExitStack() as stack:
        api = await stack.enter_async_context(running_api(path))
        ready = await _start_device(stack, path)
        device = await stack.enter_async_context(
            aiohttp.ClientSession(ready["control"], raise_for_status=True)
        )
        site = Site(
            api=api,
            path=path,
            controller=csi.ControllerStub(_channel(stack, path / "controller.sock"), timeout=15),
            nodes={},
            device=device,
            targets={},
        )
        await make_certificates(path)
        for name in NODES:
            await site.node(name)
        admin = await _start_controller(stack, site, ready)
        for name in NODES:
            await _start_node(stack, site, name)
        for name in ("reconciler-1", "reconciler-2"):
            await _start_reconciler(stack, site, name, admin)
        yield site


def _channel(stack: contextlib.AsyncExitStack, path: Path) -> Channel:
    channel = Channel(path=str(path))
    stack.callback(channel.close)
    return channel


def _folder(site_path: Path, name: str) -> Path:
    folder = site_path / name
    folder.mkdir()
    return folder


def _address(site: Site, job: str, instance: str) -> str:
    address = free_address()
    site.targets.setdefault(job, {})[address] = instance
    return address


async def _start_device(stack: contextlib.AsyncExitStack, path: Path) -> dict[str, str]:
    (path / "password").write_text(PASSWORD)
    (path / "community").write_text("public")
    (path / "images").mkdir()
    settings = {
        "listen": "127.0.0.1:0",
        "control": "127.0.0.1:0",
        "snmp": free_address(),
        "password-file": path / "password",
        "disk-files": path / "images",
        "drives": 4,
        "latency": 80,
    }
    arguments = [*flags(settings), "--pool=raid10=16G:xfs", "--pool=backup=400G:btrfs"]
    folder = _folder(path, "device")
    process = await stack.enter_async_context(open_process("libs.mockrds", arguments, folder))
    return {**await read_ready(process, folder), "snmp": str(settings["snmp"])}


async def _start_controller(
    stack: contextlib.AsyncExitStack, site: Site, ready: Mapping[str, str]
) -> str:
    path, admin = site.path, free_address()
    (path / "host-key").write_text(ready["host_key"] + "\n")
    host, port = ready["ssh"].rsplit(":", 1)
    settings = {
        "rds-address": host,
        "rds-port": port,
        "rds-password-file": path / "password",
        "rds-host-key-file": path / "host-key",
        "rds-snmp": "2c",
        "rds-snmp-port": ready["snmp"].rpartition(":")[2],
        "rds-snmp-community-file": path / "community",
        "volume-traffic": "true",
        "nvme-address": "192.0.2.10",
        "volume-base-paths": "/raid10/volumes",
        "kubeconfig": site.api.kubeconfig,
        "csi-endpoint": f"unix://{path}/controller.sock",
        "admin-endpoint": f"tcp://{admin}",
        "admin-tls-cert": path / "controller-tls" / "tls.crt",
        "admin-tls-key": path / "controller-tls" / "tls.key",
        "admin-tls-ca": path / "controller-tls" / "ca.crt",
        "metrics-address": _address(site, "rds-csi-controller", "controller"),
    }
    folder = _folder(path, "controller")
    await stack.enter_async_context(open_process("services.controller", flags(settings), folder))
    identity = csi.IdentityStub(_channel(stack, path / "controller.sock"), timeout=READY_LIMIT)
    await wait_until_ready("controller", identity, folder)
    return admin


async def _start_node(stack: contextlib.AsyncExitStack, site: Site, name: str) -> None:
    folder = _folder(site.path, name)
    (folder / "kubelet").mkdir()
    settings = {
        "node-id": name,
        "fabrics": "loop",
        "loop-directory": site.path / "images",
        "managed-nqn-prefixes": _NQNS,
        "kubeconfig": site.api.kubeconfig,
        "kubelet-directory": folder / "kubelet",
        "state-directory": folder / "state",
        "nvme-directory": folder,
        "csi-endpoint": f"unix://{folder}/csi.sock",
        "metrics-address": _address(site, "rds-csi-node", name),
    }
    await stack.enter_async_context(open_process("services.node", flags(settings), folder))
    channel = _channel(stack, folder / "csi.sock")
    await wait_until_ready("node plugin", csi.IdentityStub(channel, timeout=READY_LIMIT), folder)
    site.nodes[name] = csi.NodeStub(channel, timeout=30)


async def _start_reconciler(
    stack: contextlib.AsyncExitStack, site: Site, name: str, admin: str
) -> None:
    folder, keys = _folder(site.path, name), site.path / "reconciler-tls"
    settings = {
        "controller-endpoint": f"tcp://{admin}",
        "controller-server-name": "rds-csi-controller",
        "controller-tls-cert": keys / "tls.crt",
        "controller-tls-key": keys / "tls.key",
        "controller-tls-ca": keys / "ca.crt",
        "kubeconfig": site.api.kubeconfig,
        "namespace": NAMESPACE,
        "interval": 20,
        "node-gone": 15,
        "stuck": 5,
        "metrics-address": _address(site, "rds-csi-reconciler", name),
    }
    await stack.enter_async_context(open_process("services.reconciler", flags(settings), folder))
