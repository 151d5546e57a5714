"""The node plugin over its real socket, on loop devices: beside the same tools run by hand."""

import asyncio
import contextlib
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from time import perf_counter

from grpclib import GRPCError
from grpclib.client import Channel

from bench.byhand import LIFE, by_hand, clean, run
from bench.measure import Load, Row, row
from protos.gen.csi import v1 as csi

_MIB = 2**20
_PREFIX = "nqn.2000-02.com.mikrotik"
_READY_SECONDS = 20.0
_LONE = Load(1, 0, 1)
_MODE = csi.VolumeCapabilityAccessModeMode
_IMPORT = (
    "from time import perf_counter as now; began = now(); import services.node.app; "
    "print(now() - began)"
)

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
    """Measure the idle process, and then the calls of a volume's life, `rounds` times each."""
    with tempfile.TemporaryDirectory() as directory:
        place = Place(Path(directory))
        place.make()
        async with _open_node(place) as (pid, node):
            yield await _idle(pid)
            yield await _imports(rounds)
            if not _can_mount():
                yield replace(_nothing("node calls"), note="skipped: needs root and loop devices")
                return
            with clean(place.root, place.target, place.staging):
                for kind in _SIZES:
                    async for measured in _lives(place, node, kind, rounds):
                        yield measured


def _can_mount() -> bool:
    return os.geteuid() == 0 and Path("/dev/loop-control").exists()


@contextlib.asynccontextmanager
async def _open_node(place: Place) -> AsyncIterator[tuple[int, csi.NodeStub]]:
    with place.log.open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "services.node", *place.flags()), stdout=log, stderr=log
        )
    channel = Channel(path=str(place.root / "csi.sock"))
    try:
        async with asyncio.timeout(_READY_SECONDS):
            while not await _is_ready(channel):  # noqa: ASYNC110 (another process gets ready)
                await asyncio.sleep(0.01)
        yield process.pid, csi.NodeStub(channel, timeout=60)
    finally:
        channel.close()
        process.terminate()
        await process.wait()


async def _is_ready(channel: Channel) -> bool:
    with contextlib.suppress(OSError, GRPCError):
        return bool((await csi.IdentityStub(channel).probe(csi.ProbeRequest())).ready)
    return False


# The process


def _nothing(name: str) -> Row:
    return replace(row(name, _LONE, [0.0], 1.0, 0), ops_per_s=0, total_s=0, rss_mib=0)


async def _idle(pid: int) -> Row:
    resident, anonymous = _memory(pid)
    note = f"{anonymous:.1f} MiB of it anonymous; no cluster, no volume"
    return replace(_nothing("node process, idle"), rss_mib=resident, note=note)


def _memory(pid: int) -> tuple[float, float]:
    lines = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    kib = {line[0]: int(line[1]) for line in lines if line[0] in {"VmRSS:", "RssAnon:"}}
    return round(kib["VmRSS:"] / 1024, 1), round(kib["RssAnon:"] / 1024, 1)


async def _imports(rounds: int) -> Row:
    command = (sys.executable, "-c", _IMPORT)
    times = [float(await asyncio.to_thread(run, *command)) for _ in range(rounds)]
    note = "services.node.app, in a new process"
    return replace(row("node import", _LONE, times, sum(times), 0, note), rss_mib=0)


# The calls


async def _lives(place: Place, node: csi.NodeStub, kind: str, rounds: int) -> AsyncIterator[Row]:
    """Yield a row for each call, of a new volume and of one that comes back."""
    steps = _calls(place, node, kind)
    lives = ("",) if kind == "block" else (" (format)", " (again)")
    times: dict[str, list[float]] = {}
    bare: dict[str, list[float]] = {}
    tools: dict[str, int] = {}
    for number in range(rounds):
        image = place.image(f"hand-{kind}-{number}", kind)
        place.image(_volume(kind, number), kind)
        for life in lives:
            hand = by_hand(
                str(place.staging), str(place.target), image, kind, is_new=life != " (again)"
            )
            for call in LIFE:
                name = f"{call} {kind}{life}"
                before = _tools(place)
                times.setdefault(name, []).append(await _timed(steps[call], number))
                tools[name] = _tools(place) - before
            for call in LIFE:
                name = f"{call} {kind}{life}"
                bare.setdefault(name, []).append(await _timed_hand(hand[call]))
        image.unlink()
    for name, taken in times.items():
        by_tools = median(bare[name])
        note = (
            f"{median(taken) / by_tools:.1f} times the bare tools ({by_tools * 1000:.1f} ms); "
            f"{tools[name]} child processes"
        )
        yield replace(row(name, Load(1, 0, rounds), taken, sum(taken), 0, note), rss_mib=0)


def _volume(kind: str, number: int) -> str:
    return f"pvc-{kind}-{number}"


def _calls(
    place: Place, node: csi.NodeStub, kind: str
) -> dict[str, Callable[[int], Awaitable[object]]]:
    capability = csi.VolumeCapability(
        access_mode=csi.VolumeCapabilityAccessMode(mode=_MODE.SINGLE_NODE_WRITER)
    )
    if kind == "block":
        capability.block = csi.VolumeCapabilityBlockVolume()
    else:
        capability.mount = csi.VolumeCapabilityMountVolume(fs_type=kind)
    staging, target = str(place.staging), str(place.target)

    def stage(number: int) -> Awaitable[object]:
        volume = _volume(kind, number)
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
            volume_id=_volume(kind, number),
            staging_target_path=staging,
            target_path=target,
            volume_capability=capability,
        )
        return node.node_publish_volume(request)

    def unpublish(number: int) -> Awaitable[object]:
        volume = _volume(kind, number)
        request = csi.NodeUnpublishVolumeRequest(volume_id=volume, target_path=target)
        return node.node_unpublish_volume(request)

    def unstage(number: int) -> Awaitable[object]:
        volume = _volume(kind, number)
        request = csi.NodeUnstageVolumeRequest(volume_id=volume, staging_target_path=staging)
        return node.node_unstage_volume(request)

    return dict(zip(LIFE, (stage, publish, unpublish, unstage), strict=True))


async def _timed(call: Callable[[int], Awaitable[object]], number: int) -> float:
    began = perf_counter()
    await call(number)
    return perf_counter() - began


async def _timed_hand(step: Callable[[], None]) -> float:
    began = perf_counter()
    await asyncio.to_thread(step)
    return perf_counter() - began


def _tools(place: Place) -> int:
    """Return how many tools the plugin has run so far, by its log."""
    lines = place.log.read_text().splitlines()
    return sum(json.loads(line).get("event") == "tool" for line in lines if line.startswith("{"))
