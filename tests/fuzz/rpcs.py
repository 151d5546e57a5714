"""Every RPC of every service, called with bytes, broken messages and sound ones that make no sense.

The services are whole: a controller with a simulated device behind real SSH, a node plugin that
mounts, and a reconciler with a stand-in for the Kubernetes API.
"""

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from grpclib import GRPCError
from grpclib.client import Channel
from grpclib.const import Handler, Status
from grpclib.encoding.base import CodecBase

from libs.core.ids import VolumeId
from libs.core.size import MIB
from libs.mockrds.device import Device
from protos.gen.csi import v1 as csi
from protos.gen.rdscsi.controller import v1 as controller_admin
from protos.gen.rdscsi.reconciler import v1 as reconciler_admin
from tests.component.controller import admin_rig
from tests.component.node import rig as node_rig
from tests.component.node.hosts import clean_host, in_memory
from tests.component.reconciler import rig as reconciler_rig
from tests.fuzz.draw import Draw
from tests.fuzz.sound import sound_requests, vary
from tests.fuzz.words import VOLUME

DEADLINE = 15.0
_WATCH_SECONDS = 0.05
_MOST_BYTES = 700

UNEXPECTED = frozenset({Status.UNKNOWN, Status.INTERNAL, Status.DATA_LOSS, Status.UNAUTHENTICATED})
"""No request may end with these: they say that we, and not the caller, did something wrong."""
PATIENT = frozenset({"/csi.v1.Node/NodeStageVolume", "/csi.v1.Node/NodeExpandVolume"})
"""What waits for a device to have the size that the request says, up to the caller's deadline."""


class _Raw(CodecBase):
    """Sends bytes as they are, and hands them out as they came."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:  # noqa: ARG002 (its interface)
        return bytes(message)

    def decode(self, data: bytes, message_type: Any) -> Any:  # noqa: ARG002 (its interface)
        return data


@dataclass
class Edge:
    """A socket with the RPCs behind it.

    Attributes:
        name: of the service.
        channel: a connection to it.
        methods: by their paths.
        root: the kubelet's directory.
        check: raises where something was touched that must not be.
    """

    name: str
    channel: Channel
    methods: dict[str, Handler]
    root: str = "/var/lib/kubelet"
    check: Callable[[], None] = lambda: None


@dataclass
class Tally:
    """How calls ended.

    Attributes:
        codes: how often, by method and code.
        wrong: method, code and bytes of those that must not have ended so.
    """

    codes: Counter[tuple[str, str]] = field(default_factory=Counter)
    wrong: list[tuple[str, str, bytes]] = field(default_factory=list)

    @property
    def calls(self) -> int:
        return self.codes.total()


async def call(edge: Edge, method: str, data: bytes) -> Status:
    """Call a method with bytes, and return how that ended."""
    is_watch = "/Watch" in method
    limit = _WATCH_SECONDS if is_watch else DEADLINE
    handler = edge.methods[method]
    try:
        async with edge.channel.request(
            method, handler.cardinality, bytes, bytes, timeout=limit
        ) as stream:
            await stream.send_message(data, end=True)
            async for _ in stream:
                pass
    except GRPCError as error:
        has_ended = is_watch and error.status is Status.DEADLINE_EXCEEDED
        return Status.OK if has_ended else error.status
    except TimeoutError:
        return Status.OK if is_watch else Status.DEADLINE_EXCEEDED
    return Status.OK


def encoded(kind: type[Any], chance: random.Random, root: str) -> bytes:
    """Return a message of a kind, or something like one."""
    if chance.random() < 0.1:
        return chance.randbytes(chance.randrange(60))
    draw, sound = Draw(chance.randbytes(_MOST_BYTES), root), sound_requests(root).get(kind)
    is_near = sound is not None and chance.random() < 0.6
    message = vary(sound, draw) if is_near else draw.message(kind)
    try:
        data = bytearray(bytes(message))
    except (ValueError, OverflowError):  # a number that its field cannot carry
        return b""
    if data and chance.random() < 0.15:
        for _ in range(chance.randrange(1, 4)):
            data[chance.randrange(len(data))] = chance.randrange(256)
    return bytes(data)


async def storm(edge: Edge, tally: Tally, *, seed: int, seconds: float, most: int) -> None:
    """Call the methods of an edge in turn, four at a time, until the time or the number is up."""
    end = asyncio.get_running_loop().time() + seconds
    chance = random.Random(seed)  # noqa: S311 (to be repeatable)
    left = iter(range(most))

    async def caller() -> None:
        for number in left:
            method = list(edge.methods)[number % len(edge.methods)]
            data = encoded(edge.methods[method].request_type, chance, edge.root)
            status = await call(edge, method, data)
            tally.codes[method, status.name] += 1
            is_late = status is Status.DEADLINE_EXCEEDED and method not in PATIENT
            if status in UNEXPECTED or is_late:
                tally.wrong.append((method, status.name, data))
            if asyncio.get_running_loop().time() > end:
                return

    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(caller())
    edge.check()


def mapping_of(*services: type[Any]) -> dict[str, Handler]:
    found: dict[str, Handler] = {}
    for service in services:
        found |= service().__mapping__()
    return found


@contextlib.asynccontextmanager
async def connected(path: str | Path, name: str, *services: type[Any]) -> AsyncIterator[Edge]:
    channel = Channel(path=str(path), codec=_Raw())
    try:
        yield Edge(name, channel, mapping_of(*services))
    finally:
        channel.close()


ALLOWED = ("raid10/volumes/", "btr/volumes/")
"""Where the driver may have files."""
FOREIGN = {"backup": "/raid10/backup.img", "theirs": "/raid10/volumes/theirs.img"}
"""Disks of somebody else, by their slots."""


def shared_device() -> Device:
    """Return a device with disks of somebody else."""
    device = admin_rig.two_pools()
    for slot, path in FOREIGN.items():
        given: dict[str, str | int | bool] = {
            "type": "file",
            "slot": slot,
            "file-path": path,
            "file-size": MIB,
        }
        device.add_disk(given)
    return device


def foreign(device: Device) -> list[dict[str, Any]]:
    return [dict(disk.properties) for disk in device.disks if disk.properties["slot"] in FOREIGN]


def check_device(device: Device, before: list[dict[str, Any]]) -> None:
    """Check that what is another's is as it was, and the driver made only what it may make."""
    assert foreign(device) == before
    for disk in device.disks:
        slot, path = str(disk.properties["slot"]), str(disk.properties["file-path"])
        assert slot in FOREIGN or VolumeId.parse(slot).is_managed
        assert slot in FOREIGN or path.lstrip("/").startswith(ALLOWED)


@contextlib.asynccontextmanager
async def open_controller(path: Path) -> AsyncIterator[list[Edge]]:
    await asyncio.to_thread(path.mkdir)
    async with (
        admin_rig.open_alone(path, shared_device(), fencing=True) as alone,
        connected(path / "csi.sock", "controller", csi.ControllerBase, csi.IdentityBase) as edge,
        connected(
            path / "admin.sock", "controller's admin API", controller_admin.ControllerAdminBase
        ) as admin,
    ):
        await alone.rig.create(VOLUME)
        await alone.rig.controller.create_snapshot(
            csi.CreateSnapshotRequest(name="nightly", source_volume_id=VOLUME)
        )
        device = alone.rig.device.state
        before = foreign(device)
        for one in (edge, admin):
            one.check = lambda: check_device(device, before)
        yield [edge, admin]


def _outside(path: Path) -> list[tuple[str, int]]:
    """Return what lies beside the kubelet's directory, with when it was changed."""
    return [(str(one), one.stat().st_mtime_ns) for one in sorted((path / "canary").rglob("*"))]


@contextlib.asynccontextmanager
async def open_node(path: Path) -> AsyncIterator[list[Edge]]:
    with in_memory(path), clean_host(path):
        (path / "canary" / "etc").mkdir(parents=True)
        (path / "canary" / "etc" / "shadow").write_text("root")
        async with node_rig.open_rig(path) as rig:
            if not node_rig.why_not():
                rig.image(64 * MIB, VOLUME)
            for made_by_kubelet in ("plugins/x/globalmount", "pods/1/x"):
                (path / "kubelet" / made_by_kubelet).mkdir(parents=True)
            socket = path / "csi.sock"
            async with connected(socket, "node", csi.NodeBase, csi.IdentityBase) as edge:
                edge.root = str(path / "kubelet")
                before = _outside(path), _mounts_beside(edge.root)
                edge.check = lambda: _check_equal(
                    (_outside(path), _mounts_beside(edge.root)), before
                )
                yield [edge]


def _mounts_beside(root: str) -> list[str]:
    points = [mount.point for mount in node_rig.mount_table().mounts]
    base = str(Path(root).parent)
    return [point for point in points if point.startswith(base) and not point.startswith(root)]


def _check_equal(now: object, before: object) -> None:
    assert now == before


@contextlib.asynccontextmanager
async def open_reconciler(path: Path) -> AsyncIterator[list[Edge]]:
    await asyncio.to_thread(path.mkdir)
    async with reconciler_rig.open_world(path) as world:
        await world.attached_volumes("a", 1, 2)
        async with (
            world.replica(),
            connected(
                path / "reconciler-1.sock",
                "reconciler's admin API",
                reconciler_admin.ReconcilerAdminBase,
            ) as edge,
        ):
            yield [edge]


OPENERS = {"controller": open_controller, "node": open_node, "reconciler": open_reconciler}


async def run(
    service: str, path: Path, *, seed: int, seconds: float = 3600.0, most: int = 10**9
) -> Tally:
    """Storm a service's RPCs, ask whether it lives, and return how the calls ended."""
    tally = Tally()
    async with OPENERS[service](path) as edges:
        for edge in edges:
            share = seconds / len(edges)
            await storm(edge, tally, seed=seed, seconds=share, most=most // len(edges))
        for edge in edges:
            method = "/csi.v1.Identity/Probe"
            if method in edge.methods:
                assert await call(edge, method, b"") is Status.OK
    return tally
