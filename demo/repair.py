"""The reconciler's part: a node goes away with a volume, which is found, taken back, and told."""

import asyncio
import contextlib
import re
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from demo.children import POLL, READY_LIMIT, Surprise, open_process, read_ready
from demo.processes import House, open_house
from demo.steps import NAME, capability, expect
from libs.core.size import GIB
from libs.kube.attachments import attachment_name
from protos.gen.csi import v1 as csi

DRIVER = "rds.csi.srvlab.io"
NODES = ("worker-1", "worker-2", "worker-3")
LOST = NODES[0]

_NODES = "/api/v1/nodes"
_VOLUMES = "/api/v1/persistentvolumes"
_ATTACHMENTS = "/apis/storage.k8s.io/v1/volumeattachments"
_EVENTS = "/api/v1/namespaces/default/events"
_ATTACHMENT = attachment_name(NAME, DRIVER, LOST)
_LIMIT = aiohttp.ClientTimeout(total=20)
_NOT_FOUND = 404
_GRACE = {"node-gone": 2, "stuck": 1, "lease-seconds": 3, "lease-deadline": 2, "lease-retry": 0.5}
"""Seconds: as short as a demo has to be."""


@dataclass(frozen=True)
class Scene:
    """What runs: a device, a controller, the cluster's API and a reconciler."""

    house: House
    cluster: "Cluster"
    reconciler: Path

    async def rdsctl(self, *argv: str) -> str:
        """Return what rdsctl shows, with its columns close together."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "rdsctl", f"--endpoint=unix://{self.reconciler}", *argv),
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(READY_LIMIT):
                shown, _ = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()
        text = shown.decode().strip().replace(NAME, f"{NAME[:12]}…")
        return re.sub(r" {2,}", "  ", text)


class Cluster:
    """The cluster's API, written to as Kubernetes itself and external-attacher do."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = url

    async def create(self, path: str, name: str, spec: object, **metadata: object) -> None:
        """Add an object."""
        item = {"metadata": {"name": name, **metadata}, "spec": spec}
        await self._ask("POST", path, item)

    async def set_status(self, path: str, status: object) -> None:
        """Say how an object is."""
        await self._ask("PATCH", f"{path}/status", {"status": status})

    async def delete(self, path: str) -> None:
        """Delete an object."""
        await self._ask("DELETE", path)

    async def has(self, path: str) -> bool:
        """Whether there is such an object."""
        async with self._session.get(self._url + path) as response:
            return response.status != _NOT_FOUND

    async def reasons(self) -> list[str]:
        """Return what was told by events, in order and each once."""
        async with self._session.get(self._url + _EVENTS) as response:
            items = (await response.json())["items"]
        return list(dict.fromkeys(str(item["reason"]) for item in items))

    async def _ask(self, method: str, path: str, body: object = None) -> None:
        kind = {"Content-Type": f"application/{'merge-patch+' if method == 'PATCH' else ''}json"}
        url = self._url + path
        async with self._session.request(method, url, json=body, headers=kind) as response:
            response.raise_for_status()


@contextlib.asynccontextmanager
async def open_scene(directory: Path) -> AsyncIterator[Scene]:
    """Start everything, wait until it is ready, and end it afterwards.

    Raises:
        Surprise: a process did not start, or did not get ready, or did not end well.
    """
    kubeconfig, admin = directory / "kubeconfig", directory / "admin.sock"
    socket = directory / "reconciler.sock"
    async with contextlib.AsyncExitStack() as stack:
        flags = [f"--kubeconfig={kubeconfig}", "--control=none"]
        process = await stack.enter_async_context(open_process("libs.mockkube", flags, directory))
        ready = await read_ready(process, directory, "stand-in for the cluster's API")
        session = await stack.enter_async_context(aiohttp.ClientSession(timeout=_LIMIT))
        cluster = Cluster(session, ready["api"])
        for name in NODES:
            await cluster.create(_NODES, name, {})
            condition = {"type": "Ready", "status": "True"}
            await cluster.set_status(f"{_NODES}/{name}", {"conditions": [condition]})
        settings = {
            "controller-endpoint": f"unix://{admin}",
            "admin-endpoint": f"unix://{socket}",
            "kubeconfig": kubeconfig,
            "namespace": "kube-system",
            **_GRACE,
        }
        flags = [f"--{name}={value}" for name, value in settings.items()]
        await stack.enter_async_context(open_process("services.reconciler", flags, directory))
        opening = open_house(
            directory,
            attachments="cluster",
            kubeconfig=kubeconfig,
            admin_endpoint=f"unix://{admin}",
        )
        yield Scene(await stack.enter_async_context(opening), cluster, socket)


async def _attach(scene: Scene) -> str:
    controller = scene.house.controller
    await controller.create_volume(
        csi.CreateVolumeRequest(
            name=NAME,
            capacity_range=csi.CapacityRange(required_bytes=GIB),
            volume_capabilities=[capability(scene.house)],
        )
    )
    source = {"driver": DRIVER, "volumeHandle": NAME}
    spec = {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "csi": source}
    await scene.cluster.create(_VOLUMES, NAME, spec)
    of = {"persistentVolumeName": NAME}
    finalizers = ["external-attacher/rds-csi-srvlab-io"]
    spec = {"attacher": DRIVER, "nodeName": LOST, "source": of}
    await scene.cluster.create(_ATTACHMENTS, _ATTACHMENT, spec, finalizers=finalizers)
    await controller.controller_publish_volume(
        csi.ControllerPublishVolumeRequest(
            volume_id=NAME, node_id=LOST, volume_capability=capability(scene.house)
        )
    )
    await scene.cluster.set_status(f"{_ATTACHMENTS}/{_ATTACHMENT}", {"attached": True})
    return f"{LOST} has {NAME[:12]}…"


async def _until_shown(scene: Scene, words: str, *argv: str) -> str:
    """Return what rdsctl shows once these words are in it."""
    shown = ""
    try:
        async with asyncio.timeout(READY_LIMIT):
            while words not in shown:
                shown = await scene.rdsctl(*argv)
    except TimeoutError:
        raise Surprise(f"expected rdsctl to show {words}; it shows\n{shown}") from None
    return shown


async def _show(scene: Scene) -> str:
    return await _until_shown(scene, "  attached  ", "attachments")


async def _lose(scene: Scene) -> str:
    await scene.cluster.delete(f"{_NODES}/{LOST}")
    return f"{LOST} and its Node are gone, and the VolumeAttachment stays"


async def _find(scene: Scene) -> str:
    # Where rdsctl is slow, it is resolved by the time that it is shown.
    states = [f"--state={state}" for state in ("waiting", "acting", "resolved")]
    return await _until_shown(scene, "node-gone", "findings", *states)


async def _wait(scene: Scene) -> str:
    try:
        async with asyncio.timeout(READY_LIMIT):
            # What happens is in other processes.
            while await scene.cluster.has(f"{_ATTACHMENTS}/{_ATTACHMENT}"):  # noqa: ASYNC110
                await asyncio.sleep(POLL)
            while "StaleAttachmentCleared" not in await scene.cluster.reasons():  # noqa: ASYNC110
                await asyncio.sleep(POLL)
    except TimeoutError:
        shown = await scene.rdsctl("findings")
        raise Surprise(f"expected the VolumeAttachment to be gone; got\n{shown}") from None
    return f"events: {', '.join(await scene.cluster.reasons())}"


async def _show_nothing(scene: Scene) -> str:
    shown = await scene.rdsctl("attachments")
    expect(that=shown == "Nothing is attached.", expected="nothing attached", got=shown)
    return shown


async def _delete(scene: Scene) -> str:
    await scene.cluster.delete(f"{_VOLUMES}/{NAME}")
    await scene.house.controller.delete_volume(csi.DeleteVolumeRequest(volume_id=NAME))
    left = await scene.house.device.leftovers()
    expect(that=not left, expected="an empty device", got=", ".join(left))
    return "gone, and the device is empty again"


REPAIR = (
    ("CreateVolume, ControllerPublishVolume", _attach),
    ("rdsctl attachments", _show),
    ("(the node is lost)", _lose),
    ("rdsctl findings", _find),
    ("(the reconciler repairs it)", _wait),
    ("rdsctl attachments", _show_nothing),
    ("DeleteVolume", _delete),
)
