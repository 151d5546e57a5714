"""The node plugin over its real socket, on loop devices: beside the same tools run by hand."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

from grpclib import GRPCError, Status
from grpclib.client import Channel

from bench.byhand import LIFE, by_hand, clean
from bench.measure import Load, Row, empty_row, row
from bench.processes import cpu_seconds, end, peak_mib
from bench.targets import STAGE
from protos.gen.csi import v1 as csi

_MIB = 2**20
_PREFIX = "nqn.2000-02.com.mikrotik"
_READY_SECONDS = 20.0
_TRIES = 5
_PASSING = frozenset({Status.FAILED_PRECONDITION, Status.UNAVAILABLE})
_MODE = csi.VolumeCapabilityAccessModeMode

_SIZES = {"ext4": 256 * _MIB, "xfs": 512 * _MIB, "block": 256 * _MIB}


@dataclass(frozen=True)
class Place:
    """Where everything is."""

    root: Path

    def make(self) -> None:
        """Make the directories."""
        for name in ("images", "kubelet/staging", "kubelet/pods", "state"):
            (self.root / name).mkdir(parents=True)

    @property
    def log(self) -> Path:
        """What the plugin logs."""
        return self.root / "log"

    @property
    def staging(self) -> Path:
        """Where a volume is staged."""
        return self.root / "kubelet" / "staging"

    @property
    def target(self) -> Path:
        """Where a volume is published."""
        return self.root / "kubelet" / "pods" / "target"

    def image(self, volume: str, kind: str) -> Path:
        """Make the file of a volume."""
        path = self.root / "images" / f"{volume}.img"
        with path.open("ab") as file:
            file.truncate(_SIZES[kind])
        return path

    def flags(self) -> list[str]:
        """Return the settings of the plugin."""
        return [
            "--node-id=bench",
            "--cluster=none",
            "--fabrics=loop",
            f"--managed-nqn-prefixes={_PREFIX}",
            f"--loop-directory={self.root}/images",
            f"--kubelet-directory={self.root}/kubelet",
            f"--state-directory={self.root}/state",
            f"--csi-endpoint=unix://{self.root}/csi.sock",
            "--log-level=debug",
        ]


async def bench_node(rounds: int) -> AsyncIterator[Row]:
    """Measure the calls of a volume's life, `rounds` times each."""
    with tempfile.TemporaryDirectory() as directory:
        place = Place(Path(directory))
        place.make()
        async with open_plugin(place) as (pid, node):
            if not _can_mount():
                yield replace(empty_row("node calls"), note="skipped: needs root and loop devices")
                return
            with clean(place.root, place.target, place.staging):
                for kind in _SIZES:
                    async for measured in _lives(Plugin(place, pid, node), kind, rounds):
                        yield measured


def _can_mount() -> bool:
    return os.geteuid() == 0 and Path("/dev/loop-control").exists()


@contextlib.asynccontextmanager
async def open_plugin(
    place: Place, command: Sequence[str] = ("services.node",)
) -> AsyncIterator[tuple[int, csi.NodeStub]]:
    """Run a node plugin, as a module with arguments, and wait until it is ready."""
    with place.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", *command, *place.flags()), stdout=log, stderr=log
        )
    channel = Channel(path=str(place.root / "csi.sock"))
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await _is_ready(channel):  # noqa: ASYNC110 (another process gets ready)
                await asyncio.sleep(0.01)
        yield process.pid, csi.NodeStub(channel, timeout=60)
    finally:
        channel.close()
        await end(process)


async def _is_ready(channel: Channel) -> bool:
    with contextlib.suppress(OSError, GRPCError):
        return bool((await csi.IdentityStub(channel).probe(csi.ProbeRequest())).ready)
    return False


# The calls


@dataclass(frozen=True)
class Plugin:
    """A plugin that runs."""

    place: Place
    pid: int
    node: csi.NodeStub


@dataclass
class _Call:
    """What one call of a volume's life took, round after round, and what the tools took for it."""

    name: str
    times: list[float] = field(default_factory=list)
    bare: list[float] = field(default_factory=list)
    cpu: float = 0.0
    children: int = 0

    async def by_plugin(self, plugin: Plugin, call: Callable[[], Awaitable[object]]) -> None:
        """Take the time of a call."""
        children, used = _tools(plugin.place), cpu_seconds(plugin.pid)
        self.times.append(await insist(call))
        self.cpu += cpu_seconds(plugin.pid) - used
        self.children = _tools(plugin.place) - children

    async def by_tools(self, step: Callable[[], None]) -> None:
        """Take the time of the same thing done by hand."""
        began = perf_counter()
        await asyncio.to_thread(step)
        self.bare.append(perf_counter() - began)

    def as_row(self, pid: int) -> Row:
        """Return what it took."""
        count, taken, by_tools = len(self.times), median(self.times), median(self.bare)
        note = (
            f"{taken / by_tools:.1f} times the bare tools ({by_tools * 1000:.1f} ms); "
            f"{self.children} child processes"
        )
        return replace(
            row(self.name, Load(1, 0, count), self.times, sum(self.times), 0, note),
            rss_mib=peak_mib(pid),
            cpu_s_per_op=round(self.cpu / count, 6),
            target=STAGE.judge((taken - by_tools) * 1000) if LIFE[0] in self.name else "",
        )


async def _lives(plugin: Plugin, kind: str, rounds: int) -> AsyncIterator[Row]:
    """Yield a row for each call, of a new volume and of one that comes back."""
    place = plugin.place
    steps = node_calls(place, plugin.node, kind)
    lives = ("",) if kind == "block" else (" (format)", " (again)")
    calls = {(life, call): _Call(f"{call} {kind}{life}") for life in lives for call in LIFE}
    for number in range(rounds):
        image = place.image(f"hand-{kind}-{number}", kind)
        place.image(volume_of(kind, number), kind)
        for life in lives:
            hand = by_hand(
                str(place.staging), str(place.target), image, kind, is_new=life != " (again)"
            )
            for call in LIFE:
                await calls[life, call].by_plugin(plugin, partial(steps[call], number))
            for call in LIFE:
                await calls[life, call].by_tools(hand[call])
        image.unlink()
    for measured in calls.values():
        yield measured.as_row(plugin.pid)


async def insist(call: Callable[[], Awaitable[object]]) -> float:
    """Make a call, again where it is refused, as the kubelet does; return how long the last took.

    What udev opens for a moment is in use. A development machine can have processes that hide from
    root, too; where they come and go faster than the plugin can look, it does not unmount, rightly.
    """
    for _ in range(_TRIES - 1):
        began = perf_counter()
        try:
            await call()
        except GRPCError as error:
            if error.status not in _PASSING:
                raise
        else:
            return perf_counter() - began
    began = perf_counter()
    await call()
    return perf_counter() - began


def volume_of(kind: str, number: int) -> str:
    """Return the name of a volume."""
    return f"pvc-{kind}-{number}"


def node_calls(
    place: Place, node: csi.NodeStub, kind: str
) -> dict[str, Callable[[int], Awaitable[object]]]:
    """Return the calls of a volume's life."""
    capability = csi.VolumeCapability(
        access_mode=csi.VolumeCapabilityAccessMode(mode=_MODE.SINGLE_NODE_WRITER)
    )
    if kind == "block":
        capability.block = csi.VolumeCapabilityBlockVolume()
    else:
        capability.mount = csi.VolumeCapabilityMountVolume(fs_type=kind)
    staging, target = str(place.staging), str(place.target)

    def stage(number: int) -> Awaitable[object]:
        volume = volume_of(kind, number)
        request = csi.NodeStageVolumeRequest(
            volume_id=volume,
            staging_target_path=staging,
            volume_capability=capability,
            publish_context={
                "nvme_address": "192.0.2.1",
                "nvme_nqn": f"{_PREFIX}:{volume}",
                "size_bytes": str(_SIZES[kind]),
            },
        )
        return node.node_stage_volume(request)

    def publish(number: int) -> Awaitable[object]:
        request = csi.NodePublishVolumeRequest(
            volume_id=volume_of(kind, number),
            staging_target_path=staging,
            target_path=target,
            volume_capability=capability,
        )
        return node.node_publish_volume(request)

    def unpublish(number: int) -> Awaitable[object]:
        volume = volume_of(kind, number)
        request = csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=target)
        return node.node_unpublish_volume(request)

    def unstage(number: int) -> Awaitable[object]:
        volume = volume_of(kind, number)
        request = csi.NodeUnstageVolumeRequest(volume_id=volume, staging_target_path=staging)
        return node.node_unstage_volume(request)

    return dict(zip(LIFE, (stage, publish, unpublish, unstage), strict=True))


def _tools(place: Place) -> int:
    """Return how many tools the plugin has run so far, by its log."""
    lines = place.log.read_text().splitlines()
    return sum(json.loads(line).get("event") == "tool" for line in lines if line.startswith("{"))
